import numpy as np
import pytest

from lstm_jax.errors import ArgumentError
from lstm_jax.metrics.paired import diebold_mariano

RANDOM = np.random.default_rng(0)


def test_the_statistic_is_what_its_equation_says():
    one, other = RANDOM.random(50), RANDOM.random(50)
    d, h = one - other, 4
    gamma = [((d - d.mean())[k:] * (d - d.mean())[: 50 - k]).sum() / 50 for k in range(h)]
    variance = gamma[0] + 2 * sum((1 - k / h) * gamma[k] for k in range(1, h))
    expected = d.mean() / np.sqrt(variance / 50) * np.sqrt((51 - 2 * h + h * (h - 1) / 50) / 50)
    assert diebold_mariano(one, other, h)[0] == pytest.approx(expected)
    assert diebold_mariano(other, one, h)[0] == pytest.approx(-expected)


def test_equal_forecasts_are_told_apart_as_often_as_p_says():
    """Errors of 8 steps overlap: a test that took them for independent would reject far more."""

    def share(steps):
        rejected = 0
        for _ in range(400):
            noise = RANDOM.normal(size=(2, 307))
            one, other = (np.convolve(x, np.ones(8) / 8, "valid") for x in noise)
            rejected += diebold_mariano(one, other, steps)[1] < 0.05
        return rejected / 400

    assert share(16) < 0.12 < 0.4 < share(1)


def test_a_better_forecast_is_found():
    losses = RANDOM.random(200)
    statistic, p = diebold_mariano(losses, losses + 0.1 + 0.1 * RANDOM.random(200))
    assert statistic < -10
    assert p < 1e-10


def test_where_there_is_nothing_to_tell(unannotated):
    same = RANDOM.random(9)
    assert np.isnan(diebold_mariano(same, same)).all()
    assert np.isnan(diebold_mariano(same[:2], same[1:3])).all()
    with pytest.raises(ArgumentError, match="as many losses of both are needed, not 9 and 8"):
        diebold_mariano(same, same[1:])
