import jax
import numpy as np
import pytest

from lstm_jax.metrics import forecasts
from lstm_jax.metrics.forecasts import LEVELS, Facts, Units
from lstm_jax.metrics.means import merge_metrics
from tests.reference import array

HORIZON, BATCH, CHANNELS = 3, 6, 2


def problem(seed=0, observed=0.8):
    random = np.random.default_rng(seed)
    shape = HORIZON, BATCH, CHANNELS
    return {
        "point": random.normal(size=shape),
        "target": random.normal(size=shape),
        "quantiles": np.sort(random.normal(size=(*shape, len(LEVELS))), axis=-1),
        "center": random.normal(size=(BATCH, CHANNELS)) + 5,
        "scale": random.random((BATCH, CHANNELS)) + 0.5,
        "weight": (random.random(shape) < observed).astype(float),
        "naive_error": random.random((BATCH, CHANNELS)) + 0.1,
        "deviation": np.array([2.0, 3.0]),
        "reference": random.random((BATCH, 2)) + 1,
    }


@jax.jit
def counted(given):
    facts = (given[name] for name in ("weight", "naive_error", "deviation", "reference"))
    units = Units(given["center"], given["scale"])
    return forecasts.count(
        given["point"], given["target"], units, Facts(*facts), given["quantiles"]
    )


def sums_of(given, batches=((0, BATCH),)):
    merged = None
    for begin, end in batches:
        part = {
            name: value[begin:end] if value.ndim == 2 and len(value) == BATCH else value
            for name, value in given.items()
        }
        for name in ("point", "target", "quantiles", "weight"):
            part[name] = given[name][:, begin:end]
        arrays = {name: array(value, np.float32) for name, value in part.items()}
        found = {name: one.to_host() for name, one in counted(arrays).items()}
        merged = merge_metrics(merged, found) if merged else found
    return merged


def plain(given):
    """The figures, said again with means over the values that were observed."""
    is_there = given["weight"] > 0
    shape = is_there.shape

    def units(x):
        return (
            x * given["scale"][..., None] + given["center"][..., None]
            if x.ndim == 4
            else (x * given["scale"] + given["center"])
        )

    y, f, q = (units(given[name]) for name in ("target", "point", "quantiles"))
    naive = np.broadcast_to(given["naive_error"], shape)
    deviation = np.broadcast_to(given["deviation"], shape)
    error = np.abs(y - f)
    beyond = y[..., None] - q
    levels = np.array(LEVELS)
    pinball = np.maximum(levels * beyond, (levels - 1) * beyond)
    grid = pinball[..., 1:-1].mean(axis=-1)

    def at(level):
        return q[..., LEVELS.index(level)]

    score = at(0.975) - at(0.025)
    score += 40 * np.maximum(at(0.025) - y, 0) + 40 * np.maximum(y - at(0.975), 0)
    every = {
        "mse": (error / deviation) ** 2,
        "mae": error / deviation,
        "mse_in_units": error**2,
        "mae_in_units": error,
        "smape": 200 * error / (np.abs(y) + np.abs(f)),
        "mase": error / naive,
        "crps": 2 * grid / deviation,
        "coverage": (at(0.05) <= y) & (y <= at(0.95)),
        "width": (at(0.95) - at(0.05)) / deviation,
        "msis": score / naive,
    }
    return {name: np.array(value)[is_there].mean() for name, value in every.items()}


def test_figures_are_what_their_formulas_say():
    given = problem()
    found, expected = forecasts.summarize(sums_of(given), in_units=True), plain(given)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=2e-6), name
    assert found["rmse"] == pytest.approx(found["mse"] ** 0.5)
    values = given["weight"].sum(axis=(0, 2))
    smape, mase = np.average(given["reference"], axis=0, weights=values)
    assert found["owa"] == pytest.approx((found["smape"] / smape + found["mase"] / mase) / 2)
    assert "mse_in_units" not in forecasts.summarize(sums_of(given))


def test_they_do_not_depend_on_batches():
    given = problem()
    whole = forecasts.summarize(sums_of(given))
    for size in (1, 4):
        cut = [(begin, min(begin + size, BATCH)) for begin in range(0, BATCH, size)]
        found = forecasts.summarize(sums_of(given, cut))
        assert found == pytest.approx(whole, rel=1e-6)


def test_each_step_has_its_own():
    given = problem(observed=1.1)
    steps = forecasts.by_step(sums_of(given))
    for step in range(HORIZON):
        one = given | {
            name: given[name][step : step + 1]
            for name in ("point", "target", "quantiles", "weight")
        }
        for name, value in plain(one).items():
            assert steps[name][step] == pytest.approx(value, rel=2e-6), name


def test_what_was_not_observed_counts_nowhere():
    given = problem()
    hidden = given["weight"] == 0
    expected = forecasts.summarize(sums_of(given))
    for poison in (1e9, np.nan):
        found = given | {"target": np.where(hidden, poison, given["target"])}
        assert forecasts.summarize(sums_of(found)) == expected


def test_series_without_a_scale_are_left_out_of_scaled_errors():
    given = problem(observed=1.1)
    given["naive_error"][:, 0] = 0
    given["naive_error"][0, 1] = np.nan
    found = forecasts.summarize(sums_of(given))
    error = np.abs(given["point"] - given["target"]) * given["scale"]
    expected = (error[:, 1:, 1] / given["naive_error"][1:, 1]).mean()
    assert found["mase"] == pytest.approx(expected, rel=1e-6)
    nothing = forecasts.summarize(sums_of(given | {"naive_error": 0 * given["naive_error"]}))
    assert not {"mase", "msis", "owa"} & nothing.keys()


def test_a_high_level_costs_no_digits():
    units = Units(array(1e9, np.float32), array(1.0, np.float32))
    difference = units.difference(array(0.25, np.float32), array(0.0, np.float32))
    assert float(difference) == 0.25


def test_only_logarithms_have_a_qlike():
    given = problem()
    assert "qlike" not in forecasts.summarize(sums_of(given))

    @jax.jit
    def counted_logs(given):
        facts = Facts(*(given[name] for name in ("weight", "naive_error", "deviation")))
        units = Units(given["center"], given["scale"], is_log=True)
        return forecasts.count(given["point"], given["target"], units, facts)

    hidden = given["weight"] == 0
    given["target"] = np.where(hidden, np.nan, given["target"])
    sums = counted_logs({name: array(value, np.float32) for name, value in given.items()})
    y, f = (np.exp(given[name] * given["scale"] + given["center"]) for name in ("target", "point"))
    every = np.where(hidden, 0, y / f - np.log(y / f) - 1)
    assert forecasts.summarize(sums)["qlike"] == pytest.approx(every.sum() / (~hidden).sum())
    steps = forecasts.by_step(sums)["qlike"]
    assert steps == pytest.approx(every.sum(axis=(1, 2)) / (~hidden).sum(axis=(1, 2)))


def test_logarithms_come_back_as_values():
    units = Units(array(1.0, np.float32), array(0.5, np.float32), is_log=True)
    values = array([2.0, 3.0], np.float32)
    np.testing.assert_allclose(units.values(units.scaled(values)), values, rtol=1e-6)
    assert float(units.difference(*units.scaled(values))) == pytest.approx(-1, rel=1e-5)
