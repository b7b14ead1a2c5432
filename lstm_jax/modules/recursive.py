"""One step ahead, again and again: a recurrence that reads its own forecasts."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float

from lstm_jax.errors import ConfigError
from lstm_jax.modules.decoders import Decoder, Layers
from lstm_jax.modules.dense import Dense
from lstm_jax.modules.heads import Head
from lstm_jax.modules.normalization import Inputs, Sizes
from lstm_jax.types import Array, Carry, Key


@dataclasses.dataclass(frozen=True)
class Recursive(Decoder):
    """DeepAR (Salinas et al. 2020): each step reads the value before it and its covariates.

    In training the value before is the true one. In forecasting it is drawn from what the head says
    of it, in so many paths, whose quantiles are those of the forecast; a head without a
    distribution has one path, of its points. Past covariates are not known on the way and refused.

    Raises:
        ConfigError: there is no path.
    """

    paths: int = 100
    """Sampled paths of each window."""
    whole_window: bool = True
    """Whether the steps of the context are learned as well as those of the horizon."""

    def __post_init__(self):
        if self.paths < 1:
            raise ConfigError("paths must be at least 1")

    def check(self, sizes: Sizes) -> None:
        """Makes sure that all that is read is known of the horizon."""
        if sizes.covariates > sizes.future:
            raise ConfigError(
                "Recursive reads at each step what is known of it: past covariates are not; leave "
                "source.past out, or take Direct or EncoderDecoder"
            )

    def build(self, sizes: Sizes, layers: Layers, rngs: nnx.Rngs) -> "RecursiveDecoder":
        """The module."""
        return RecursiveDecoder(self, sizes, layers, rngs)


class RecursiveDecoder(nnx.Module):
    """See `Recursive`."""

    def __init__(self, config: Recursive, sizes: Sizes, layers: Layers, rngs: nnx.Rngs):
        self.config, self.sizes = config, sizes
        self.stack = layers.build(sizes.channels * (1 + sizes.flags) + sizes.future, rngs)
        self.values = Dense(self.stack.features, sizes.channels * sizes.outputs, rngs)

    def teach(
        self,
        inputs: Inputs,
        targets: Float[Array, "horizon batch channels"],
        observed: Float[Array, "horizon batch channels"],
        key: Key | None = None,
    ) -> Float[Array, "steps batch channels outputs"]:
        """Raw numbers of all steps of the window but its first, each from the true one before."""
        targets = _carried_on(inputs.values[-1], targets, observed)
        values = jnp.concatenate([inputs.values, targets])[:-1]
        flags = jnp.concatenate([inputs.observed, observed])[:-1]
        known = jnp.concatenate([inputs.covariates, inputs.future])[1:]
        outputs, _ = self.stack(
            self._read(values, flags, known), None, key, **self._resets(inputs, len(values))
        )
        return self._raw(outputs)

    def sample(
        self, inputs: Inputs, head: Head, keys: Key, scale: Float[Array, "batch channels"]
    ) -> Float[Array, "paths horizon batch channels"]:
        """Paths of the horizon.

        Args:
            inputs: windows.
            head: what raw numbers mean.
            keys: [batch], of each window.
            scale: how many units of the data a unit of values stands for.
        """
        paths = self.config.paths if head.is_distribution else 1
        known = jnp.concatenate([inputs.covariates[1:], inputs.future[:1]])
        read = self._read(inputs.values, inputs.observed, known)
        outputs, carry = self.stack(read, None, None, **self._resets(inputs, len(read)))
        first = self._raw(outputs[-1:])[0]
        batch = len(keys)

        def copies(leaf: Array) -> Array:
            return jnp.repeat(leaf, paths, axis=0)

        def drawn(raw: Array, step: Array) -> Array:
            """Of raw numbers [batch paths, channels, outputs], values [batch paths, channels]."""
            if not head.is_distribution:
                return head.point(raw, copies(scale))

            def one(key: Key, raw: Array, scale: Array) -> Array:
                drawing = jax.random.fold_in(key, step)
                return head.sample(drawing, raw, jnp.broadcast_to(scale, raw.shape[:-1]))

            by_window = raw.reshape(batch, paths, *raw.shape[1:])
            return jax.vmap(one)(keys, by_window, scale).reshape(raw.shape[:-1])

        def step(state: tuple[Carry, Array], slices: Any) -> tuple[tuple[Carry, Array], Array]:
            carry, raw = state
            number, known = slices
            value = drawn(raw, number)
            read = self._read(value[None], jnp.ones_like(value)[None], copies(known)[None])
            outputs, carry = self.stack(read, carry)
            return (carry, self._raw(outputs)[0]), value

        # Of the last step nothing is read: what is known there is of no use.
        following = jnp.concatenate([inputs.future[1:], inputs.future[-1:]])
        state = jax.tree.map(copies, carry), copies(first)
        numbers = jnp.arange(len(following))
        _, values = jax.lax.scan(step, state, (numbers, following))
        shape = len(following), batch, paths, self.sizes.channels
        return jnp.moveaxis(values.reshape(shape), 2, 0)

    def _read(self, values: Array, flags: Array, known: Array) -> Array:
        parts = [values, flags, known] if self.sizes.flags else [values, known]
        return jnp.concatenate(parts, axis=-1)

    def _raw(self, outputs: Float[Array, "steps batch hidden"]) -> Array:
        shape = *outputs.shape[:2], self.sizes.channels, self.sizes.outputs
        return self.values(outputs).reshape(shape)

    def _resets(self, inputs: Inputs, count: int) -> dict[str, Array]:
        if not self.sizes.padded:
            return {}
        return {"resets": jnp.arange(count)[:, None] == inputs.padding}


def _carried_on(last: Array, targets: Array, observed: Array) -> Array:
    """Targets with the last value before where none was observed."""

    def step(before: Array, slices: tuple[Array, Array]) -> tuple[Array, Array]:
        target, is_observed = slices
        value = jnp.where(is_observed > 0, target, before)
        return value, value

    return jax.lax.scan(step, last, (targets, observed))[1]
