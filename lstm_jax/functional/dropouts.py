"""Noise and penalties against overfitting: pure functions, the noisy ones of a random key.

Without a key (at evaluation) and at the rate 0 the noisy functions return what they were given.
Rates are rounded to 1 / 65536, which halves the random bits that are drawn; what is kept is scaled
by the rounded rate, so that its mean stays the same.

Each raises an ArgumentError where an array has other axes or another dtype, or the rate is outside
[0, 1]: with a key or without one.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Integer, Shaped

from lstm_jax.functional.arguments import check_axes, check_floating, check_integers, check_share
from lstm_jax.functional.integers import widened
from lstm_jax.types import Array, Key

_LEVELS = 1 << 16


def dropout(key: Key | None, inputs: Float[Array, "..."], rate: float) -> Float[Array, "..."]:
    """Sets elements to zero with probability `rate` and scales the others by 1 / (1 - rate).

    Source: Srivastava et al. 2014. Between recurrent layers: Zaremba et al. 2014.

    >>> kept = dropout(jax.random.key(0), jnp.ones((1000,)), rate=0.25)
    >>> sorted({round(value, 4) for value in kept.tolist()})
    [0.0, 1.3333]
    """
    check_floating("inputs", inputs, "*positions")
    check_share("rate", rate)
    if key is None or _keeps_all(rate):
        return inputs
    return _only(_draw_kept(key, inputs.shape, rate), inputs, rate)


def variational_dropout(
    key: Key | None, inputs: Float[Array, "time batch features"], rate: float
) -> Float[Array, "time batch features"]:
    """Dropout with one mask for all time steps: a feature of a sequence is there or is not.

    Source: Gal and Ghahramani 2016; called locked dropout where Merity et al. 2018 use it.

    >>> kept = variational_dropout(jax.random.key(0), jnp.ones((7, 3, 5)), rate=0.5)
    >>> bool((kept == kept[0]).all())
    True
    """
    check_floating("inputs", inputs, "time batch features")
    check_share("rate", rate)
    if key is None or _keeps_all(rate):
        return inputs
    return _only(_draw_kept(key, inputs.shape[1:], rate), inputs, rate)


def embedding_dropout(
    key: Key | None,
    tokens: Integer[Array, "*positions"],
    vectors: Float[Array, "*positions features"],
    vocabulary: int,
    rate: float,
) -> Float[Array, "*positions features"]:
    """Drops the vectors of whole tokens: a token keeps its vector wherever it stands, or nowhere.

    That is dropout on the rows of the embedding table, scaled likewise. It is applied to the
    vectors that were looked up, so that it costs one draw a token of the vocabulary and no copy of
    the table.

    Args:
        key: of this batch; None drops nothing.
        tokens: ids in [0, vocabulary).
        vectors: the embedding of each.
        vocabulary: how many tokens there are.
        rate: the probability of dropping a token.

    Source: Gal and Ghahramani 2016; Merity et al. 2018, section 4.3.

    >>> tokens = jnp.array([3, 1, 3, 0])
    >>> kept = embedding_dropout(jax.random.key(0), tokens, jnp.ones((4, 2)), 5, rate=0.5)
    >>> bool((kept[0] == kept[2]).all())
    True
    """
    check_integers("tokens", tokens, "*positions")
    check_floating("vectors", vectors, "*positions features", (*tokens.shape, None))
    check_share("rate", rate)
    if key is None or _keeps_all(rate):
        return vectors
    kept = _draw_kept(key, (vocabulary,), rate)[widened(tokens)]
    return _only(kept[..., None], vectors, rate)


def word_dropout(
    key: Key | None, tokens: Integer[Array, "time batch"], rate: float, unknown: int
) -> Integer[Array, "time batch"]:
    """Replaces each token with probability `rate` by the id `unknown`.

    The first token of a sequence, which marks its start, always stays. Every occurrence is drawn
    by itself.

    Source: Iyyer et al. 2015 ("deep averaging networks"), who leave the word out instead; Dai and
    Le 2015.

    >>> word_dropout(jax.random.key(0), jnp.array([[7], [8], [9]]), rate=1.0, unknown=0).tolist()
    [[7], [0], [0]]
    """
    check_integers("tokens", tokens, "time batch")
    check_share("rate", rate)
    if key is None or _keeps_all(rate):
        return tokens
    kept = _draw_kept(key, tokens.shape, rate).at[:1].set(True)
    return jnp.where(kept, tokens, jnp.asarray(unknown, tokens.dtype))


def weight_drop(
    key: Key | None, kernel: Float[Array, "hidden gates"], rate: float
) -> Float[Array, "hidden gates"]:
    """DropConnect: dropout on the elements of a recurrent kernel.

    Drawn once for a batch, before the scan over time: the same weights are missing at every step.

    Source: Wan et al. 2013; on recurrent kernels Merity et al. 2018, section 2.

    >>> kept = weight_drop(jax.random.key(0), jnp.ones((4, 16)), rate=0.5)
    >>> sorted(set(kept.flatten().tolist()))
    [0.0, 2.0]
    """
    check_floating("kernel", kernel, "*positions")
    return dropout(key, kernel, rate)


def activation_penalty(
    outputs: Float[Array, "time batch hidden"], mask: Shaped[Array, "time batch"], alpha: float
) -> Float[Array, ""]:
    """`alpha` times the mean square of the outputs at the positions where the mask is not zero.

    It draws activations towards zero (activation regularization, AR). Merity et al. take the last
    layer's outputs after dropout. In float32 at least; 0 where no position counts.

    Source: Merity et al. 2018, section 4.6: alpha L2(m * h_t), where L2 is a mean of squares in
    their program.

    >>> float(activation_penalty(jnp.full((5, 3, 4), 3.0), jnp.ones((5, 3)), alpha=2.0))
    18.0
    """
    _check_penalized(outputs, mask)
    return _penalty(_wide(outputs), mask.astype(bool), alpha)


def temporal_penalty(
    outputs: Float[Array, "time batch hidden"], mask: Shaped[Array, "time batch"], beta: float
) -> Float[Array, ""]:
    """`beta` times the mean square of the change from one output to the next.

    Counted where the mask is not zero at both steps. It wants outputs to change slowly (temporal
    activation regularization, TAR). Merity et al. take the last layer's outputs before dropout. In
    float32 at least; 0 where no two positions in a row count.

    Source: Merity et al. 2018, section 4.6: beta L2(h_t - h_{t+1}), where L2 is a mean of squares
    in their program.

    >>> outputs = jnp.arange(4.0).reshape(4, 1, 1)
    >>> float(temporal_penalty(outputs, jnp.ones((4, 1)), beta=0.5))
    0.5
    """
    _check_penalized(outputs, mask)
    wide, valid = _wide(outputs), mask.astype(bool)
    return _penalty(wide[1:] - wide[:-1], valid[1:] & valid[:-1], beta)


def _keeps_all(rate: float) -> bool:
    return _kept_levels(rate) == _LEVELS


def _kept_levels(rate: float) -> int:
    return round((1 - rate) * _LEVELS)


def _draw_kept(key: Key, shape: tuple[int, ...], rate: float) -> Bool[Array, "..."]:
    """Which elements are kept, where `rate` drops any."""
    size = math.prod(shape)
    words = jax.random.bits(key, (-(-size // 2),), jnp.uint32)
    halves = jax.lax.bitcast_convert_type(words, jnp.uint16).reshape(-1)[:size]
    return (halves < _kept_levels(rate)).reshape(shape)


def _only(
    kept: Bool[Array, "..."], inputs: Shaped[Array, "..."], rate: float
) -> Shaped[Array, "..."]:
    """The kept elements, scaled so that the mean stays; zero elsewhere, whatever stood there."""
    if not (levels := _kept_levels(rate)):
        return jnp.zeros_like(inputs)
    scaled = inputs * jnp.asarray(_LEVELS / levels, inputs.dtype)
    return jnp.where(kept, scaled, jnp.zeros_like(inputs))


def _check_penalized(outputs: Any, mask: Any) -> None:
    check_floating("outputs", outputs, "time batch hidden")
    check_axes("mask", mask, "time batch", outputs.shape[:2])


def _wide(outputs: Float[Array, "..."]) -> Float[Array, "..."]:
    return outputs.astype(np.promote_types(outputs.dtype, np.float32))


def _penalty(
    values: Float[Array, "time batch hidden"], valid: Bool[Array, "time batch"], weight: float
) -> Float[Array, ""]:
    """`weight` times the mean of the squares at valid positions."""
    count = valid.sum() * values.shape[-1]
    # Masked before they are squared, so that an infinite value in the padding has no gradient.
    squares = jnp.square(jnp.where(valid[..., None], values, jnp.zeros_like(values)))
    return weight * squares.sum() / jnp.maximum(count, 1).astype(values.dtype)
