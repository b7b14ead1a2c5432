"""A forecaster: what is taken from a window, what reads it, what its raw outputs mean."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float

from lstm_jax.metrics.forecasts import Units
from lstm_jax.modules.decoders import Decoder, Layers
from lstm_jax.modules.heads import Head
from lstm_jax.modules.normalization import Inputs, Normalization, Sizes
from lstm_jax.modules.recursive import RecursiveDecoder
from lstm_jax.types import Array, Key


class Forecast(NamedTuple):
    """What a forecaster says of windows, in scaled values."""

    point: Float[Array, "horizon batch channels"]
    quantiles: Float[Array, "horizon batch channels levels"] | None
    """None where the head knows none."""


class Costs(NamedTuple):
    """What is minimized of each value."""

    values: Float[Array, "steps batch channels"]
    weight: Float[Array, "steps batch channels"]


class Forecaster(nnx.Module):
    """Normalization, decoder and head.

    Args:
        normalization: what of a window is taken away before it is read.
        decoder: reads it.
        head: what raw outputs mean.
        sizes: of the data.
        layers: the recurrent layers.
        rngs: draws the parameters.
        autoregressive: whether a linear map of each channel's context is added to what the decoder
            says; it starts at zero.
        channels: of the data, if they are read one by one; None, if side by side.
        normalized_loss: whether costs count in normalized values.
        deviation: of each channel in training, for figures.
        is_log: whether the data's scaling is of logarithms.
    """

    def __init__(
        self,
        normalization: Normalization,
        decoder: Decoder,
        head: Head,
        sizes: Sizes,
        layers: Layers,
        rngs: nnx.Rngs,
        *,
        channels: int | None,
        autoregressive: bool = False,
        normalized_loss: bool,
        deviation: tuple[float, ...],
        is_log: bool,
    ):
        self.normalization = normalization.build(sizes, rngs)
        self.decoder = decoder.build(sizes, layers, rngs)
        shape = sizes.context, sizes.horizon, sizes.outputs
        self.linear = nnx.Param(jnp.zeros(shape)) if autoregressive else None
        self.head, self.sizes, self.channels = head, sizes, channels
        self.normalized_loss = normalized_loss
        self.deviation, self.is_log = deviation, is_log

    def initial_carry(self, batch_size: int) -> tuple[()]:
        """Nothing: a window does not depend on the batch before."""
        del batch_size
        return ()

    def units(self, batch: Any) -> Units:
        """The units of scaled values [batch, channels]."""
        return Units(batch.center, batch.scale, self.is_log)

    def costs(self, batch: Any, key: Key | None = None) -> Costs:
        """What is minimized of a `SeriesBatch`. Without a key there is no noise."""
        inputs, within, ahead = self._normalized(batch)
        targets = ahead.scaled(self._columns(batch.targets))
        weight = self._columns(batch.weight)
        targets = jnp.where(weight > 0, targets, 0)
        scale = self._data_scale(batch) * jnp.broadcast_to(ahead.scale, targets.shape)
        if isinstance(self.decoder, RecursiveDecoder):
            raw = self.decoder.teach(inputs, targets, weight, key)
            if self.decoder.config.whole_window:
                before = inputs.values[1:]
                targets = jnp.concatenate([before, targets])
                inside = jnp.broadcast_to(within.scale, before.shape) * self._data_scale(batch)
                scale = jnp.concatenate([inside, scale])
                weight = jnp.concatenate([inputs.observed[1:], weight])
            raw = raw[-len(targets) :]
        else:
            raw = self._raw(inputs, key)
        cost = self.head.cost(raw, targets, scale)
        if not self.normalized_loss and not ahead.is_log:
            cost = cost * (scale / self._data_scale(batch)) ** self.head.power
        return Costs(cost, weight)

    def forecast(self, batch: Any, levels: tuple[float, ...], keys: Key) -> Forecast:
        """Points and quantiles of windows, in scaled values.

        Args:
            batch: a `SeriesBatch`; what follows the origins is not read.
            levels: of the quantiles, rising.
            keys: [batch], of each window, for a forecast that is sampled.
        """
        inputs, _, ahead = self._normalized(batch)
        horizon = len(inputs.future)
        shape = horizon, *inputs.values.shape[1:]
        center = jnp.broadcast_to(ahead.center, shape)
        scale = jnp.broadcast_to(ahead.scale, shape)
        ahead = Units(center, scale, ahead.is_log)
        data_scale = self._data_scale(batch) * scale
        quantiles = None
        if isinstance(self.decoder, RecursiveDecoder):
            if self.channels is not None:
                count = range(self.channels)
                keys = jax.vmap(lambda key: jnp.stack([jax.random.fold_in(key, i) for i in count]))(
                    keys
                ).reshape(-1)
            paths = self.decoder.sample(inputs, self.head, keys, data_scale[0])
            point = paths.mean(axis=0) if self.head.is_distribution else paths[0]
            if self.head.is_distribution:
                found = jnp.quantile(paths, jnp.asarray(levels, paths.dtype), axis=0)
                quantiles = jnp.moveaxis(found, 0, -1)
        else:
            raw = self._raw(inputs)
            point = self.head.point(raw, data_scale)
            if self.head.is_distribution:
                quantiles = self.head.quantiles(raw, levels, data_scale)
        if quantiles is not None:
            wide = Units(center[..., None], scale[..., None], ahead.is_log)
            quantiles = self._rows(wide.values(quantiles))
        return Forecast(self._rows(ahead.values(point)), quantiles)

    def _raw(self, inputs: Inputs, key: Key | None = None) -> Array:
        """Raw numbers [horizon, batch, channels, outputs]."""
        raw = self.decoder(inputs, key)
        if self.linear is None:
            return raw
        return raw + jnp.einsum("tbc,tho->hbco", inputs.values, self.linear[...])

    def _normalized(self, batch: Any) -> tuple[Inputs, Units, Units]:
        """What is read of windows, and the units of normalized values in context and horizon."""
        count = self.channels or 1

        def each(array: Array, axis: int) -> Array:
            return array if self.channels is None else jnp.repeat(array, count, axis=axis)

        size = len(batch.item)
        channel = jnp.zeros((size,), jnp.int32)
        if self.channels is not None:
            channel = jnp.tile(jnp.arange(count, dtype=jnp.int32), size)
        inputs = Inputs(
            self._columns(batch.values),
            self._columns(batch.observed),
            each(batch.covariates, 1),
            each(batch.future, 1),
            each(batch.item, 0),
            each(batch.phase, 0),
            each(batch.padding, 0),
            channel,
        )
        within, ahead = self.normalization(inputs)
        values = within.scaled(inputs.values)
        # What stands before a series is the same for every window.
        is_inside = jnp.arange(len(values))[:, None] >= inputs.padding
        return inputs._replace(values=jnp.where(is_inside[..., None], values, 0)), within, ahead

    def _columns(self, array: Array) -> Array:
        """Channels [..., batch, channels] as columns [..., batch channels, 1], if one by one."""
        if self.channels is None:
            return array
        return array.reshape(*array.shape[:-2], -1, 1)

    def _rows(self, array: Array) -> Array:
        """Columns as channels again: [horizon, batch channels, 1, ...]."""
        if self.channels is None:
            return array
        return array.reshape(len(array), -1, self.channels, *array.shape[3:])

    def _data_scale(self, batch: Any) -> Array:
        """Units of the data in a unit of scaled values."""
        return self._columns(batch.scale)
