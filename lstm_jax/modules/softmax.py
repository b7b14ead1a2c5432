"""From hidden vectors to the probabilities of tokens: three softmax layers with one interface.

Each gives logits over the whole vocabulary when called, and the cost of given tokens by
`total_nats`, which never holds all logits. `table` is that of the embedding, which one of them
uses.
"""

import functools
import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float, Int, Integer

from lstm_jax.errors import ConfigError
from lstm_jax.functional.affine import affine
from lstm_jax.functional.arguments import check_floating, check_integers
from lstm_jax.functional.integers import widened
from lstm_jax.functional.losses import cross_entropy, total_cross_entropy
from lstm_jax.types import Array


class Softmax(nnx.Module):
    """An affine map from hidden vectors to one logit for each entry of the vocabulary."""

    def __init__(self, hidden: int, vocabulary: int, rngs: nnx.Rngs):
        self.kernel = nnx.Param(
            nnx.initializers.lecun_normal()(rngs.params(), (hidden, vocabulary))
        )
        self.bias = nnx.Param(jnp.zeros((vocabulary,)))

    def __call__(
        self, hidden: Float[Array, "time batch hidden"], table: Array
    ) -> Float[Array, "time batch vocabulary"]:
        """The logits."""
        del table
        return affine(hidden, self.kernel[...], self.bias[...])

    def total_nats(
        self,
        hidden: Float[Array, "time batch hidden"],
        tokens: Integer[Array, "time batch"],
        weights: Float[Array, "time batch"],
        table: Array,
    ) -> Float[Array, ""]:
        """Minus the logarithms of the tokens' probabilities, weighted and added up."""
        del table
        return total_cross_entropy(hidden, self.kernel[...], self.bias[...], tokens, weights)


class TiedSoftmax(nnx.Module):
    """The same with the embedding table as its kernel (Press and Wolf 2017; Inan et al. 2017)."""

    def __init__(self, vocabulary: int):
        self.bias = nnx.Param(jnp.zeros((vocabulary,)))

    def __call__(
        self,
        hidden: Float[Array, "time batch hidden"],
        table: Float[Array, "vocabulary hidden"],
    ) -> Float[Array, "time batch vocabulary"]:
        """The logits: inner products with the embedding of every token."""
        return affine(hidden, table.T, self.bias[...])

    def total_nats(
        self,
        hidden: Float[Array, "time batch hidden"],
        tokens: Integer[Array, "time batch"],
        weights: Float[Array, "time batch"],
        table: Float[Array, "vocabulary hidden"],
    ) -> Float[Array, ""]:
        """Minus the logarithms of the tokens' probabilities, weighted and added up."""
        return total_cross_entropy(hidden, table.T, self.bias[...], tokens, weights)


