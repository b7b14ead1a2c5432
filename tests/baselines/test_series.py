import dataclasses

import numpy as np
import pytest

from lstm_jax.baselines.ridge import Moments, normalized
from lstm_jax.baselines.series import rival, rows, scored
from lstm_jax.data import M4, Panel, Scaling, SeriesTable, SeriesWindows, TimeSplit
from tests.data.series.windows import given_source
from tests.needs import needs_data


def ett(horizon):
    return SeriesWindows(
        SeriesTable("$LSTM_JAX_DATA/ett/ETTh1.csv", time="date"),
        context=96,
        horizon=horizon,
        season=24,
        split=TimeSplit(validation=2880, test=2880, end=14400),
        standardised=True,
    )


def m4(group, horizon, season):
    return SeriesWindows(
        M4(group=group),
        context=horizon,
        horizon=horizon,
        season=season,
        split=TimeSplit(horizon, horizon),
        scaling=Scaling("mean_absolute", per="item"),
        relative_to_naive2=True,
    )


def figures(data, *names):
    found = rows(data, data.fit(), "test", "mse", names)
    return {
        name: {key: round(value, 3) for key, value in row.items() if isinstance(value, float)}
        for name, row in found.items()
    }


@needs_data("ett")
def test_etth1_is_measured_as_in_the_literature():
    """Zhou et al. 2021 and all that followed; the figures are those of closed formulas."""
    found = figures(ett(96), "repeat", "seasonal_naive")
    assert (found["repeat"]["mse"], found["repeat"]["mae"]) == (1.294, 0.713)
    assert (found["seasonal_naive"]["mse"], found["seasonal_naive"]["mae"]) == (0.512, 0.433)
    panel = ett(96).source.load()  # held, so that it is read but once
    for horizon, windows in {96: 2785, 192: 2689, 336: 2545, 720: 2161}.items():
        data = ett(horizon)
        assert len(data.open(data.fit()).origins("test")) == windows
    assert panel.schema.frequency == "h"


@needs_data("m4")
def test_m4_is_measured_as_in_the_competition():
    """The organisers' own table (Makridakis et al. 2020), to the last digit they print."""
    hourly = figures(m4("Hourly", 48, 24), "repeat", "seasonal_naive", "naive2")
    assert [hourly["repeat"][name] for name in ("smape", "mase", "owa")] == [43.003, 11.608, 3.593]
    seasonal = [hourly["seasonal_naive"][name] for name in ("smape", "mase", "owa")]
    assert seasonal == [13.912, 1.193, 0.628]
    assert [hourly["naive2"][name] for name in ("smape", "mase", "owa")] == [18.383, 2.395, 1.0]
    weekly = figures(m4("Weekly", 13, 1), "repeat")["repeat"]
    assert [weekly[name] for name in ("smape", "mase", "owa")] == [9.161, 2.777, 1.0]


def waves(steps=220, seed=0):
    """Two items of two channels: a wave that a linear map of the window continues."""
    time = np.arange(steps)
    random = np.random.default_rng(seed)
    return {
        name: np.stack([np.sin(time / 3 + phase), np.cos(time / 5)], axis=1)
        + 5
        + 0.01 * random.normal(size=(steps, 2))
        for phase, name in enumerate("ab")
    }


def windows(panel, **options):
    given = {"context": 12, "horizon": 4, "split": TimeSplit(30, 30), "season": 6}
    return SeriesWindows(given_source(panel), **given | options)


def test_ridge_continues_what_is_linear():
    data = windows(Panel.from_arrays(waves()))
    found = rows(data, data.fit(), "test", "mse", ["repeat", "seasonal_naive", "ridge"])
    assert found["ridge"]["mse"] < 0.02 * found["repeat"]["mse"]
    assert found["ridge"]["windows"] == found["repeat"]["windows"] == 2 * 27
    assert found["ridge"]["chosen"]["context"] == 12


def test_ridge_is_the_solution_of_its_equations():
    random = np.random.default_rng(0)
    values, targets = random.random((5, 40)) + 1, random.random((3, 40)) + 1
    values[2, 7] = targets[1, 9] = np.nan
    for form in ("mean", "last", "log_last"):
        sums = Moments(5, 3, form)
        sums.add(values[:, :15], targets[:, :15])
        sums.add(values[:, 15:], targets[:, 15:])
        kept = np.isfinite(values).all(axis=0) & np.isfinite(targets).all(axis=0)
        read, center = normalized(values[:, kept], form)
        ahead = (np.log(targets) if form == "log_last" else targets)[:, kept] - center
        gram = read @ read.T
        strength = 0.1 * np.trace(gram) / 5
        expected = np.linalg.solve(gram + strength * np.eye(5), read @ ahead.T)
        np.testing.assert_allclose(sums.solve(0.1).weights, expected)
        assert sums.count == kept.sum() == 38


def test_validation_chooses_how_far_ridge_looks_back():
    data = windows(Panel.from_arrays(waves()))
    found = rows(data, data.fit(), "test", "mse", ["ridge"], contexts=(2, 24))["ridge"]
    assert found["chosen"]["context"] == 24
    assert found["windows"] == 2 * 27


@pytest.mark.parametrize("name", ["repeat", "seasonal_naive", "drift", "naive2", "ridge"])
def test_a_rival_reads_nothing_that_follows(name):
    """Neither of its window, nor, once it was fitted, of all that comes later."""
    clean = waves()
    data = windows(Panel.from_arrays(clean))
    pre = data.fit()
    forecaster, _ = rival(name, data, pre, "mse")
    dataset = data.open(pre)
    expected = scored(dataset, "test", forecaster, name).point[3]
    item, origin = (int(one[0]) for one in dataset.origins("test").at(np.array([3])))
    spoilt = {key: value.copy() for key, value in clean.items()}
    spoilt["ab"[item]][origin:] = 1e6
    other = windows(Panel.from_arrays(spoilt), split=TimeSplit(30, 30))
    again, _ = rival(name, dataclasses.replace(other), pre, "mse")
    found = scored(other.open(pre), "test", again, name).point[3]
    np.testing.assert_array_equal(found, expected)


def test_naive2_is_one_in_units_of_itself():
    """With gaps, a constant series, and windows that are not all as full."""
    panel = waves()
    panel["a"][50:53] = panel["a"][200:203, 0] = np.nan
    panel["constant"] = np.full((220, 2), 3.0)
    panel["b"][:, 1] = 7.0
    data = windows(Panel.from_arrays(panel), relative_to_naive2=True)
    found = rows(data, data.fit(), "test", "mse", ["naive2"])["naive2"]
    assert found["owa"] == pytest.approx(1, rel=1e-6)


def test_ridge_looks_back_beyond_the_first_step():
    panel = {"a": np.exp(waves()["a"]), "short": np.exp(waves()["b"][:100])}
    data = windows(
        Panel.from_arrays(panel),
        context=60,
        shortest_context=5,
        split=TimeSplit(30, 30),
        scaling=Scaling("mean_absolute", per="item"),
    )
    found = rows(data, data.fit(), "validation", "mse", ["ridge", "repeat"])
    assert found["ridge"]["windows"] == found["repeat"]["windows"] == 2 * 27
    assert found["ridge"]["mae"] < found["repeat"]["mae"]
    short = windows(
        Panel.from_arrays({"a": np.full((40, 1), 2.0)}), context=1, horizon=1, split=TimeSplit(5, 5)
    )
    assert rows(short, short.fit(), "test", "mse", ["ridge"])["ridge"]["mae"] == 0
