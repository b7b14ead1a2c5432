"""The contract of a forecast head: what raw outputs mean, how they are trained, what they say.

A head is a frozen dataclass of hyperparameters that holds no arrays. The model gives `size` raw
numbers for each value; raw zeros stand for the standard normal distribution, or what comes nearest
to it.
"""

import abc
import dataclasses
import itertools
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from lstm_jax.errors import ConfigError
from lstm_jax.functional.arguments import check_floating
from lstm_jax.types import Array, Key

Levels = tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Head(abc.ABC):
    """What raw outputs mean.

    Targets are scaled values, `data / scale`, and so is all that a head returns; `scale` is how
    many units of the data one of them stands for, of which only a head of counts makes use. All is
    computed in the dtype of the raw outputs, in float32 at least.

    A head of one's own defines `size`, `_cost` and `_point`, and, if it is a distribution,
    `_quantiles` and `_sample`.
    """

    power: ClassVar[int]
    """A cost in another unit is multiplied with the unit to this power: 2 for squares, 1 for
    distances, 0 for log densities, to which a unit adds a constant."""
    counts: ClassVar[bool] = False
    """Whether the values are counts."""

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """Raw numbers for each value."""

    @property
    def is_distribution(self) -> bool:
        """Whether quantiles are known."""
        return True

    def cost(
        self,
        raw: Float[Array, "*shape size"],
        target: Float[Array, "*shape"],
        scale: Float[Array, "*shape"],
    ) -> Float[Array, "*shape"]:
        """What is minimized for each value.

        Finite with finite gradients for raw outputs and targets of up to 1e6 in magnitude.

        Raises:
            ArgumentError: an array has other axes or another dtype.
        """
        return self._cost(*self._given(raw, target=target, scale=scale))

    def point(
        self, raw: Float[Array, "*shape size"], scale: Float[Array, "*shape"]
    ) -> Float[Array, "*shape"]:
        """The point forecast: the mean or the median, as the cost has it.

        Raises:
            ArgumentError: an array has other axes or another dtype.
        """
        return self._point(*self._given(raw, scale=scale))

    def quantiles(
        self, raw: Float[Array, "*shape size"], levels: Levels, scale: Float[Array, "*shape"]
    ) -> Float[Array, "*shape levels"]:
        """The values that are not exceeded with given probabilities; none lies below another's.

        Raises:
            ConfigError: the head is no distribution, or `check_levels` finds fault.
            ArgumentError: an array has other axes or another dtype.
        """
        self._check_distribution()
        self.check_levels(levels)
        raw, scale = self._given(raw, scale=scale)
        values = self._quantiles(raw, levels, scale)
        # They rise but for rounding, which may differ between levels.
        return jax.lax.cummax(values, axis=values.ndim - 1)

    def sample(
        self, key: Key, raw: Float[Array, "*shape size"], scale: Float[Array, "*shape"]
    ) -> Float[Array, "*shape"]:
        """One value drawn for each, independently.

        Raises:
            ConfigError: the head is no distribution.
            ArgumentError: an array has other axes or another dtype.
        """
        self._check_distribution()
        return self._sample(key, *self._given(raw, scale=scale))

    def check_levels(self, levels: Levels) -> None:
        """Makes sure of levels whose quantiles the head knows.

        Raises:
            ConfigError: they lie outside of (0, 1), do not rise, or are not known.
        """
        check_rising(levels)
        if levels:
            self._check_distribution()

    @abc.abstractmethod
    def _cost(self, raw: Array, target: Array, scale: Array) -> Array:
        """As `cost`, of arrays that were checked."""

    @abc.abstractmethod
    def _point(self, raw: Array, scale: Array) -> Array:
        """As `point`, of arrays that were checked."""

    def _quantiles(self, raw: Array, levels: Levels, scale: Array) -> Array:
        """As `quantiles`, of what was checked; rounding may make them fall."""
        raise NotImplementedError

    def _sample(self, key: Key, raw: Array, scale: Array) -> Array:
        """As `sample`, of arrays that were checked."""
        raise NotImplementedError

    def _given(self, raw: Any, **others: Any) -> list[Array]:
        shape = np.shape(raw)[:-1]
        check_floating("raw", raw, "*positions size", (*shape, self.size))
        for name, array in others.items():
            check_floating(name, array, "*positions", shape)
        dtype = np.promote_types(raw.dtype, np.float32)
        return [jnp.asarray(array, dtype) for array in (raw, *others.values())]

    def _check_distribution(self) -> None:
        if not self.is_distribution:
            raise ConfigError(
                f"the head {type(self).__name__} gives points alone, without quantiles and samples;"
                " Quantiles and Gaussian are among those that give them"
            )


def check_rising(levels: Any) -> None:
    """Makes sure of a tuple of probabilities that rise.

    Raises:
        ConfigError: it is something else.

    >>> check_rising((0.5, 0.1))
    Traceback (most recent call last):
    lstm_jax.errors.ConfigError: levels must be a tuple of rising numbers between 0 and 1, not \
(0.5, 0.1)
    """
    is_tuple = isinstance(levels, tuple) and all(isinstance(x, float) for x in levels)
    if not is_tuple or not all(a < b for a, b in itertools.pairwise((0.0, *levels, 1.0))):
        raise ConfigError(
            f"levels must be a tuple of rising numbers between 0 and 1, not {levels!r}"
        )
