"""The incomplete beta function, which holds in float32 where its arguments are large.

The distribution functions of Student's t and of the negative binomial are incomplete beta
functions. That of JAX takes differences of logarithms of gamma functions: in float32 it is wrong in
the second digit at arguments of 1e5, which are counts of 1e5 here.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from lstm_jax.functional.arguments import check_floating
from lstm_jax.types import Array

MOST_TERMS = 200
"""Of the continued fraction; arguments of which one is at most 1e4 need less than 150."""

Broadcast = Float[Array, "..."]
"""An array of any axes that fit those of the others."""


def incomplete_beta(a: Broadcast, b: Broadcast, x: Broadcast, rest: Broadcast) -> Broadcast:
    """The regularized incomplete beta function.

        I_x(a, b) = int_0^x t^(a - 1) (1 - t)^(b - 1) dt / B(a, b)

    The absolute error in float32 is below 2e-5 for a and b up to 1e6 of which one is at most 1e4;
    beyond that more terms are needed than are taken. There is no gradient.

    Args:
        a: positive.
        b: positive.
        x: in [0, 1].
        rest: 1 - x, for which the caller often has a form that keeps its digits where x is near 1.

    Raises:
        ArgumentError: an array is none of floating-point numbers.

    Source: DiDonato and Morris 1992, "Algorithm 708: significant digit computation of the
    incomplete beta function ratios" (the continued fraction, BFRAC).

    >>> a, b, x = jnp.array(2.0), jnp.array(3.0), jnp.array(0.25)
    >>> round(float(incomplete_beta(a, b, x, 1 - x)), 6)
    0.261719
    """
    check_arrays(a=a, b=b, x=x, rest=rest)
    a, b, x, rest = jnp.broadcast_arrays(a, b, x, rest)
    factor = jnp.exp(log_beta_density(a, b, x, rest))
    # What is below 1 is raised by 1 (DLMF 8.17.20 and 21): the fraction would need many terms.
    known = jnp.where(a < 1, factor / a, 0)
    factor, a = factor * jnp.where(a < 1, x * (a + b) / a, 1), jnp.where(a < 1, a + 1, a)
    known -= jnp.where(b < 1, factor / b, 0)
    factor, b = factor * jnp.where(b < 1, rest * (a + b) / b, 1), jnp.where(b < 1, b + 1, b)
    # Beyond the mean that of the other side is computed. The comparison has no product to which XLA
    # might fuse the sum in one place and not in another, where it is computed again.
    beyond = x > a / (a + b)
    a, b = jnp.where(beyond, b, a), jnp.where(beyond, a, b)
    x, rest = jnp.where(beyond, rest, x), jnp.where(beyond, x, rest)
    below = factor * _continued_fraction(a, b, x, rest)
    return known + jnp.where(beyond, 1 - below, below)


def _continued_fraction(a: Array, b: Array, x: Array, rest: Array) -> Array:
    """What x^a (1 - x)^b / B(a, b) is multiplied with, for x up to a / (a + b)."""
    from_mean = 1 + (a * rest - b * x)
    first = 1 + 1 / a
    settled = 4 * jnp.finfo(x.dtype).eps

    # Convergents are kept as (numerator before, denominator before, convergent), all divided by the
    # newest denominator.
    def goes_on(state: tuple[Array, ...]) -> Array:
        term, *_, change = state
        return (term < MOST_TERMS) & jnp.any(change > settled)

    def add(state: tuple[Array, ...]) -> tuple[Array, ...]:
        term, numerator, denominator, convergent, change = state
        n = term.astype(x.dtype)
        odd = a + 2 * n - 1
        share = a / odd
        half = 1 + (n - 1) / a
        alpha = half * (half + b / a) * share * share * (n * (b - n) * x * x)
        beta = n + n * (b - n) * x / odd
        beta += (1 + n / a) / (first + 2 * n / a) * (from_mean + n * (1 + rest))
        newest = alpha * denominator + beta
        value = (alpha * numerator + beta * convergent) / newest
        # The least so far: what has settled goes on changing in its last digits.
        change = jnp.minimum(change, jnp.abs(value - convergent) / jnp.abs(value))
        return term + 1, convergent / newest, 1 / newest, value, change

    start = first / from_mean
    state = (jnp.ones((), np.int32), jnp.zeros_like(x), start, start, jnp.ones_like(x))
    return jax.lax.while_loop(goes_on, add, state)[3]


def log_beta_density(a: Broadcast, b: Broadcast, x: Broadcast, rest: Broadcast) -> Broadcast:
    """`a log(x) + b log(1 - x) - log B(a, b)`, in which nothing large cancels.

        1/2 log(a b / (2 pi n)) + s(n) - s(a) - s(b) - a log(a / (n x)) - b log(b / (n (1 - x)))

    with n = a + b and `stirling_error` s. The arguments are those of `incomplete_beta`.

    Raises:
        ArgumentError: an array is none of floating-point numbers.

    Source: Loader 2000, "Fast and accurate computation of binomial probabilities" (the saddle-point
    expansion).

    >>> x = jnp.array(0.25)
    >>> round(float(jnp.exp(log_beta_density(jnp.array(2.0), jnp.array(3.0), x, 1 - x))), 6)
    0.316406
    """
    check_arrays(a=a, b=b, x=x, rest=rest)
    n = a + b
    excess = a * rest - b * x
    deviance = _times_log_ratio(a, n * x, excess) + _times_log_ratio(b, n * rest, -excess)
    smooth = stirling_error(n) - stirling_error(a) - stirling_error(b)
    return 0.5 * jnp.log(a * (b / n) / (2 * math.pi)) + smooth - deviance


def _times_log_ratio(value: Array, mean: Array, excess: Array) -> Array:
    """`value * log(value / mean)`, given value - mean."""
    near = 2 * jnp.abs(excess) < mean
    # Each is finite, with its slope, where it is not taken.
    ratio = jnp.log1p(excess / jnp.maximum(mean, 2 * jnp.abs(excess)))
    return value * jnp.where(near, ratio, jnp.log(value) - jnp.log(mean))


def stirling_error(x: Broadcast) -> Broadcast:
    """What Stirling's formula lacks: `log Gamma(x) - (x - 1/2) log(x) + x - log(2 pi) / 2`.

    Raises:
        ArgumentError: the array is none of floating-point numbers.

    Source: Abramowitz and Stegun 1964 (eq. 6.1.41).

    >>> [round(float(stirling_error(jnp.array(x))), 4) for x in (1.0, 10.0, 1e6)]
    [0.0811, 0.0083, 0.0]
    """
    check_arrays(x=x)
    small, inverse = jnp.minimum(x, 8), 1 / jnp.maximum(x, 8)
    exact = jax.scipy.special.gammaln(small) - (small - 0.5) * jnp.log(small) + small
    square = inverse * inverse
    series = 1 / 1260 - square * (1 / 1680 - square / 1188)
    series = inverse * (1 / 12 - square * (1 / 360 - square * series))
    return jnp.where(x < 8, exact - 0.5 * math.log(2 * math.pi), series)


def check_arrays(**arrays: Any) -> None:
    """Makes sure of arrays of floating-point numbers, whatever their axes.

    Raises:
        ArgumentError: one is something else.
    """
    for name, array in arrays.items():
        check_floating(name, array, "*positions")
