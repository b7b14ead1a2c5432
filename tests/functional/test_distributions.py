"""Distributions against SciPy's, in both dtypes, where parameters are small, large and extreme."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from lstm_jax.errors import ArgumentError
from lstm_jax.functional.counts import (
    negative_binomial_cdf,
    negative_binomial_log_mass,
    negative_binomial_quantiles,
)
from lstm_jax.functional.distributions import (
    gaussian_cdf,
    gaussian_log_density,
    gaussian_quantiles,
    invert,
    mixture_cdf,
    mixture_log_density,
    mixture_quantiles,
    student_t_cdf,
    student_t_log_density,
    student_t_quantiles,
)
from lstm_jax.functional.incomplete_beta import incomplete_beta, stirling_error
from tests.reference import array

LEVELS = np.array([1e-3, 0.025, 0.1, 0.4, 0.5, 0.8, 0.975, 0.999])
in_both = pytest.mark.parametrize(
    ("dtype", "rounding"), [(np.float32, 1e-5), (np.float64, 1e-9)], ids=["float32", "float64"]
)


class Mixed:
    """A mixture, which SciPy does not have, made of its normal distributions."""

    def __init__(self, logits: Any, locations: Any, scales: Any):
        self.weights, self.parts = special.softmax(logits, -1), stats.norm(locations, scales)

    def logpdf(self, values: Any) -> Any:
        return special.logsumexp(self.parts.logpdf(values[..., None]), -1, self.weights)

    def cdf(self, values: Any) -> Any:
        return np.sum(self.weights * self.parts.cdf(values[..., None]), -1)


class Case(NamedTuple):
    density: Callable[..., Any]
    cdf: Callable[..., Any]
    quantiles: Callable[..., Any]
    reference: Callable[..., Any]
    parameters: tuple[np.ndarray, ...]
    """Each [cases, 1], those of a mixture [cases, 1, components]."""


def columns(*rows: tuple[Any, ...]) -> tuple[np.ndarray, ...]:
    return tuple(np.array(part, float)[:, None] for part in zip(*rows, strict=True))


def negative_binomial(mean: Any, dispersion: Any) -> Any:
    return stats.nbinom(1 / dispersion, 1 / (1 + dispersion * mean))


CASES = {
    "gaussian": Case(
        gaussian_log_density,
        gaussian_cdf,
        gaussian_quantiles,
        stats.norm,
        columns((0, 1), (3, 0.5), (-2e3, 40)),
    ),
    "student_t": Case(
        student_t_log_density,
        student_t_cdf,
        student_t_quantiles,
        lambda location, scale, freedom: stats.t(freedom, location, scale),
        columns((0, 1, 3), (1, 2, 2.001), (0, 1, 9.5), (-3, 0.1, 150), (0, 1, 1e4), (0, 1, 1e6)),
    ),
    "negative_binomial": Case(
        negative_binomial_log_mass,
        negative_binomial_cdf,
        negative_binomial_quantiles,
        negative_binomial,
        # The usual ones, next to none, next to Poisson's, large counts, and those far apart.
        columns(
            *((2.3, 0.6), (10, 1), (300, 0.2), (1e-3, 1), (4, 1e-4), (150, 1e-4)),
            *((1e5, 0.1), (1e5, 1e-4), (1e6, 1.5), (40, 50), (0.1, 1e3)),
        ),
    ),
    "mixture": Case(
        mixture_log_density,
        mixture_cdf,
        mixture_quantiles,
        Mixed,
        columns(
            ((0, 0), (-1, 1), (1, 1)), ((3, -2), (5, 0), (0.1, 2)), ((0, -9), (0, 1e3), (1, 1))
        ),
    ),
}
every_case = pytest.mark.parametrize("name", CASES)


@every_case
@in_both
def test_densities_functions_and_quantiles_are_those_of_scipy(name, dtype, rounding):
    case = CASES[name]
    with jax.enable_x64(dtype == np.float64):
        parameters = [array(parameter, dtype) for parameter in case.parameters]
        exact = case.reference(*(np.asarray(x, np.float64) for x in parameters))

        # The quantiles are where density and distribution function are taken.
        @jax.jit
        def compute(levels: jax.Array, parameters: list[jax.Array]) -> Any:
            at = case.quantiles(levels, *parameters)
            return at, case.density(at, *parameters), case.cdf(at, *parameters)

        levels = array(LEVELS, dtype)
        at, density, cdf = compute(levels, parameters)
        assert {at.dtype, density.dtype, cdf.dtype} == {np.dtype(dtype)}
    at, wide = np.asarray(at, np.float64), np.asarray(levels, np.float64)
    assert at.shape == (len(case.parameters[0]), len(LEVELS))
    np.testing.assert_allclose(cdf, exact.cdf(at), atol=rounding)
    if name == "negative_binomial":
        # The smallest whole numbers at which the levels are reached.
        np.testing.assert_array_equal(at, np.round(at))
        assert np.all(exact.cdf(at) >= wide - rounding)
        assert np.all(exact.cdf(at - 1) < wide + rounding)
        np.testing.assert_allclose(density, exact.logpmf(at), atol=rounding, rtol=3 * rounding)
    else:
        np.testing.assert_allclose(exact.cdf(at), np.broadcast_to(wide, at.shape), atol=rounding)
        np.testing.assert_allclose(density, exact.logpdf(at), atol=rounding, rtol=rounding)


@in_both
def test_the_incomplete_beta_function_is_that_of_scipy(dtype, rounding):
    random = np.random.default_rng(0)
    a, b = 10 ** random.uniform([[-5], [-5]], [[6], [4]], (2, 4000))
    a, b = random.permuted([a, b], axis=0)
    # About the mean, where it rises, and anywhere.
    spread = random.normal(size=4000) * np.where(np.arange(4000) < 3000, 2, 30)
    spread *= np.sqrt(1 / a + 1 / b).clip(max=10)
    odds = np.exp((np.log(a / b) + spread).clip(-20, 20))
    with jax.enable_x64(dtype == np.float64):
        a, b, odds = (array(x, dtype) for x in (a, b, odds))
        x, rest = odds / (1 + odds), 1 / (1 + odds)
        found = jax.jit(incomplete_beta)(a, b, x, rest)
        assert found.dtype == dtype
    a, b, x, rest = (np.asarray(given, np.float64) for given in (a, b, x, rest))
    # SciPy is given the smaller of x and 1 - x, for the other has lost its digits.
    exact = np.where(x < rest, special.betainc(a, b, x), special.betaincc(b, a, rest))
    assert np.mean((exact > 0.01) & (exact < 0.99)) > 0.3
    np.testing.assert_allclose(found, exact, atol=2 * rounding)


@in_both
def test_what_stirlings_formula_lacks(dtype, rounding):
    with jax.enable_x64(dtype == np.float64):
        x = array(np.geomspace(1e-3, 100, 50), dtype)
        found = jax.jit(stirling_error)(x)
    x = np.asarray(x, np.float64)
    exact = special.gammaln(x) - (x - 0.5) * np.log(x) + x - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(found, exact, atol=rounding if rounding > 1e-9 else 1e-12, rtol=0)


def test_counts_without_dispersion_are_poissons_and_without_a_mean_none():
    counts = np.arange(20.0)
    given = (counts, np.array([[5], [0]]), np.array([[1e-6], [1]]))
    poisson, none = jax.jit(negative_binomial_log_mass)(*(array(x, np.float32) for x in given))
    np.testing.assert_allclose(poisson, stats.poisson(5).logpmf(counts), atol=1e-4)
    assert none[0] == 0
    assert np.all(none[1:] < -40)


@pytest.mark.parametrize(
    ("name", "values"), [("student_t", [1.3]), ("negative_binomial", [0.0, 1.0, 12.0, 350.0])]
)
def test_slopes_of_log_densities_are_those_of_finite_differences(name, values):
    """The logarithms are put together from parts that hold in different places."""
    parameters = np.array(CASES[name].parameters)

    def total(parameters: jax.Array) -> tuple[jax.Array, jax.Array]:
        densities = CASES[name].density(array(values, np.float64), *parameters)
        return densities.sum(), densities.sum(axis=1, keepdims=True)

    with jax.enable_x64(True):
        compute = jax.jit(jax.grad(total, has_aux=True))
        found, _ = compute(parameters)
        for i, parameter in enumerate(parameters):
            step = np.zeros_like(parameters)
            step[i] = 1e-6 * np.where(parameter == 0, 1, np.abs(parameter))
            higher, lower = (np.asarray(compute(parameters + s)[1]) for s in (step, -step))
            np.testing.assert_allclose(
                found[i], (higher - lower) / (2 * step[i]), rtol=1e-4, atol=1e-6
            )


def test_bisection_takes_infinite_brackets_and_stops_at_a_width():
    levels = array([0.1, 0.5, 0.9], np.float32)
    infinite = jnp.full_like(levels, jnp.inf)
    root = invert(jnp.square, levels, jnp.zeros_like(levels), jnp.ones_like(levels))
    np.testing.assert_allclose(root, np.sqrt(levels), rtol=1e-6)
    # From 7e38 in 40 steps.
    assert np.abs(invert(jax.nn.sigmoid, levels, -infinite, infinite)).max() < 1e27
    calls = []

    def stairs(x: jax.Array) -> jax.Array:
        jax.debug.callback(lambda: calls.append(x))
        return jnp.floor(x) / 10

    found = invert(stairs, levels, -jnp.ones_like(levels), jnp.full_like(levels, 15), width=0.5)
    assert np.floor(found).tolist() == [1, 5, 9]
    jax.effects_barrier()
    assert len(calls) == 5


def test_what_is_none_of_floating_point_numbers_is_refused(unannotated):
    ones = jnp.ones(3)
    for call in (
        lambda x: gaussian_cdf(x, ones, ones),
        lambda x: student_t_quantiles(x, ones, ones, ones),
        lambda x: negative_binomial_log_mass(x, ones, ones),
        lambda x: mixture_log_density(x, ones, ones, ones),
        lambda x: incomplete_beta(x, ones, ones, ones),
        lambda x: stirling_error(x),
        lambda x: invert(jnp.square, x, ones, ones),
    ):
        with pytest.raises(ArgumentError, match=r"of floating-point numbers, got int32 \[3\]") as e:
            call(jnp.ones(3, jnp.int32))
        assert "\n" not in str(e.value)
