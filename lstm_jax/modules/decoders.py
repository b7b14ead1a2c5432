"""From the context of windows to raw numbers for each value of the horizon."""

import abc
import dataclasses
import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Bool, Float

from lstm_jax.cells.base import Cell
from lstm_jax.errors import ConfigError
from lstm_jax.functional.dropouts import dropout
from lstm_jax.modules.dense import Dense
from lstm_jax.modules.normalization import Inputs, Sizes
from lstm_jax.modules.recurrent import LayerConfig, Stack, recurrent_layers
from lstm_jax.types import Array, Key

Raw = Float[Array, "horizon batch channels outputs"]


class Layers(NamedTuple):
    """The recurrent layers of a forecaster, as its config describes them."""

    cells: tuple[Cell | LayerConfig, ...]
    dropout: float = 0.0
    variational: bool = False
    weight_drop: float = 0.0

    def build(self, input_size: int, rngs: nnx.Rngs) -> Stack:
        """A stack for inputs of so many features."""
        layers = recurrent_layers(self.cells, input_size, rngs, weight_drop=self.weight_drop)
        return Stack(layers, self.dropout, self.variational)


@dataclasses.dataclass(frozen=True)
class Decoder(abc.ABC):
    """A frozen dataclass that builds the module which reads windows and says the horizon.

    The module maps `Inputs`, whose values are normalized, and a key (None: no noise) to raw numbers
    [horizon, batch, channels, outputs].
    """

    def check(self, sizes: Sizes) -> None:
        """Says what cannot fit; by default all does.

        Raises:
            ConfigError: something cannot; in one line.
        """
        del sizes

    @abc.abstractmethod
    def build(self, sizes: Sizes, layers: Layers, rngs: nnx.Rngs) -> Any:
        """The module."""


@dataclasses.dataclass(frozen=True)
class Direct(Decoder):
    """One head for the whole horizon reads the last output of the layers over the context.

    Known covariates of the horizon are read by the head, all steps at once (Wen et al. 2017).
    """

    head: tuple[int, ...] = ()
    """Units of rectified layers between the last output and the horizon."""

    def __post_init__(self):
        if min(self.head, default=1) < 1:
            raise ConfigError("head must be at least 1")

    def build(self, sizes: Sizes, layers: Layers, rngs: nnx.Rngs) -> "DirectDecoder":
        """The module."""
        return DirectDecoder(self.head, sizes, layers, rngs)


class DirectDecoder(nnx.Module):
    """See `Direct`."""

    def __init__(self, head: tuple[int, ...], sizes: Sizes, layers: Layers, rngs: nnx.Rngs):
        self.stack = layers.build(step_size(sizes), rngs)
        self.sizes, self.dropout = sizes, layers.dropout
        last = sizes.horizon * sizes.channels * sizes.outputs
        known = sizes.horizon * sizes.future
        units = [self.stack.features + known, *head, last]
        self.head = nnx.List(Dense(a, b, rngs) for a, b in itertools.pairwise(units))

    def __call__(self, inputs: Inputs, key: Key | None = None) -> Raw:
        """Raw numbers of the horizon."""
        one, other = (None, None) if key is None else jax.random.split(key)
        read = steps(inputs, self.sizes)
        outputs, _ = self.stack(read, None, one, **resets(inputs, self.sizes))
        batch = outputs.shape[1]
        known = jnp.moveaxis(inputs.future, 1, 0).reshape(batch, -1)
        features, last = jnp.concatenate([outputs[-1], known], axis=-1), len(self.head) - 1
        for place, layer in enumerate(self.head):
            if place and other is not None:
                noise = jax.random.fold_in(other, place)
                features = dropout(noise, features, self.dropout)
            features = layer(features)
            features = features if place == last else jax.nn.relu(features)
        shape = batch, self.sizes.horizon, self.sizes.channels, self.sizes.outputs
        return jnp.moveaxis(features.reshape(shape), 1, 0)


@dataclasses.dataclass(frozen=True)
class EncoderDecoder(Decoder):
    """Layers over the context hand their carries to layers over the horizon.

    Sutskever et al. 2014, without feeding back: those over the horizon read at each step the
    covariates that are known of it, and a learned vector that says which step it is.
    """

    embedding: int = 16
    """Features of the vector of a step."""

    def __post_init__(self):
        if self.embedding < 1:
            raise ConfigError("embedding must be at least 1")

    def build(self, sizes: Sizes, layers: Layers, rngs: nnx.Rngs) -> "EncoderDecoderModule":
        """The module."""
        return EncoderDecoderModule(self.embedding, sizes, layers, rngs)


class EncoderDecoderModule(nnx.Module):
    """See `EncoderDecoder`."""

    def __init__(self, embedding: int, sizes: Sizes, layers: Layers, rngs: nnx.Rngs):
        self.encoder = layers.build(step_size(sizes), rngs)
        self.decoder = layers.build(sizes.future + embedding, rngs)
        self.steps = vectors(rngs, sizes.horizon, embedding)
        self.values = Dense(self.decoder.features, sizes.channels * sizes.outputs, rngs)
        self.sizes = sizes

    def __call__(self, inputs: Inputs, key: Key | None = None) -> Raw:
        """Raw numbers of the horizon."""
        keys = [None, None] if key is None else jax.random.split(key)
        read = steps(inputs, self.sizes)
        _, carries = self.encoder(read, None, keys[0], **resets(inputs, self.sizes))
        horizon, batch = inputs.future.shape[:2]
        which = self.steps[...][:, None]
        which = jnp.broadcast_to(which, (horizon, batch, which.shape[-1]))
        known = jnp.concatenate([inputs.future, which], axis=-1)
        outputs, _ = self.decoder(known, carries, keys[1])
        return self.values(outputs).reshape(horizon, batch, self.sizes.channels, self.sizes.outputs)


def vectors(rngs: nnx.Rngs, count: int, size: int) -> nnx.Param[Array]:
    """Learned vectors, from the standard normal distribution."""
    return nnx.Param(jax.random.normal(rngs.params(), (count, size)))


def step_size(sizes: Sizes) -> int:
    """Numbers that are read of a step of the context."""
    return sizes.channels * (1 + sizes.flags) + sizes.covariates


def steps(inputs: Inputs, sizes: Sizes) -> Float[Array, "context batch features"]:
    """What is read of each step of the context: values, whether they were observed, covariates."""
    flags = [inputs.observed] if sizes.flags else []
    return jnp.concatenate([inputs.values, *flags, inputs.covariates], axis=-1)


def resets(inputs: Inputs, sizes: Sizes) -> dict[str, Bool[Array, "context batch"]]:
    """Where the carry restarts, if anything stands before a series: at its first step."""
    if not sizes.padded:
        return {}
    return {"resets": jnp.arange(len(inputs.values))[:, None] == inputs.padding}
