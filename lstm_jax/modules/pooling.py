"""From the outputs of all steps of a sequence to one vector."""

from typing import Literal, get_args

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float, Int

from lstm_jax.errors import ConfigError
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
        self, outputs: Float[Array, "time batch features"], lengths: Int[Array, " batch"]
    ) -> Float[Array, "batch pooled"]:
        """The vectors of sequences of at least one step."""
        if self.kind == "last":
            return self._last(outputs, lengths)
        steps = jnp.arange(outputs.shape[0], dtype=lengths.dtype)
        valid = (steps[:, None] < lengths)[..., None]
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
        last = jnp.take_along_axis(outputs, (lengths - 1)[None, :, None], axis=0)[0]
        if not self.bidirectional:
            return last
        half = outputs.shape[-1] // 2
        return jnp.concatenate([last[:, :half], outputs[0, :, half:]], axis=-1)


def _mean(outputs: Array, valid: Array) -> Array:
    total = jnp.where(valid, outputs, jnp.zeros_like(outputs)).sum(axis=0)
    return total / valid.sum(axis=0).astype(outputs.dtype)


def _max(outputs: Array, valid: Array) -> Array:
    return jnp.where(valid, outputs, jnp.full_like(outputs, -jnp.inf)).max(axis=0)
