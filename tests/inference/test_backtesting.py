import dataclasses
import logging

import numpy as np
import pytest
from flax import nnx

import lstm_jax
from lstm_jax.baselines.series import rival, scored
from lstm_jax.data import Scaling
from lstm_jax.errors import DataError
from lstm_jax.functional.conformal import split_quantile
from lstm_jax.inference.calibration import scores_of, validation_scores
from lstm_jax.modules import NegativeBinomial, Quantiles, Smoothing, WindowNormalization
from lstm_jax.tasks import Use
from tests.data.series.windows import given_source


@pytest.fixture(scope="module")
def run(forecaster):
    return lstm_jax.load(forecaster)


def shifted(run, offset):
    """The use of a run whose data all lie higher."""
    panel = run.experiment.data.source.load()
    moved = dataclasses.replace(panel, values=panel.values + offset)
    center = tuple(tuple(value + offset for value in row) for row in run.preprocessor.center)
    preprocessor = dataclasses.replace(run.preprocessor, center=center, training="")
    data = dataclasses.replace(run.experiment.data, source=given_source(moved, "shifted"))
    return Use(run.model, preprocessor, data, run.calibration)


def test_values_far_from_zero_lose_no_digit(run):
    offset = 1e8 + 3  # which float32 holds as 1e8
    use = shifted(run, offset)
    found = run.experiment.task.backtest(use, "test", intervals="split")
    wanted = run.backtest("test", intervals="split")
    for name in ("point", "truth", "lower", "upper"):
        one, other = getattr(found, name) - offset, getattr(wanted, name)
        np.testing.assert_allclose(one, other, atol=1e-4, err_msg=name)
    dataset = use.data.open(use.preprocessor)
    for name in ("repeat", "ridge"):
        fitted = rival(name, use.data, use.preprocessor, "mse")
        said = scored(dataset, "test", fitted.forecaster, name)
        error = np.abs(said.point - wanted.truth - offset).mean()
        assert said.figures["mae"] == pytest.approx(error, rel=1e-4), name


def test_other_training_data_than_the_model_s_are_noticed(run, series, caplog):
    data = run.experiment.data
    with caplog.at_level(logging.WARNING):
        data.open(run.preprocessor)
        assert not caplog.records
        panel = data.source.load()
        values = np.array(panel.values)
        values[0, 0] += 1
        moved = given_source(dataclasses.replace(panel, values=values), "changed")
        dataclasses.replace(data, source=moved).open(run.preprocessor)
    assert "the training part is not the one that the model was trained on" in caplog.text


@pytest.fixture(scope="module")
def quantiles(run):
    """A task with a head that has quantiles, and the use of a model that was not trained."""
    task = dataclasses.replace(run.experiment.task, head=Quantiles())
    model = task.build(nnx.Rngs(0), run.preprocessor)
    return task, Use(model, run.preprocessor, run.experiment.data, None)


def test_scores_say_how_far_outside_of_an_interval_a_value_lies():
    truth = np.array([0.0, 1.0, 1.75, 5.0, np.nan]).reshape(5, 1, 1)
    lower, upper = np.full_like(truth, 1.0), np.full_like(truth, 2.0)
    assert scores_of(truth, lower, upper)[:4, 0, 0].tolist() == [1.0, 0.0, -0.25, 3.0]
    assert np.isnan(scores_of(truth, lower, upper)[4])
    assert scores_of(truth, lower, lower)[:4, 0, 0].tolist() == [1.0, 0.0, 0.75, 4.0]


@pytest.mark.parametrize("intervals", ["split", "adaptive"])
def test_conformal_intervals_widen_the_quantiles_of_a_head(quantiles, intervals):
    task, use = quantiles
    plain = task.backtest(use, "test", interval=0.8)
    found = task.backtest(use, "test", interval=0.8, intervals=intervals)
    assert plain.figures["intervals"] == "head"
    assert (found.point == plain.point).all()
    assert (found.lower <= found.upper).all()
    if intervals == "split":
        scores, _ = validation_scores(use, 0.8)
        scale = np.array(use.preprocessor.scale)[0]
        width = split_quantile(scores, 0.8) * scale
        np.testing.assert_allclose(plain.lower - found.lower, np.tile(width, (24, 1, 1)), rtol=1e-5)
        np.testing.assert_allclose(found.upper - plain.upper, np.tile(width, (24, 1, 1)), rtol=1e-5)
    figures, ends = found.figures, (found.lower, found.upper)
    assert figures["coverage"] == ((ends[0] <= found.truth) & (found.truth <= ends[1])).mean()
    assert figures["by_step"]["width"] == pytest.approx((ends[1] - ends[0]).mean(axis=(0, 2)))
    # The figures of the head's distribution do not depend on where the intervals come from.
    assert {"crps", "msis"} <= figures.keys()
    assert figures["crps"] == plain.figures["crps"]


def test_figures_of_a_backtest_are_those_of_an_evaluation(run):
    found, wanted = run.backtest("test").figures, run.evaluate("test")
    for name in ("mse", "mae", "rmse", "smape", "mase", "windows", "horizon"):
        assert found[name] == pytest.approx(wanted[name], rel=1e-6), name


@pytest.mark.parametrize(
    ("field", "value", "domain"),
    [("head", NegativeBinomial(), "counts"), ("normalization", Smoothing(), "positive values")],
)
def test_values_that_a_model_cannot_mean_are_refused_before_it_reads_them(
    run, field, value, domain
):
    panel = run.experiment.data.source.load()
    values = np.round(panel.values)
    values[7, 1] = 0.5 if domain == "counts" else 0.0
    wrong = dataclasses.replace(panel, values=values)
    task = dataclasses.replace(run.experiment.task, **{field: value})
    if field == "head":
        task = dataclasses.replace(task, normalization=WindowNormalization("none"))
    message = rf"2024-01-08: heat is 0.*, and {type(value).__name__} is of {domain}$"
    use = Use(run.model, run.preprocessor, run.experiment.data, None)
    with pytest.raises(DataError, match=message):
        task.forecast(use, wrong)
    scaled = dataclasses.replace(run.preprocessor, scaling=Scaling("mean_absolute"), training="")
    data = dataclasses.replace(run.experiment.data, source=given_source(wrong, "wrong"))
    with pytest.raises(DataError, match=message):
        task.check(scaled, data.open(scaled))
