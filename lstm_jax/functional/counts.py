"""The negative binomial distribution of counts, as pure functions that broadcast.

Counts are whole numbers in arrays of floating-point numbers, of the dtype of levels and parameters.

Raises:
    ArgumentError: any of them, given an array that is none of floating-point numbers.
"""

import jax.numpy as jnp

from lstm_jax.functional.distributions import invert
from lstm_jax.functional.incomplete_beta import (
    Broadcast,
    check_arrays,
    incomplete_beta,
    log_beta_density,
)
from lstm_jax.types import Array


def negative_binomial_log_mass(
    counts: Broadcast, mean: Broadcast, dispersion: Broadcast
) -> Broadcast:
    """The logarithm of the probability of a count, in nats.

        p(k) = Gamma(k + 1/alpha) / (Gamma(k + 1) Gamma(1/alpha))
            (1 / (1 + alpha mu))^(1/alpha) (alpha mu / (1 + alpha mu))^k

    with mean mu and dispersion alpha > 0: the variance is mu + alpha mu^2, and as alpha goes to 0
    the distribution becomes Poisson's. A mean of 0 gives all probability to the count 0.

    Args:
        counts: whole numbers; one below 0 is taken for 0.
        mean: mu.
        dispersion: alpha.

    Source: Salinas et al. 2020, "DeepAR: probabilistic forecasting with autoregressive recurrent
    networks" (section 3.1, the likelihood of count data).

    >>> round(float(negative_binomial_log_mass(jnp.array(3.0), jnp.array(2.0), jnp.array(0.5))), 4)
    -2.0794
    """
    check_arrays(counts=counts, mean=mean, dispersion=dispersion)
    size, x, rest = _beta_arguments(mean, dispersion)
    positive = jnp.maximum(counts, 1)
    some = log_beta_density(positive, size, x, rest) - jnp.log(positive)
    none = -size * jnp.log1p(dispersion * mean)
    return jnp.where(counts > 0, some, none)


def negative_binomial_cdf(counts: Broadcast, mean: Broadcast, dispersion: Broadcast) -> Broadcast:
    """The probability of a count up to this one, whose fraction does not matter.

        1 - I_x(floor(k) + 1, 1/alpha),    x = alpha mu / (1 + alpha mu)

    Source: Abramowitz and Stegun 1964 (eq. 26.5.26).

    >>> round(float(negative_binomial_cdf(jnp.array(3.0), jnp.array(2.0), jnp.array(0.5))), 6)
    0.8125
    """
    check_arrays(counts=counts, mean=mean, dispersion=dispersion)
    size, x, rest = _beta_arguments(mean, dispersion)
    above = incomplete_beta(jnp.maximum(jnp.floor(counts), 0) + 1, size, x, rest)
    return jnp.where(counts < 0, 0, 1 - above)


def negative_binomial_quantiles(
    levels: Broadcast, mean: Broadcast, dispersion: Broadcast
) -> Broadcast:
    """The smallest whole counts at which `negative_binomial_cdf` reaches levels in (0, 1).

    >>> levels = jnp.array([0.1, 0.5, 0.9])
    >>> negative_binomial_quantiles(levels, jnp.array(2.0), jnp.array(0.5)).tolist()
    [0.0, 1.0, 5.0]
    """
    check_arrays(levels=levels, mean=mean, dispersion=dispersion)
    # No quantile of any distribution lies further out (Cantelli's inequality).
    deviation = jnp.sqrt(mean + dispersion * jnp.square(mean))
    high = mean + deviation * jnp.sqrt(levels / (1 - levels)) + 1
    cdf = lambda counts: negative_binomial_cdf(counts, mean, dispersion)  # noqa: E731
    # A level that is reached but for rounding is reached.
    levels = levels * (1 - 8 * jnp.finfo(levels.dtype).eps)
    # The function is a staircase, between whose steps the upper end of a narrow bracket comes.
    return jnp.floor(invert(cdf, levels, jnp.full_like(high, -1), high, width=0.5))


def _beta_arguments(mean: Array, dispersion: Array) -> tuple[Array, Array, Array]:
    """1 / alpha, and x and 1 - x for the incomplete beta function."""
    # Of no mean a logarithm would be taken, and its slope.
    odds = dispersion * jnp.maximum(mean, 1e-20)
    return 1 / dispersion, odds / (1 + odds), 1 / (1 + odds)
