"""Densities, distribution functions and quantiles, as pure functions that broadcast.

`counts` has those of counts.

Values, levels and parameters are arrays of one dtype whose axes fit each other; those of a mixture
have a further axis, the last, of components. All are finite with finite gradients wherever values
and parameters are up to 1e6 and scales at least 1e-4, in float32.

Raises:
    ArgumentError: any of them, given an array that is none of floating-point numbers.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp, ndtr, ndtri
from jaxtyping import Float

from lstm_jax.functional.incomplete_beta import (
    Broadcast,
    check_arrays,
    incomplete_beta,
    stirling_error,
)
from lstm_jax.types import Array

NODES = 16
"""Degrees of freedom at which quantiles of Student's t are computed, to be interpolated."""
Components = Float[Array, "*positions components"]
"""A parameter of each component of a mixture."""


def invert(
    cdf: Callable[[Array], Array],
    levels: Broadcast,
    low: Broadcast,
    high: Broadcast,
    width: float = 0.0,
) -> Broadcast:
    """Where a distribution function reaches levels, by bisection.

    A bracket is halved 40 times, in float64 69 times. Its upper end is given, at which the level is
    reached.

    Args:
        cdf: rises with its argument, which has the axes of all others together.
        levels: in (0, 1).
        low: a value at which the level is not passed; what is not finite counts as the end of what
            the dtype holds.
        high: a value at which it is reached.
        width: what a bracket need not be narrower than.

    Returns:
        Values between low and high. No gradient goes through them.

    >>> levels = jnp.array([0.25, 0.81])
    >>> [round(float(x), 6) for x in invert(jnp.square, levels, jnp.zeros(2), jnp.ones(2))]
    [0.5, 0.9]
    """
    check_arrays(levels=levels, low=low, high=high)
    levels, low, high = jnp.broadcast_arrays(levels, low, high)
    kind = jnp.finfo(levels.dtype)

    def goes_on(state: tuple[Array, Array, Array]) -> Array:
        step, low, high = state
        return (step < kind.nmant + 17) & jnp.any(high - low > width)

    def halve(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        step, low, high = state
        middle = 0.5 * low + 0.5 * high
        is_below = cdf(middle) < levels
        return step + 1, jnp.where(is_below, middle, low), jnp.where(is_below, high, middle)

    bracket = jnp.clip(low, kind.min, kind.max), jnp.clip(high, kind.min, kind.max)
    return jax.lax.while_loop(goes_on, halve, (jnp.zeros((), np.int32), *bracket))[2]


# ---- Gaussian -----------------------------------------------------------------------------------


def gaussian_log_density(values: Broadcast, location: Broadcast, scale: Broadcast) -> Broadcast:
    """`-z^2 / 2 - log(scale) - log(2 pi) / 2` with z = (value - location) / scale, in nats.

    >>> round(float(gaussian_log_density(jnp.ones(()), jnp.zeros(()), jnp.ones(()))), 6)
    -1.418939
    """
    check_arrays(values=values, location=location, scale=scale)
    z = (values - location) / scale
    return -0.5 * jnp.square(z) - jnp.log(scale) - 0.5 * math.log(2 * math.pi)


def gaussian_cdf(values: Broadcast, location: Broadcast, scale: Broadcast) -> Broadcast:
    """The probability of a value up to this one.

    >>> round(float(gaussian_cdf(jnp.array(1.96), jnp.zeros(()), jnp.ones(()))), 4)
    0.975
    """
    check_arrays(values=values, location=location, scale=scale)
    return ndtr((values - location) / scale)


def gaussian_quantiles(levels: Broadcast, location: Broadcast, scale: Broadcast) -> Broadcast:
    """The values at which `gaussian_cdf` reaches levels in (0, 1).

    >>> round(float(gaussian_quantiles(jnp.array(0.975), jnp.zeros(()), jnp.ones(()))), 4)
    1.96
    """
    check_arrays(levels=levels, location=location, scale=scale)
    return location + scale * ndtri(levels)


# ---- Student's t --------------------------------------------------------------------------------


def student_t_log_density(
    values: Broadcast, location: Broadcast, scale: Broadcast, freedom: Broadcast
) -> Broadcast:
    """Student's t with `freedom` degrees of freedom v, in nats.

        log Gamma((v + 1) / 2) - log Gamma(v / 2) - log(pi v) / 2 - log(scale)
            - (v + 1) / 2 log(1 + z^2 / v),    z = (value - location) / scale

    It keeps its digits as v grows and the density becomes a Gaussian's.

    Source: Abramowitz and Stegun 1964 (eq. 26.7.1).

    >>> zero, one = jnp.zeros(()), jnp.ones(())
    >>> round(float(student_t_log_density(one, zero, one, 3 * one)), 6)
    -1.576253
    """
    check_arrays(values=values, location=location, scale=scale, freedom=freedom)
    z, half = (values - location) / scale, 0.5 * freedom
    # Stirling's formula, of which the large parts are subtracted as they stand.
    gammas = half * jnp.log1p(0.5 / half) - 0.5 + stirling_error(half + 0.5) - stirling_error(half)
    constant = gammas - jnp.log(scale) - 0.5 * math.log(2 * math.pi)
    return constant - (half + 0.5) * jnp.log1p(jnp.square(z) / freedom)


def student_t_cdf(
    values: Broadcast, location: Broadcast, scale: Broadcast, freedom: Broadcast
) -> Broadcast:
    """The probability of a value up to this one: for z < 0 `I_(v / (v + z^2))(v / 2, 1/2) / 2`.

    Source: Abramowitz and Stegun 1964 (eq. 26.7.1).

    >>> zero, one = jnp.zeros(()), jnp.ones(())
    >>> round(float(student_t_cdf(jnp.array(3.182446), zero, one, 3 * one)), 4)
    0.975
    """
    check_arrays(values=values, location=location, scale=scale, freedom=freedom)
    z = (values - location) / scale
    square = jnp.square(z)
    x, rest = freedom / (freedom + square), square / (freedom + square)
    tail = 0.5 * incomplete_beta(0.5 * freedom, jnp.full_like(freedom, 0.5), x, rest)
    return jnp.where(z < 0, tail, 1 - tail)


def student_t_quantiles(
    levels: Broadcast, location: Broadcast, scale: Broadcast, freedom: Broadcast
) -> Broadcast:
    """The values at which `student_t_cdf` reaches levels in (0, 1), of at least 2 `freedom`.

    With location 0 and scale 1 they depend on the degrees of freedom v alone, and smoothly on 1/v:
    inversions at 16 values of v are interpolated by a polynomial, `asinh(z) = sum_j c_j T_j(4/v-1)`
    with Chebyshev's T_j. Between levels of 1e-4 and 1 - 1e-4 it is exact to 1e-9. So it is quick
    for few levels and any number of `freedom`.

    >>> zero, one = jnp.zeros(()), jnp.ones(())
    >>> round(float(student_t_quantiles(jnp.array(0.975), zero, one, 3 * one)), 4)
    3.1824
    """
    check_arrays(levels=levels, location=location, scale=scale, freedom=freedom)
    tail = jnp.minimum(levels, 1 - levels)
    angles = math.pi * (np.arange(NODES) + 0.5) / NODES
    nodes = jnp.asarray(4 / (np.cos(angles) + 1), tail.dtype)
    zero, one = jnp.zeros_like(nodes), jnp.ones_like(nodes)
    # The tails grow thinner with the degrees of freedom: from those of 2, whose quantiles have a
    # closed form, to a Gaussian's.
    widest = (2 * tail - 1) / jnp.sqrt(2 * tail * (1 - tail))
    low, high, wanted = (x[..., None] + zero for x in (widest, ndtri(tail), tail))
    exact = jnp.arcsinh(invert(lambda z: student_t_cdf(z, zero, one, nodes), wanted, low, high))
    waves = 2 / NODES * np.cos(np.outer(np.arange(NODES), angles))
    coefficients = jnp.sum(exact[..., None, :] * jnp.asarray(waves, tail.dtype), axis=-1)
    coefficients, u = jnp.moveaxis(coefficients, -1, 0), 4 / freedom - 1

    # Clenshaw's recurrence.
    def add(sums: tuple[Array, Array], coefficient: Array) -> tuple[tuple[Array, Array], None]:
        newest, before = sums
        return (coefficient + 2 * u * newest - before, newest), None

    none = jnp.zeros(jnp.broadcast_shapes(tail.shape, u.shape), tail.dtype)
    newest, before = jax.lax.scan(add, (none, none), coefficients[1:], reverse=True)[0]
    z = jnp.sinh(0.5 * coefficients[0] + u * newest - before)
    return location + scale * jnp.where(levels < 0.5, z, -z)


# ---- mixture of Gaussians -----------------------------------------------------------------------


def mixture_log_density(
    values: Broadcast, logits: Components, locations: Components, scales: Components
) -> Broadcast:
    """`log(sum_k softmax(logits)_k N(value; location_k, scale_k))`, in nats.

    Source: Bishop 1994, "Mixture density networks" (eqs. 22 to 25).

    >>> two = jnp.zeros(2), jnp.array([-1.0, 1.0]), jnp.ones(2)
    >>> round(float(mixture_log_density(jnp.zeros(()), *two)), 6)
    -1.418939
    """
    check_arrays(values=values, logits=logits, locations=locations, scales=scales)
    densities = gaussian_log_density(values[..., None], locations, scales)
    return logsumexp(jax.nn.log_softmax(logits) + densities, axis=-1)


def mixture_cdf(
    values: Broadcast, logits: Components, locations: Components, scales: Components
) -> Broadcast:
    """The probability of a value up to this one.

    >>> two = jnp.zeros(2), jnp.array([-1.0, 1.0]), jnp.ones(2)
    >>> round(float(mixture_cdf(jnp.zeros(()), *two)), 6)
    0.5
    """
    check_arrays(values=values, logits=logits, locations=locations, scales=scales)
    below = gaussian_cdf(values[..., None], locations, scales)
    return jnp.sum(jax.nn.softmax(logits) * below, axis=-1)


def mixture_quantiles(
    levels: Broadcast, logits: Components, locations: Components, scales: Components
) -> Broadcast:
    """The values at which `mixture_cdf` reaches levels in (0, 1).

    >>> two = jnp.zeros(2), jnp.array([-1.0, 1.0]), jnp.ones(2)
    >>> [abs(round(float(x), 4)) for x in mixture_quantiles(jnp.array([0.5, 0.975]), *two)]
    [0.0, 2.6461]
    """
    check_arrays(levels=levels, logits=logits, locations=locations, scales=scales)
    # That of the mixture lies between those of its components.
    each = gaussian_quantiles(levels[..., None], locations, scales)
    cdf = lambda values: mixture_cdf(values, logits, locations, scales)  # noqa: E731
    return invert(cdf, levels, each.min(axis=-1), each.max(axis=-1))
