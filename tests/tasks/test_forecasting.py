import dataclasses
import json

import numpy as np
import pytest

import lstm_jax
from lstm_jax.baselines.series import rival, scored
from lstm_jax.data import Panel, Scaling
from lstm_jax.errors import ConfigError, DataError
from lstm_jax.functional.conformal import split_quantile
from lstm_jax.inference.calibration import validation_scores
from lstm_jax.modules import (
    Direct,
    Gaussian,
    NegativeBinomial,
    Quantiles,
    Recursive,
    Smoothing,
    WindowNormalization,
)
from lstm_jax.tasks import Use
from tests.runs import assert_same_run, tiny_forecaster, write_series


@pytest.fixture(scope="module")
def run(forecaster):
    return lstm_jax.load(forecaster)


@pytest.fixture(scope="module")
def sampled(series, tmp_path_factory):
    """A run of DeepAR, whose forecasts are drawn, on logarithms, with windows cut short."""
    experiment = tiny_forecaster(
        series,
        data__scaling=Scaling("standard", log=True),
        data__shortest_context=4,
        task__decoder=Recursive(paths=9),
        task__head=Gaussian(),
        task__channels="joint",
        task__normalization=WindowNormalization("mean"),
        epochs=1,
    )
    return lstm_jax.train(experiment, tmp_path_factory.mktemp("runs") / "sampled")


# With windows that fill up the last batch, and more of them than there are windows.
@pytest.mark.parametrize(("kind", "sizes"), [("run", (1, 64)), ("sampled", (7,))])
def test_figures_do_not_depend_on_batches(kind, sizes, request):
    run = request.getfixturevalue(kind)

    def evaluate(**options):
        found = run.evaluate("test", **options)
        assert found["windows"] == 2 * (14 - 3 + 1)
        json.dumps(found)
        steps = found.pop("by_step")
        return {name: one for name, one in found.items() if isinstance(one, float)}, steps

    found, steps = evaluate()
    for size in sizes:
        other, other_steps = evaluate(batch_size=size)
        assert other == pytest.approx(found, rel=1e-6)
        for name, values in other_steps.items():
            assert values == pytest.approx(steps[name], rel=1e-6), name
    assert {"mse", "mae", "rmse", "smape", "mase"} <= found.keys()
    assert ({"crps", "coverage", "width", "msis"} <= found.keys()) == (kind == "sampled")


def test_stopped_and_started_again_it_ends_as_if_it_had_not(series, forecaster, tmp_path):
    stops = iter([True, False, True])
    for _ in range(3):
        lstm_jax.train(tiny_forecaster(series), tmp_path, should_stop=lambda: next(stops, False))
    assert_same_run(tmp_path, forecaster)


def test_a_model_beats_repeating(run):
    found = run.evaluate("test")
    data = run.experiment.data
    dataset = data.open(run.preprocessor)
    repeated = scored(
        dataset, "test", rival("repeat", data, run.preprocessor, "mse").forecaster, ""
    )
    assert found["mse"] < 0.8 * repeated.figures["mse"]
    assert repeated.figures["windows"] == found["windows"]


def test_rolling_origins_are_forecasts_of_what_was_known_then(run, series):
    """A backtest's window is what `forecast` says of the table cut off at its origin."""
    backtest = run.backtest("test", intervals="split", interval=0.8)
    whole = run.experiment.data.source.load()
    for window in (0, 5, 20):
        item, origin = int(backtest.items[window]), int(backtest.origins[window])
        cut = dataclasses.replace(
            whole.one(item),
            values=whole.one(item).values[:origin],
            first=np.array([0, origin]),
            known=whole.one(item).known[:origin],
            known_first=np.array([0, origin]),
            past=whole.one(item).past[:origin],
        )
        found = run.forecast(cut, interval=0.8)
        for name in ("point", "lower", "upper"):
            one, other = getattr(found, name)[0], getattr(backtest, name)[window]
            np.testing.assert_allclose(one, other, rtol=1e-5, err_msg=name)
        row = backtest.table().slice(window * 3 * 2, 1).to_pylist()[0]
        assert str(row["time"]) == f"{found.stamps[0][0]} 00:00:00"
        assert row["actual"] == whole.one(item).values[origin, 0]


