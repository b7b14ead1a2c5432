"""Forecast heads that assume no distribution: points, and quantiles at given levels."""

import bisect
import dataclasses
import math
from statistics import NormalDist
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.errors import ConfigError
from lstm_jax.modules.head_contract import Head, Levels, check_rising
from lstm_jax.types import Array, Key

UNIT = math.log(math.e - 1)
"""At which softplus is 1."""
TOLERANCE = 1e-6
"""By how much a level may lie outside of those that are known: (1 - 0.8) / 2 is less than 0.1."""


@dataclasses.dataclass(frozen=True)
class PointHead(Head):
    """A head whose one raw number is the forecast."""

    @property
    def size(self) -> int:
        """One."""
        return 1

    @property
    def is_distribution(self) -> bool:
        """No: nothing is known but the point."""
        return False

    def _point(self, raw: Array, scale: Array) -> Array:
        del scale
        return raw[..., 0]


@dataclasses.dataclass(frozen=True)
class Squared(PointHead):
    """The mean: the cost is `(target - raw)^2`.

    >>> float(Squared().cost(jnp.array([1.0]), jnp.array(4.0), jnp.ones(())))
    9.0
    """

    power: ClassVar[int] = 2

    def _cost(self, raw: Array, target: Array, scale: Array) -> Array:
        del scale
        return jnp.square(target - raw[..., 0])


@dataclasses.dataclass(frozen=True)
class Absolute(PointHead):
    """The median: the cost is `|target - raw|`.

    >>> float(Absolute().cost(jnp.array([1.0]), jnp.array(4.0), jnp.ones(())))
    3.0
    """

    power: ClassVar[int] = 1

    def _cost(self, raw: Array, target: Array, scale: Array) -> Array:
        del scale
        return jnp.abs(target - raw[..., 0])


@dataclasses.dataclass(frozen=True)
class Huber(PointHead):
    """Between mean and median: squares of small errors, distances of large ones.

        e^2 / (2 delta)      for |e| <= delta,    e = target - raw
        |e| - delta / 2      else

    It is Huber's cost divided by delta, so that it has the unit of the values and becomes
    `Absolute` as delta goes to 0.

    Raises:
        ConfigError: delta is not positive.

    Source: Huber 1964, "Robust estimation of a location parameter".

    >>> head, target = Huber(delta=2.0), jnp.array([1.0, 4.0])
    >>> head.cost(jnp.zeros((2, 1)), target, jnp.ones(2)).tolist()
    [0.25, 3.0]
    """

    delta: float = 1.0
    """The error at which squares give way to distances, in scaled values."""
    power: ClassVar[int] = 1

    def __post_init__(self):
        if not 0 < self.delta < math.inf:
            raise ConfigError(f"delta must be a positive number, not {self.delta!r}")

    def _cost(self, raw: Array, target: Array, scale: Array) -> Array:
        del scale
        error = jnp.abs(target - raw[..., 0])
        small = jnp.minimum(error, self.delta)
        return small * (error - 0.5 * small) / self.delta


