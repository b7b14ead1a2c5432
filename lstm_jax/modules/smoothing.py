"""Exponential smoothing as the normalization of windows, learned together with the network."""

import dataclasses
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float

from lstm_jax.errors import ConfigError
from lstm_jax.metrics.forecasts import LEAST, Units
from lstm_jax.modules.normalization import Inputs, Normalization, Sizes
from lstm_jax.types import Array


@dataclasses.dataclass(frozen=True)
class Smoothing(Normalization):
    """ES-RNN (Smyl 2020, equations 1 to 3): a level and seasonal factors of each series.

        l_t = alpha x_t / s_t + (1 - alpha) l_{t-1}
        s_{t+m} = gamma x_t / l_t + (1 - gamma) s_t

    A network reads log(x_t / (l_T s_t)), T the last step of the window, and what it says of step
    T + h is the logarithm of the forecast over l_T s_{T+h}. Every item and channel has an alpha and
    a gamma, and a factor for each phase by which the first season is corrected, all trained
    together with the network; a new item has their means. The first season is that of the window,
    each phase over the moving average of a season. With a season of 1 there are levels alone.

    Values must be positive: scale them by `Scaling("mean_absolute", per="item")`.

    Raises:
        ConfigError: a coefficient outside (0, 1).
    """

    alpha: float = 0.5
    """Where the coefficients of levels begin."""
    gamma: float = 0.3
    """Where the coefficients of seasons begin."""

    is_log: ClassVar[bool] = True

    def __post_init__(self):
        for name in ("alpha", "gamma"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"{name} lies between 0 and 1, not {getattr(self, name)}")

    def build(self, sizes: Sizes, rngs: nnx.Rngs) -> "SmoothedLevels":
        """The module."""
        del rngs
        if sizes.season > 1 and sizes.context < 2 * sizes.season:
            raise ConfigError(
                f"Smoothing needs two seasons of {sizes.season} steps to look back on: set "
                f"data.context to at least {2 * sizes.season}"
            )
        return SmoothedLevels(self, sizes)


class SmoothedLevels(nnx.Module):
    """See `Smoothing`."""

    def __init__(self, config: Smoothing, sizes: Sizes):
        self.season, self.horizon, self.series = sizes.season, sizes.horizon, sizes.series
        shape = sizes.items * sizes.series, sizes.channels
        self.alpha = nnx.Param(jnp.full(shape, _logit(config.alpha)))
        if self.season > 1:
            self.gamma = nnx.Param(jnp.full(shape, _logit(config.gamma)))
            self.factors = nnx.Param(jnp.zeros((*shape, self.season)))

    def __call__(self, inputs: Inputs) -> tuple[Units, Units]:
        """Units of the context [context, batch, channels] and of the horizon, of logarithms."""
        values = jnp.maximum(inputs.values, LEAST)
        # What lies before a series is its first value: it moves no level.
        first = jnp.take_along_axis(values, inputs.padding[None, :, None], axis=0)
        is_inside = (jnp.arange(len(values))[:, None] >= inputs.padding)[..., None]
        values = jnp.where(is_inside, values, first)
        alpha = jax.nn.sigmoid(self._of(self.alpha, inputs))
        if self.season == 1:
            seasons = jnp.ones((1, *values.shape[1:]))
            gamma = jnp.zeros_like(alpha)
        else:
            gamma = jax.nn.sigmoid(self._of(self.gamma, inputs))
            phases = jnp.moveaxis(self._of(self.factors, inputs), -1, 0)
            start = (inputs.phase - len(values)) % self.season
            order = (start + jnp.arange(self.season)[:, None]) % self.season
            correction = jnp.take_along_axis(phases, order[..., None], axis=0)
            seasons = _first_season(values, self.season) * jnp.exp(correction)

        def step(state: tuple[Array, Array], value: Array) -> tuple[Any, Array]:
            level, seasons = state
            season = seasons[0]
            level = alpha * value / season + (1 - alpha) * level
            following = gamma * value / level + (1 - gamma) * season
            return (level, jnp.concatenate([seasons[1:], following[None]])), season

        begin = values[0] / seasons[0], seasons
        (level, seasons), used = jax.lax.scan(step, begin, values)
        ahead = seasons[jnp.arange(self.horizon) % self.season]
        one = jnp.ones((1, 1, 1), values.dtype)
        within, ahead = jnp.log(level * used), jnp.log(level * ahead)
        return Units(within, one, True), Units(ahead, one, True)

    def _of(self, table: nnx.Param[Array], inputs: Inputs) -> Array:
        """The row of each column's series; of a new item the mean over all items."""
        every = table[...]
        rows = every[jnp.maximum(inputs.item, 0) * self.series + inputs.channel]
        means = every.reshape(-1, self.series, *every.shape[1:]).mean(axis=0)[inputs.channel]
        is_new = (inputs.item < 0).reshape(-1, *[1] * (rows.ndim - 1))
        return jnp.where(is_new, means, rows)


def _logit(share: float) -> float:
    return math.log(share / (1 - share))


def _first_season(
    values: Float[Array, "context batch channels"], season: int
) -> Float[Array, "season batch channels"]:
    """Factors of the first `season` phases of a window, of mean 1 in logarithms."""
    logs = jnp.log(values)
    sums = jnp.cumsum(jnp.concatenate([jnp.zeros_like(logs[:1]), logs]), axis=0)
    # The moving average of a season around each step, half a step off where the season is even.
    average = (sums[season:] - sums[:-season]) / season
    first = (season - 1) // 2
    ratio = logs[first : first + len(average)] - average
    whole = len(ratio) // season * season
    means = ratio[:whole].reshape(-1, season, *ratio.shape[1:]).mean(axis=0)
    means = jnp.roll(means, first, axis=0)
    return jnp.exp(means - means.mean(axis=0))
