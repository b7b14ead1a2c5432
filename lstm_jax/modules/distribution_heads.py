"""Forecast heads that give a density or a mass: Gaussian, Student's t, counts, mixtures."""

import dataclasses
from statistics import NormalDist
from typing import ClassVar

import jax
import jax.numpy as jnp

from lstm_jax.functional import distributions
from lstm_jax.functional.arguments import check_size
from lstm_jax.functional.counts import negative_binomial_log_mass, negative_binomial_quantiles
from lstm_jax.modules.head_contract import Head, Levels
from lstm_jax.modules.heads import UNIT
from lstm_jax.types import Array, Key

FLOOR = 1e-4
"""What scales, means of counts and dispersions never fall below.

Where values repeat, those of a sensor that is stuck for instance, the density of a narrower scale
grows without bound and takes the training along; and the square of 1e6 / 1e-4 is still far from
what float32 holds.
"""
MOST_COUNTS = 2.0**30
"""The mean of no Poisson variable that is drawn is larger: counts are drawn as int32."""


def positive(raw: Array) -> Array:
    """`FLOOR + (1 - FLOOR) softplus(raw + UNIT)`, 1 for a raw 0.

    >>> [round(float(positive(jnp.array(x))), 4) for x in (-1e6, 0.0, 10.0)]
    [0.0001, 1.0, 10.5404]
    """
    return FLOOR + (1 - FLOOR) * jax.nn.softplus(raw + UNIT)


@dataclasses.dataclass(frozen=True)
class Gaussian(Head):
    """A normal distribution: location r_0, scale `positive(r_1)`. The point is its mean.

    The cost is minus the logarithm of the density, in nats.

    Source: Nix and Weigend 1994, "Estimating the mean and variance of the target probability
    distribution".

    >>> values = Gaussian().quantiles(jnp.zeros(2), (0.025, 0.975), jnp.ones(()))
    >>> [round(float(value), 2) for value in values]
    [-1.96, 1.96]
    """

    power: ClassVar[int] = 0

    @property
    def size(self) -> int:
        """Location and scale."""
        return 2

    def _cost(self, raw: Array, target: Array, scale: Array) -> Array:
        del scale
        return -distributions.gaussian_log_density(target, raw[..., 0], positive(raw[..., 1]))

    def _point(self, raw: Array, scale: Array) -> Array:
        del scale
        return raw[..., 0]

    def _quantiles(self, raw: Array, levels: Levels, scale: Array) -> Array:
        del scale
        at = jnp.asarray(levels, raw.dtype)
        return distributions.gaussian_quantiles(at, raw[..., :1], positive(raw[..., 1:]))

    def _sample(self, key: Key, raw: Array, scale: Array) -> Array:
        del scale
        noise = jax.random.normal(key, raw.shape[:-1], raw.dtype)
        return raw[..., 0] + positive(raw[..., 1]) * noise


@dataclasses.dataclass(frozen=True)
class StudentT(Head):
    """Student's t: location r_0, scale `positive(r_1)`, `2 + positive(r_2)` degrees of freedom.

    Its tails are heavier than a Gaussian's, so that single values far out count less; with more
    than two degrees of freedom the variance is finite. The point is its mean, the location. The
    cost is minus the logarithm of the density, in nats.

    Source: Lange, Little and Taylor 1989, "Robust statistical modeling using the t distribution".

    >>> values = StudentT().quantiles(jnp.zeros(3), (0.025, 0.975), jnp.ones(()))
    >>> [round(float(value), 2) for value in values]
    [-3.18, 3.18]
    """

    power: ClassVar[int] = 0

    @property
    def size(self) -> int:
        """Location, scale and degrees of freedom."""
        return 3

    def _cost(self, raw: Array, target: Array, scale: Array) -> Array:
        del scale
        location, width, freedom = _student_t(raw)
        return -distributions.student_t_log_density(target, location, width, freedom)

    def _point(self, raw: Array, scale: Array) -> Array:
        del scale
        return raw[..., 0]

    def _quantiles(self, raw: Array, levels: Levels, scale: Array) -> Array:
        del scale
        parameters = [part[..., None] for part in _student_t(raw)]
        return distributions.student_t_quantiles(jnp.asarray(levels, raw.dtype), *parameters)

    def _sample(self, key: Key, raw: Array, scale: Array) -> Array:
        del scale
        location, width, freedom = _student_t(raw)
        return location + width * jax.random.t(key, freedom, dtype=raw.dtype)


def _student_t(raw: Array) -> tuple[Array, Array, Array]:
    return raw[..., 0], positive(raw[..., 1]), 2 + positive(raw[..., 2])


