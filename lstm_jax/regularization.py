"""Noise against overfitting, as pure functions of a random key."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Shaped

from lstm_jax.types import Array, Key


def dropout(key: Key | None, inputs: Shaped[Array, "..."], rate: float) -> Shaped[Array, "..."]:
    """Sets elements to zero with probability `rate` and scales the others by 1 / (1 - rate).

    Without a key (at evaluation) nothing is dropped. The rate is rounded to 1 / 65536, which halves
    the random bits that are drawn; the scale follows the rounded rate, so that the mean is kept.

    Source: Srivastava et al. 2014. Between recurrent layers: Zaremba et al. 2014.

    >>> kept = dropout(jax.random.key(0), jnp.ones((1000,)), rate=0.25)
    >>> sorted({round(value, 4) for value in kept.tolist()})
    [0.0, 1.3333]
    """
    levels = 1 << 16
    kept_levels = round((1 - rate) * levels)
    if key is None or kept_levels == levels:
        return inputs
    if kept_levels == 0:
        return jnp.zeros_like(inputs)
    size = math.prod(inputs.shape)
    words = jax.random.bits(key, (-(-size // 2),), jnp.uint32)
    halves = jax.lax.bitcast_convert_type(words, jnp.uint16).reshape(-1)[:size]
    keep = (halves < kept_levels).reshape(inputs.shape)
    scaled = inputs * jnp.asarray(levels / kept_levels, inputs.dtype)
    return jnp.where(keep, scaled, jnp.zeros_like(inputs))
