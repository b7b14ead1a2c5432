import dataclasses
import logging

import numpy as np
import pytest

import lstm_jax
from lstm_jax.baselines.series import rival, scored
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
