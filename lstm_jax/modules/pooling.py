"""From the outputs of all steps of a sequence to one vector."""

from typing import Literal, get_args

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float, Integer

from lstm_jax.errors import ArgumentError, ConfigError
from lstm_jax.functional.arguments import check_floating, check_integers
from lstm_jax.functional.integers import in_int32, valid_steps
from lstm_jax.types import Array

PoolingKind = Literal["last", "mean", "max", "concatenated", "attention"]


class Pooling(nnx.Module):
    """One vector for each sequence, of the outputs of its valid steps alone.

        last          the output after the last step (of a backward layer: after the first)
        mean, max     of every feature over the steps
        concatenated  last, max and mean beside each other (Howard and Ruder 2018, section 3.3)
        attention     sum_t a_t h_t with a = softmax_t(v . tanh(h_t W + b)) (Yang et al. 2016)

    >>> pooling = Pooling("concatenated", 6, bidirectional=True, rngs=nnx.Rngs(0))
    >>> pooling(jnp.ones((5, 2, 6)), jnp.array([3, 5])).shape, pooling.features
    ((2, 18), 18)
    """

    def __init__(self, kind: PoolingKind, features: int, bidirectional: bool, rngs: nnx.Rngs):
        if kind not in get_args(PoolingKind):
            raise ConfigError(f"pooling is one of {', '.join(get_args(PoolingKind))}, not {kind!r}")
        self.kind: PoolingKind = kind
        self.bidirectional = bidirectional
        self.features = 3 * features if kind == "concatenated" else features
        if kind == "attention":
            draw = nnx.initializers.lecun_normal()
            self.kernel = nnx.Param(draw(rngs.params(), (features, features)))
            self.bias = nnx.Param(jnp.zeros((features,)))
            self.query = nnx.Param(draw(rngs.params(), (features, 1)))

    def __call__(
        self, outputs: Float[Array, "time batch features"], lengths: Integer[Array, " batch"]
    ) -> Float[Array, "batch pooled"]:
        """The vectors of sequences of at least one step.

        Raises:
            ArgumentError: an array has other axes or another dtype, or there are no steps.
        """
        features = self.features // 3 if self.kind == "concatenated" else self.features
        check_floating("outputs", outputs, "time batch features", (None, None, features))
        time, batch, _ = outputs.shape
        check_integers("lengths", lengths, "batch", (batch,))
        if time == 0:
            raise ArgumentError("outputs must have at least one step to be pooled, got none")
        lengths = in_int32(lengths, time)
        if self.kind == "last":
            return self._last(outputs, lengths)
        valid = valid_steps(lengths, time)[..., None]
        if self.kind == "mean":
            return _mean(outputs, valid)
        if self.kind == "max":
            return _max(outputs, valid)
        if self.kind == "concatenated":
            parts = [self._last(outputs, lengths), _max(outputs, valid), _mean(outputs, valid)]
            return jnp.concatenate(parts, axis=-1)
        # What stands in the padding may be NaN, and 0 * NaN would reach the result.
        outputs = jnp.where(valid, outputs, jnp.zeros_like(outputs))
        scores = jnp.tanh(outputs @ self.kernel[...] + self.bias[...]) @ self.query[...]
        weights = jax.nn.softmax(jnp.where(valid, scores, -jnp.inf), axis=0)
        return (weights * outputs).sum(axis=0)

    def _last(self, outputs: Array, lengths: Array) -> Array:
        index = jnp.minimum(lengths, outputs.shape[0]) - 1
        last = jnp.take_along_axis(outputs, index[None, :, None], axis=0)[0]
        if not self.bidirectional:
            return last
        half = outputs.shape[-1] // 2
        return jnp.concatenate([last[:, :half], outputs[0, :, half:]], axis=-1)


def _mean(outputs: Array, valid: Array) -> Array:
    total = jnp.where(valid, outputs, jnp.zeros_like(outputs)).sum(axis=0)
    return total / valid.sum(axis=0).astype(outputs.dtype)


def _max(outputs: Array, valid: Array) -> Array:
    return jnp.where(valid, outputs, jnp.full_like(outputs, -jnp.inf)).max(axis=0)