@dataclasses.dataclass(frozen=True)
class NegativeBinomial(Head):
    """Counts: mean `positive(r_0)` of scaled values, dispersion `positive(r_1)`.

    The data are whole numbers of at least 0, and values are scaled by a factor alone. With mean mu
    of the data and dispersion alpha the variance is mu + alpha mu^2. The cost is minus the
    logarithm of the mass at `round(target * scale)`, in nats, of what lies below 0 that at 0. The
    point is the mean, which need not be whole; quantiles and samples are whole counts / scale.

    Source: Salinas, Flunkert, Gasthaus and Januschowski 2020, "DeepAR: probabilistic forecasting
    with autoregressive recurrent networks" (section 3.1); alpha is not divided by the root of the
    scale here.

    >>> scale = jnp.array(4.0)
    >>> values = NegativeBinomial().quantiles(jnp.zeros(2), (0.1, 0.5, 0.9), scale)
    >>> (values * scale).tolist()
    [0.0, 3.0, 10.0]
    """

    power: ClassVar[int] = 0
    counts: ClassVar[bool] = True

    @property
    def size(self) -> int:
        """Mean and dispersion."""
        return 2

    def _cost(self, raw: Array, target: Array, scale: Array) -> Array:
        return -negative_binomial_log_mass(jnp.round(target * scale), *_counts(raw, scale))

    def _point(self, raw: Array, scale: Array) -> Array:
        del scale
        return positive(raw[..., 0])

    def _quantiles(self, raw: Array, levels: Levels, scale: Array) -> Array:
        parameters = [part[..., None] for part in _counts(raw, scale)]
        at = jnp.asarray(levels, raw.dtype)
        return negative_binomial_quantiles(at, *parameters) / scale[..., None]

    def _sample(self, key: Key, raw: Array, scale: Array) -> Array:
        # Poisson variables whose means follow a gamma distribution.
        mean, dispersion = _counts(raw, scale)
        mean_key, count_key = jax.random.split(key)
        means = mean * dispersion * jax.random.gamma(mean_key, 1 / dispersion, dtype=raw.dtype)
        counts = jax.random.poisson(count_key, jnp.minimum(means, MOST_COUNTS), dtype=jnp.int32)
        return counts.astype(raw.dtype) / scale


def _counts(raw: Array, scale: Array) -> tuple[Array, Array]:
    """Mean and dispersion of the data."""
    return positive(raw[..., 0]) * scale, positive(raw[..., 1])


@dataclasses.dataclass(frozen=True)
class Mixture(Head):
    """A mixture of K Gaussians, for what may go one way or another.

    Of the raw outputs the first K are the logits of the components' probabilities, the next K move
    their locations, and the last K give their scales by `positive`. Raw zeros have the components
    apart, at the normal distribution's quantiles of (k + 1/2) / K: equal ones would have equal
    gradients and stay one. The point is the mean. The cost is minus the logarithm of the density,
    in nats.

    Raises:
        ArgumentError: there is no component.

    Source: Bishop 1994, "Mixture density networks" (eqs. 22 to 29).

    >>> values = Mixture(components=2).quantiles(jnp.zeros(6), (0.5, 0.9), jnp.ones(()))
    >>> [abs(round(float(value), 2)) for value in values]
    [0.0, 1.56]
    """

    components: int = 3
    """How many Gaussians."""
    power: ClassVar[int] = 0

    def __post_init__(self):
        check_size("components", self.components)

    @property
    def size(self) -> int:
        """Logit, location and scale of each component."""
        return 3 * self.components

    def _cost(self, raw: Array, target: Array, scale: Array) -> Array:
        del scale
        return -distributions.mixture_log_density(target, *self._parameters(raw))

    def _point(self, raw: Array, scale: Array) -> Array:
        del scale
        logits, locations, _ = self._parameters(raw)
        return jnp.sum(jax.nn.softmax(logits) * locations, axis=-1)

    def _quantiles(self, raw: Array, levels: Levels, scale: Array) -> Array:
        del scale
        parameters = [part[..., None, :] for part in self._parameters(raw)]
        return distributions.mixture_quantiles(jnp.asarray(levels, raw.dtype), *parameters)

    def _sample(self, key: Key, raw: Array, scale: Array) -> Array:
        del scale
        logits, locations, scales = self._parameters(raw)
        which_key, noise_key = jax.random.split(key)
        which = jax.random.categorical(which_key, logits)[..., None]
        location, width = (
            jnp.take_along_axis(part, which, axis=-1)[..., 0] for part in (locations, scales)
        )
        return location + width * jax.random.normal(noise_key, raw.shape[:-1], raw.dtype)

    def _parameters(self, raw: Array) -> tuple[Array, Array, Array]:
        """Logits, locations and scales."""
        logits, locations, scales = jnp.split(raw, 3, axis=-1)
        apart = [NormalDist().inv_cdf((k + 0.5) / self.components) for k in range(self.components)]
        return logits, locations + jnp.asarray(apart, raw.dtype), positive(scales)
