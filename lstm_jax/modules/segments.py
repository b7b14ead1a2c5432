"""A recurrence over segments of a series instead of its steps."""

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float

from lstm_jax.errors import ConfigError
from lstm_jax.functional.dropouts import dropout
from lstm_jax.modules.decoders import Decoder, Layers, Raw, step_size, steps, vectors
from lstm_jax.modules.dense import Dense
from lstm_jax.modules.normalization import Inputs, Sizes
from lstm_jax.types import Array, Key


@dataclasses.dataclass(frozen=True)
class Segments(Decoder):
    """Layers over segments of the context, then one step for each segment of the horizon.

    SegRNN (Lin et al. 2023): all segments of the horizon come from the last carry, side by side, so
    that a horizon of 720 steps is no longer recurrence than one of 24. A segment of the context is
    mapped to `embedding` features and rectified; what a segment of the horizon reads are a learned
    vector of its place and one of the channel, where channels are read one by one.

    Raises:
        ConfigError: a size below 1.
    """

    length: int = 24
    """Steps of a segment; the context is a multiple of it."""
    embedding: int = 512
    """Features that a segment becomes; even where channels are read one by one."""

    def __post_init__(self):
        if min(self.length, self.embedding) < 1:
            raise ConfigError("length and embedding must be at least 1")

    def check(self, sizes: Sizes) -> None:
        """Makes sure that the context is made of segments, and that windows have no padding."""
        if sizes.context % self.length:
            raise ConfigError(
                f"decoder.length: a context of {sizes.context} steps is no multiple of "
                f"{self.length}: change data.context"
            )
        if sizes.padded:
            raise ConfigError("Segments needs whole windows: leave data.shortest_context out")
        if sizes.series > 1 and self.embedding % 2:
            raise ConfigError("decoder.embedding must be even: half of it says the channel")

    def build(self, sizes: Sizes, layers: Layers, rngs: nnx.Rngs) -> "SegmentsDecoder":
        """The module."""
        return SegmentsDecoder(self, sizes, layers, rngs)


class SegmentsDecoder(nnx.Module):
    """See `Segments`."""

    def __init__(self, config: Segments, sizes: Sizes, layers: Layers, rngs: nnx.Rngs):
        self.length, self.sizes, self.dropout = config.length, sizes, layers.dropout
        self.count = -(-sizes.horizon // config.length)
        by_channel = sizes.series > 1
        half = config.embedding // 2 if by_channel else config.embedding
        self.embedding = Dense(config.length * step_size(sizes), config.embedding, rngs)
        known = config.length * sizes.future
        # One step of the same layers says a segment: they read as many features there.
        self.known = Dense(known, config.embedding, rngs) if known else None
        layers = layers._replace(dropout=0.0)
        self.stack = layers.build(config.embedding, rngs)
        self.places = vectors(rngs, self.count, half)
        self.kinds = vectors(rngs, sizes.series, config.embedding - half) if by_channel else None
        units = config.length * sizes.channels * sizes.outputs
        self.values = Dense(self.stack.features, units, rngs)

    def __call__(self, inputs: Inputs, key: Key | None = None) -> Raw:
        """Raw numbers of the horizon."""
        noise, stack_key = (None, None) if key is None else jax.random.split(key)
        batch, sizes = inputs.values.shape[1], self.sizes
        read = jax.nn.relu(self.embedding(self._segments(steps(inputs, sizes))))
        # The same weights are dropped over the context and over the horizon.
        _, carries = self.stack(read, None, stack_key)

        queries, kind = self._queries(), inputs.channel
        if self.known is not None:
            missing = self.count * self.length - len(inputs.future)
            future = jnp.pad(inputs.future, ((0, missing), (0, 0), (0, 0)))
            known = jnp.moveaxis(self.known(self._segments(future)), 0, 1)
            queries, kind = queries[kind] + known, None
        outputs = self.stack.branches(queries, carries, stack_key, kind)
        values = self.values(dropout(noise, outputs, self.dropout))
        shape = batch, self.count * self.length, sizes.channels, sizes.outputs
        return jnp.moveaxis(values.reshape(shape), 1, 0)[: sizes.horizon]

    def _segments(
        self, read: Float[Array, "context batch features"]
    ) -> Float[Array, "segments batch segment"]:
        count, batch = read.shape[0] // self.length, read.shape[1]
        parts = read.reshape(count, self.length, batch, -1)
        return jnp.moveaxis(parts, 1, 2).reshape(count, batch, -1)

    def _queries(self) -> Float[Array, "kinds segments features"]:
        """What each segment of the horizon reads, for each kind of column."""
        if self.kinds is None:
            return self.places[...][None]
        places, kinds = self.places[...], self.kinds[...][:, None]
        shape = len(kinds), self.count
        parts = [jnp.broadcast_to(part, (*shape, part.shape[-1])) for part in (places, kinds)]
        return jnp.concatenate(parts, axis=-1)