@pytest.mark.parametrize("kind", ["run", "sampled"])
def test_what_comes_after_a_cutoff_changes_no_bit_of_the_forecast(kind, request):
    run = request.getfixturevalue(kind)
    data, whole = run.experiment.data, run.experiment.data.source.load()
    backtest = run.backtest("test")
    window = 4
    item, origin = int(backtest.items[window]), int(backtest.origins[window])
    for poison in (np.nan, 1e9):
        values = whole.values.copy()
        values[whole.first[item] + origin : whole.first[item + 1]] = poison
        spoilt = dataclasses.replace(whole, values=values)
        source = type("Spoilt", (type(data.source),), {"load": lambda self, spoilt=spoilt: spoilt})
        own = {one.name: getattr(data.source, one.name) for one in dataclasses.fields(data.source)}
        use = Use(run.model, run.preprocessor, dataclasses.replace(data, source=source(**own)))
        found = run.experiment.task.backtest(use, "test")
        assert (found.point[window] == backtest.point[window]).all()
        if kind == "sampled":
            assert (found.lower[window] == backtest.lower[window]).all()
        assert not np.array_equal(found.point[window + 3], backtest.point[window + 3])


def test_split_intervals_are_those_of_validation(run):
    assert (run.workdir / "calibration" / f"{run.step}.json").exists()
    use = Use(run.model, run.preprocessor, run.experiment.data)
    scores, items = validation_scores(use)
    assert scores.shape == (2 * 10, 3, 2)
    assert items.tolist() == [0] * 10 + [1] * 10
    np.testing.assert_allclose(run.calibration["widths"]["0.9"], split_quantile(scores, 0.9))
    found = run.forecast(run.experiment.data.source.load())
    width = (found.upper - found.lower) / 2
    scale = np.array(run.preprocessor.scale)[0]
    np.testing.assert_allclose(width[0], np.array(run.calibration["widths"]["0.9"]) * scale)
    with pytest.raises(
        ConfigError, match=r"^interval: one of 0.5, 0.8, .* was calibrated, not 0.7"
    ):
        run.forecast(run.experiment.data.source.load(), interval=0.7)


def test_intervals_of_a_head_are_its_quantiles(sampled):
    found = sampled.backtest("test", interval=0.5)
    wide = sampled.backtest("test", interval=0.9)
    assert found.figures["intervals"] == "head"
    assert (wide.lower <= found.lower).all()
    assert (found.upper <= wide.upper).all()
    assert sampled.calibration is None


def test_new_series_and_short_horizons(run, tmp_path):
    values = {"new": np.arange(20.0), "other": np.ones(9)}
    given = {
        "item": ["new"] * 20 + ["other"] * 9,
        "time": [
            str(day)
            for day in np.datetime64("2025-02-20") + np.array([*range(20), *range(9)], "m8[D]")
        ],
        "load": np.concatenate([*values.values()]),
        "heat": np.full(29, 10.0),
    }
    found = run.forecast(given, horizon=2)
    assert found.items == ("new", "other")
    assert found.stamps == (("2025-03-12", "2025-03-13"), ("2025-03-01", "2025-03-02"))
    assert found.point.shape == (2, 2, 2)
    one = run.forecast({name: column[20:] for name, column in given.items()}, batch_size=1)
    np.testing.assert_allclose(one.point[0, :2], found.point[1], rtol=1e-5)
    table = found.table()
    assert table.column_names == ["item", "time", "value", "forecast", "lower", "upper"]
    assert table.num_rows == 8