class AdaptiveSoftmax(nnx.Module):
    """A softmax in two steps, which costs little where most text consists of few tokens.

    The head gives logits of the first `cutoffs[0]` tokens, which must be the most frequent ones,
    and one for each tail: the tokens from one cutoff to the next. Tail i, counted from 1, reads
    hidden / 4 ** i features, and only at the steps whose token lies in it.

        p(token) = p_head(token)                     for a token of the head
        p(token) = p_head(tail) p_tail(token)        for a token of a tail

    The probabilities are exact in training as in evaluation.

    Source: Grave, Joulin, Cisse, Grangier and Jegou 2017, "Efficient softmax approximation for
    GPUs" (section 4.3).

    Raises:
        ConfigError: the cutoffs do not rise, or reach beyond the vocabulary.
    """

    def __init__(self, hidden: int, vocabulary: int, cutoffs: tuple[int, ...], rngs: nnx.Rngs):
        self.bounds = (*cutoffs, vocabulary)
        if cutoffs[0] < 1 or list(self.bounds) != sorted(set(self.bounds)):
            raise ConfigError(
                f"cutoffs must rise from at least 1 to less than the {vocabulary} tokens of the "
                f"vocabulary, not {cutoffs}"
            )
        draw = nnx.initializers.lecun_normal()
        self.head = Softmax(hidden, cutoffs[0] + len(cutoffs), rngs)
        sizes = [max(1, hidden // 4**i) for i in range(1, len(cutoffs) + 1)]
        self.projections = nnx.List(
            nnx.Param(draw(rngs.params(), (hidden, size))) for size in sizes
        )
        self.tails = nnx.List(
            nnx.Param(draw(rngs.params(), (size, high - low)))
            for size, low, high in zip(sizes, self.bounds[:-1], self.bounds[1:], strict=True)
        )

    def __call__(
        self, hidden: Float[Array, "time batch hidden"], table: Array
    ) -> Float[Array, "time batch vocabulary"]:
        """The logarithms of the probabilities of all tokens."""
        head = jax.nn.log_softmax(self.head(hidden, table))
        short, tails = head[..., : self.bounds[0]], head[..., self.bounds[0] :]
        parts = [short]
        for i, (projection, tail) in enumerate(zip(self.projections, self.tails, strict=True)):
            within = jax.nn.log_softmax((hidden @ projection[...]) @ tail[...])
            parts.append(tails[..., i : i + 1] + within)
        return jnp.concatenate(parts, axis=-1)

    def total_nats(
        self,
        hidden: Float[Array, "time batch hidden"],
        tokens: Integer[Array, "time batch"],
        weights: Float[Array, "time batch"],
        table: Array,
    ) -> Float[Array, ""]:
        """Minus the logarithms of the tokens' probabilities, weighted and added up."""
        del table
        check_floating("hidden", hidden, "time batch hidden")
        check_integers("tokens", tokens, "time batch", hidden.shape[:2])
        check_floating("weights", weights, "time batch", hidden.shape[:2])
        rows, flat = hidden.reshape(-1, hidden.shape[-1]), widened(jnp.asarray(tokens).reshape(-1))
        # Which tail a token lies in, 0 for the head.
        starts = jnp.array(self.bounds[:-1], flat.dtype)
        tail_of = (flat[:, None] >= starts).sum(axis=1, dtype=flat.dtype)
        in_head = jnp.where(tail_of > 0, self.bounds[0] + tail_of - 1, flat)
        logits = affine(rows, self.head.kernel[...], self.head.bias[...])
        nats = cross_entropy(logits, in_head)
        for i, (projection, kernel) in enumerate(zip(self.projections, self.tails, strict=True)):
            low, high = self.bounds[i], self.bounds[i + 1]
            nats = nats + _tail_nats(
                rows,
                flat - low,
                tail_of == i + 1,
                projection[...],
                kernel[...],
                self._room(low, high, len(flat)),
            )
        return jnp.vdot(weights, nats)

    def _room(self, low: int, high: int, positions: int) -> int:
        """The steps for which there is room in the fast path of a tail.

        By Zipf's law, which gives the rare tokens more than they have in most texts.
        """
        share = math.log(high / low) / math.log(self.bounds[-1] + 1)
        return min(positions, math.ceil(share * positions))


def make_softmax(
    hidden: int, vocabulary: int, cutoffs: tuple[int, ...], rngs: nnx.Rngs
) -> Softmax | AdaptiveSoftmax:
    """An adaptive softmax if there are cutoffs, else one over the whole vocabulary."""
    if cutoffs:
        return AdaptiveSoftmax(hidden, vocabulary, cutoffs, rngs)
    return Softmax(hidden, vocabulary, rngs)


def _tail_nats(
    rows: Float[Array, "positions hidden"],
    tokens: Int[Array, " positions"],
    inside: Array,
    projection: Float[Array, "hidden features"],
    kernel: Float[Array, "features tokens"],
    room: int,
) -> Float[Array, " positions"]:
    """The cost within a tail at the positions that are `inside`, zero at the others."""

    # Computed again in the backward pass: what the untaken branch would keep for it, all logits of
    # the tail at all positions, would be allocated and zeroed at every step.
    @functools.partial(jax.checkpoint, static_argnums=0)
    def gathered(
        room: int, rows: Array, projection: Array, kernel: Array
    ) -> Float[Array, " positions"]:
        """The same if at most `room` positions are inside."""
        at = jnp.nonzero(inside, size=room, fill_value=len(inside))[0]
        picked = rows.at[at].get(mode="fill", fill_value=0)
        wanted = tokens.at[at].get(mode="fill", fill_value=0)
        cost = cross_entropy((picked @ projection) @ kernel, wanted)
        return jnp.zeros((len(inside),), cost.dtype).at[at].set(cost, mode="drop")

    fast, whole = (functools.partial(gathered, size) for size in (room, len(inside)))
    return jax.lax.cond(inside.sum() <= room, fast, whole, rows, projection, kernel)