@dataclasses.dataclass(frozen=True)
class Quantiles(Head):
    """Quantiles at given levels, and between them by linear interpolation.

    Of the raw outputs r_i, one for each level p_i, that of the level c nearest to the median moves
    its quantile; the others are steps from there outwards. With the quantiles z_i of the standard
    normal distribution, to which raw zeros are equal,

        q_c = z_c + r_c
        q_i = q_(i-1) + (z_i - z_(i-1)) softplus(r_i + UNIT)    for i > c
        q_i = q_(i+1) - (z_(i+1) - z_i) softplus(r_i + UNIT)    for i < c

    They cannot cross. The cost is the pinball loss, twice and averaged over the levels,

        2 max(p_i e, (p_i - 1) e),    e = target - q_i

    which is |e| at the median, and the continuous ranked probability score where levels are many
    and even. The point is the median, or what is nearest to it. Samples are drawn from a uniform
    level; beyond the outer levels they are the outer quantiles.

    Raises:
        ConfigError: there are no levels, or they do not rise in (0, 1).

    Source: Koenker and Bassett 1978, "Regression quantiles"; Park, Maddix, Aubet, Kan,
    Gasthaus and Wang 2022, "Learning quantile functions without quantile crossing for
    distribution-free time series forecasting".

    >>> head = Quantiles((0.1, 0.5, 0.9))
    >>> values = head.quantiles(jnp.array([0.0, 2.0, 0.0]), (0.1, 0.5, 0.7), jnp.ones(()))
    >>> [round(float(value), 3) for value in values]
    [0.718, 2.0, 2.641]
    """

    levels: Levels = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975)
    """The probabilities of lower values, which rise in (0, 1)."""
    power: ClassVar[int] = 1

    def __post_init__(self):
        check_rising(self.levels)
        if not self.levels:
            raise ConfigError("levels must be at least one, such as (0.5,)")

    @property
    def size(self) -> int:
        """One for each level."""
        return len(self.levels)

    def check_levels(self, levels: Levels) -> None:
        """Makes sure of levels between the lowest and the highest of its own.

        Raises:
            ConfigError: they lie outside, or do not rise.
        """
        super().check_levels(levels)
        low, high = self.levels[0], self.levels[-1]
        if levels and not (low - TOLERANCE <= levels[0] and levels[-1] <= high + TOLERANCE):
            raise ConfigError(
                f"the head knows quantiles at levels from {low} to {high}, not at all of {levels}; "
                "it learns others if it is given them, Quantiles(levels=...)"
            )

    def _cost(self, raw: Array, target: Array, scale: Array) -> Array:
        del scale
        levels = jnp.asarray(self.levels, raw.dtype)
        error = target[..., None] - self._own(raw)
        return 2 * jnp.maximum(levels * error, (levels - 1) * error).mean(axis=-1)

    def _point(self, raw: Array, scale: Array) -> Array:
        del scale
        return self._at(self._own(raw), min(max(0.5, self.levels[0]), self.levels[-1]))

    def _quantiles(self, raw: Array, levels: Levels, scale: Array) -> Array:
        del scale
        own = self._own(raw)
        none = jnp.zeros((*raw.shape[:-1], 0), raw.dtype)
        return jnp.concatenate([none, *(self._at(own, p)[..., None] for p in levels)], axis=-1)

    def _sample(self, key: Key, raw: Array, scale: Array) -> Array:
        del scale
        values = self._own(raw)
        drawn = jax.random.uniform(key, raw.shape[:-1], raw.dtype)[..., None]
        levels = jnp.asarray(self.levels, raw.dtype)
        # Of each interval between two levels the part that lies below the drawn one.
        parts = jnp.clip((drawn - levels[:-1]) / jnp.diff(levels), 0, 1)
        return values[..., 0] + jnp.sum(parts * jnp.diff(values), axis=-1)

    def _own(self, raw: Array) -> Array:
        """The quantiles at its own levels."""
        center = min(range(self.size), key=lambda i: abs(self.levels[i] - 0.5))
        normal = [NormalDist().inv_cdf(level) for level in self.levels]
        widths = jnp.asarray(np.diff(normal), raw.dtype)
        steps = jax.nn.softplus(raw + UNIT)
        middle = raw[..., center : center + 1] + normal[center]
        lower = jnp.flip(steps[..., :center] * widths[:center], axis=-1)
        lower = jnp.flip(jnp.cumsum(lower, axis=-1), axis=-1)
        upper = jnp.cumsum(steps[..., center + 1 :] * widths[center:], axis=-1)
        return jnp.concatenate([middle - lower, middle, middle + upper], axis=-1)

    def _at(self, own: Array, level: float) -> Array:
        """The quantile at a level, between those at its own."""
        i = max(bisect.bisect_right(self.levels, level) - 1, 0)
        if i == self.size - 1 or level <= self.levels[i]:
            return own[..., i]
        part = (level - self.levels[i]) / (self.levels[i + 1] - self.levels[i])
        return (1 - part) * own[..., i] + part * own[..., i + 1]
