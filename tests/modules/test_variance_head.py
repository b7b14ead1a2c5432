"""The quasi-likelihood of variances: see the tables of `test_heads.py` as well."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from lstm_jax.metrics import forecasts
from lstm_jax.metrics.forecasts import Facts, Units
from lstm_jax.modules import Qlike
from tests.reference import array, assert_close

CENTER, SCALE, COUNT = -0.7, 1.3, 200


def problem():
    random = np.random.default_rng(0)
    raw, target = random.normal(size=(2, COUNT))
    return array(raw, np.float32), array(target, np.float32)


@jax.jit
def cost_and_slope(raw, target, scale):
    def cost(raw):
        return Qlike().cost(raw[:, None], target, scale)

    found, back = jax.vjp(cost, raw)
    return found, back(jnp.ones_like(found))[0]


@jax.jit
def sums_of(raw, target):
    """The sums of the figures of a task, each value in a window of its own."""
    one = jnp.ones((1, COUNT, 1))
    logs = Units(CENTER * one[0], SCALE * one[0], is_log=True)
    facts = Facts(one, one[0], jnp.ones(1))
    return forecasts.count(raw[None, :, None], target[None, :, None], logs, facts)


def units(scaled):
    return np.exp(SCALE * np.asarray(scaled, np.float64) + CENTER)


def test_it_is_the_formula_in_the_units_of_the_data():
    raw, target = problem()
    found, slope = cost_and_slope(raw, target, jnp.full(COUNT, SCALE))
    ratio = units(target) / units(raw)
    assert_close(found, ratio - np.log(ratio) - 1, 1e-5)
    assert_close(slope, SCALE * (1 - ratio), 1e-5)


def test_the_figure_of_a_task_is_its_mean():
    raw, target = problem()
    expected = cost_and_slope(raw, target, jnp.full(COUNT, SCALE))[0].mean()
    found = forecasts.summarize(sums_of(raw, target))
    assert found["qlike"] == pytest.approx(float(expected), rel=1e-5)


def test_the_best_forecast_is_the_mean_of_the_values_though_it_is_a_logarithm():
    target = array(np.random.default_rng(1).normal(size=COUNT), np.float32)

    def mean_cost(raw):
        return float(cost_and_slope(jnp.full(COUNT, raw), target, jnp.full(COUNT, SCALE))[0].mean())

    best = optimize.minimize_scalar(mean_cost, bounds=(-2, 3), method="bounded").x
    point = Qlike().point(jnp.array([[best]]), jnp.array([SCALE]))
    assert units(point)[0] == pytest.approx(units(target).mean(), rel=1e-2)


def test_far_from_the_value_it_goes_on_as_a_straight_line():
    ratio = np.zeros(COUNT)
    ratio[:8] = -1e6, -30, 9.99, 10, 10.01, 30, 90, 1e6
    found, slope = map(
        np.asarray, cost_and_slope(*(array(x, np.float32) for x in (-ratio, 0 * ratio, ratio**0)))
    )
    e = np.exp(10)
    beyond = np.maximum(ratio - 10, 0)
    expected = np.expm1(np.minimum(ratio, 10)) - np.minimum(ratio, 10) + (e - 1) * beyond
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(slope, -np.expm1(np.minimum(ratio, 10)), rtol=1e-5, atol=1e-6)


def test_a_forecast_that_is_too_low_costs_more():
    raw = np.ones(COUNT, np.float32)
    raw[0] = -1
    low, high = cost_and_slope(raw, 0 * raw, raw**0)[0][:2]
    assert low > high > 0