def test_tables_that_do_not_fit_are_refused_in_one_line(run):
    days = [str(day) for day in np.datetime64("2025-01-01") + np.arange(10).astype("m8[D]")]
    good = {"item": ["a"] * 10, "time": days, "load": np.ones(10), "heat": np.ones(10)}
    run.forecast(good)
    without = {name: column for name, column in good.items() if name != "heat"}
    with pytest.raises(DataError, match=r"no column 'heat'"):
        run.forecast(without)
    with pytest.raises(
        DataError, match=r"item 'a': 5 steps, and the model looks back on at least 8"
    ):
        run.forecast({name: column[:5] for name, column in good.items()})
    weeks = np.datetime64("2025-01-01") + np.arange(0, 70, 7).astype("m8[D]")
    weekly = good | {"time": [str(week) for week in weeks]}
    with pytest.raises(DataError):
        run.forecast(weekly)
    with pytest.raises(
        ConfigError, match=r"^horizon: this model forecasts 1 to 3 steps, not 4; trai"
    ):
        run.forecast(good, horizon=4)
    with pytest.raises(DataError, match=r"^frequency 'step' was given, and 'D' is needed"):
        run.forecast(Panel.from_arrays(np.ones((9, 2)), names={"values": ("load", "heat")}))


def test_what_cannot_fit_is_said_before_the_first_step(series, tmp_path):
    for changes, message in (
        ({"data__context": 9}, r"^decoder.length: a context of 9 steps is no multiple of 4"),
        (
            {"task__normalization": Smoothing()},
            r"^Smoothing divides by levels, .* data.scaling.kind=mean_absolute$",
        ),
        ({"task__head": NegativeBinomial()}, r"^NegativeBinomial is of counts, which nothing may"),
        ({"task__selected_by": "owa"}, r"owa"),
    ):
        with pytest.raises(ConfigError, match=message):
            lstm_jax.train(tiny_forecaster(series, **changes), tmp_path / "refused")
    assert not (tmp_path / "refused" / "checkpoints").exists()


def test_the_best_is_selected_by_what_the_head_is_best_at(series):
    task = tiny_forecaster(series).task
    assert task.score.metric == "mse"
    for head, metric in ((Quantiles(), "crps"), (Gaussian(), "crps")):
        assert dataclasses.replace(task, head=head).score.metric == metric
    assert dataclasses.replace(task, selected_by="owa").score.metric == "owa"


def test_counts_and_smoothing_train(tmp_path):
    write_series(tmp_path)
    for number, changes in enumerate(
        (
            {
                "task__head": NegativeBinomial(),
                "task__decoder": Direct(),
                "data__scaling": Scaling("mean_absolute", per="item"),
                "task__normalization": WindowNormalization("none"),
            },
            {
                "task__normalization": Smoothing(),
                "data__scaling": Scaling("mean_absolute", per="item"),
                "data__relative_to_naive2": True,
                "task__selected_by": "owa",
                "task__normalized_loss": True,
            },
        )
    ):
        experiment = tiny_forecaster(tmp_path, epochs=1, **changes)
        found = lstm_jax.train(experiment, tmp_path / f"{number}").evaluate("test")
        assert np.isfinite(found["mase"])
        json.dumps(found)


def test_contributions_add_up_and_stand_where_something_was_read(run, sampled, series):
    whole = run.experiment.data.source.load()
    found = run.explain(whole, item="b", channel="heat", step=2, tolerance=1e-4)
    forecast = run.forecast(whole)
    assert found.forecast == pytest.approx(forecast.point[1, 1, 1], rel=1e-5)
    assert found.contributions.shape == (8, 2)
    # Channels are read one by one: the other one has no part in it.
    assert (found.contributions[:, 0] == 0).all()
    assert (found.contributions[:, 1] != 0).any()
    np.testing.assert_allclose(found.values, whole.one(1).values[-8:], rtol=1e-5)
    assert found.stamps[-1] == "2024-02-29"
    assert abs(found.error) < 1e-3 * max(1, abs(found.forecast - found.baseline))
    assert found.plot().axes
    drawn = sampled.explain(whole, quantile=0.9)
    assert abs(drawn.error) < 0.01 * abs(drawn.forecast - drawn.baseline) + 0.01
    for options, message in (
        ({"item": "c"}, r"^item: there is no 'c'"),
        ({"step": 4}, r"^step: the horizon has 1 to 3, not 4$"),
        ({"quantile": 0.5}, r"^the head Squared gives points alone"),
    ):
        with pytest.raises(ConfigError, match=message):
            run.explain(whole, **options)
