"""What of a window is taken away before a model reads it, and given back to its forecasts."""

import abc
import dataclasses
from typing import Any, ClassVar, Literal, NamedTuple

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float, Int

from lstm_jax.errors import ConfigError
from lstm_jax.metrics.forecasts import Units
from lstm_jax.types import Array


class Inputs(NamedTuple):
    """Windows as a forecaster's parts read them; columns are windows, or channels of windows."""

    values: Float[Array, "context batch channels"]
    observed: Float[Array, "context batch channels"]
    covariates: Float[Array, "context batch features"]
    future: Float[Array, "horizon batch known"]
    item: Int[Array, " batch"]
    """The number of the item in training, -1 for a new one."""
    phase: Int[Array, " batch"]
    """Where in its season the first step of the horizon stands."""
    padding: Int[Array, " batch"]
    """Steps at the front that only fill up."""
    channel: Int[Array, " batch"]
    """The number of the channel where channels are read one by one, else 0."""


class Sizes(NamedTuple):
    """What the parts of a forecaster must know of its data."""

    context: int
    horizon: int
    channels: int
    """Values of a step of a column."""
    covariates: int
    future: int
    series: int
    """Columns that there are of different kinds: channels that are read one by one, or 1."""
    items: int
    season: int
    outputs: int
    """Raw numbers for each value."""
    flags: bool
    """Whether it is read which values were observed."""
    padded: bool
    """Whether windows may begin before their series."""


@dataclasses.dataclass(frozen=True)
class Normalization(abc.ABC):
    """A frozen dataclass that builds the module which normalizes windows."""

    is_log: ClassVar[bool] = False
    """Whether values must be positive."""

    @abc.abstractmethod
    def build(self, sizes: Sizes, rngs: nnx.Rngs) -> Any:
        """A module: of `Inputs`, the `Units` [batch, channels] of normalized values.

        It returns those of the context and those of the horizon, which broadcast against
        [context, batch, channels] and [horizon, batch, channels].
        """


Statistic = Literal["none", "last", "mean", "standard", "mean_absolute", "season"]
_FLOOR = 1e-5
"""What is added to variances, as Kim et al. 2022 do: a constant window has none."""


@dataclasses.dataclass(frozen=True)
class WindowNormalization(Normalization):
    """Values minus a center of their window, over a scale of it.

    none            as they are
    last            minus the last value observed (Zeng et al. 2023, NLinear)
    mean            minus the mean
    standard        minus the mean, over the standard deviation (Kim et al. 2022, RevIN)
    mean_absolute   over the mean absolute value (Salinas et al. 2020, section 3.3)
    season          minus the last season, phase by phase, over the root mean square of what is left
                    of the context: what a network says is by how much it differs from the seasonal
                    naive forecast

    Raises:
        ConfigError: an affine map without a deviation.
    """

    kind: Statistic = "none"
    affine: bool = False
    """Whether normalized values are multiplied and moved by learned numbers for each channel, which
    the forecasts are freed of again (Kim et al. 2022, equation 2)."""

    def __post_init__(self):
        if self.affine and self.kind != "standard":
            raise ConfigError("affine goes with kind='standard'")

    def build(self, sizes: Sizes, rngs: nnx.Rngs) -> "WindowStatistics":
        """The module."""
        del rngs
        if self.kind == "season" and sizes.context <= sizes.season:
            raise ConfigError(
                f"normalization.kind='season' needs more than a season of {sizes.season} steps to "
                f"look back on: set data.context to more than {sizes.season}"
            )
        affine = (sizes.series, sizes.channels) if self.affine else None
        return WindowStatistics(self.kind, affine, sizes.season, sizes.horizon)


class WindowStatistics(nnx.Module):
    """The units of each window, from its own values; learned is at most an affine map."""

    def __init__(
        self,
        kind: Statistic,
        affine: tuple[int, int] | None = None,
        season: int = 1,
        horizon: int = 1,
    ):
        self.kind, self.season, self.horizon = kind, season, horizon
        self.gain = None if affine is None else nnx.Param(jnp.ones(affine))
        self.bias = None if affine is None else nnx.Param(jnp.zeros(affine))

    def __call__(self, inputs: Inputs) -> tuple[Units, Units]:
        """The units of the context and of the horizon."""
        values, observed = inputs.values, inputs.observed
        if self.kind == "season":
            return self._seasonal(values, observed)
        count = jnp.maximum(observed.sum(axis=0), 1)
        center, scale = jnp.zeros_like(values[0]), jnp.ones_like(values[0])
        if self.kind == "last":
            # Where nothing was observed a window holds the last value before.
            center = values[-1]
        elif self.kind == "mean_absolute":
            scale = (observed * jnp.abs(values)).sum(axis=0) / count
            scale = jnp.where(scale > 0, scale, 1)
        elif self.kind != "none":
            center = (observed * values).sum(axis=0) / count
            if self.kind == "standard":
                variance = (observed * (values - center) ** 2).sum(axis=0) / count
                scale = jnp.sqrt(variance + _FLOOR)
        if self.gain is not None and self.bias is not None:
            gain, bias = self.gain[...][inputs.channel], self.bias[...][inputs.channel]
            gain = gain + jnp.where(gain >= 0, _FLOOR, -_FLOOR)
            scale = scale / gain
            center = center - bias * scale
        units = Units(center, scale)
        return units, units

    def _seasonal(self, values: Array, observed: Array) -> tuple[Units, Units]:
        last, phases = values[-self.season :], jnp.arange(-len(values), 0) % self.season
        center = last[phases]
        count = jnp.maximum(observed.sum(axis=0), 1)
        variance = (observed * (values - center) ** 2).sum(axis=0) / count
        scale = jnp.sqrt(variance + _FLOOR)
        return Units(center, scale), Units(last[jnp.arange(self.horizon) % self.season], scale)
