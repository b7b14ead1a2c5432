"""Vectors for tokens."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float, Integer

from lstm_jax.data.kinds import Features, Tokens
from lstm_jax.functional.arguments import check_floating, check_integers
from lstm_jax.functional.dropouts import embedding_dropout
from lstm_jax.functional.integers import valid_steps, widened
from lstm_jax.modules.dense import Dense
from lstm_jax.types import Array, Key


class Embedding(nnx.Module):
    """A vector for each token; rows start normal with variance 1 / features."""

    def __init__(self, vocabulary: int, features: int, rngs: nnx.Rngs, dropout: float = 0.0):
        draw = nnx.initializers.normal(stddev=features**-0.5)
        self.table = nnx.Param(draw(rngs.params(), (vocabulary, features)))
        self.dropout = dropout

    def __call__(
        self, tokens: Integer[Array, "time batch"], key: Key | None = None
    ) -> Float[Array, "time batch features"]:
        """The vectors of the tokens; with a key, those of some tokens are zero.

        Raises:
            ArgumentError: the tokens have other axes, or are no integers.
        """
        check_integers("tokens", tokens, "time batch")
        tokens = widened(tokens)
        vectors = self.table[...][tokens]
        return embedding_dropout(key, tokens, vectors, self.table.shape[0], self.dropout)


def make_embedding(
    kind: Tokens | Features, features: int | None, rngs: nnx.Rngs, dropout: float = 0.0
) -> Embedding | Dense | None:
    """What makes vectors of so many features of inputs; None reads vectors as they are.

    Args:
        kind: what the inputs are: tokens have an embedding, vectors one linear map.
        features: of the vectors that are made.
        rngs: draws the parameters.
        dropout: probability of dropping a token wherever it stands in a batch.
    """
    if isinstance(kind, Tokens):
        return Embedding(kind.size, features or 0, rngs, dropout)
    return None if features is None else Dense(kind.size, features, rngs)


def root_mean_square(
    vectors: Float[Array, "time batch features"], lengths: Integer[Array, " batch"]
) -> Float[Array, ""]:
    """Of an element of the vectors of all valid steps.

    >>> float(root_mean_square(jnp.full((3, 1, 2), 2.0), jnp.array([1])))
    2.0
    """
    check_floating("vectors", vectors, "time batch features")
    valid = valid_steps(lengths, vectors.shape[0])[..., None].astype(vectors.dtype)
    count = valid.sum() * vectors.shape[-1]
    return jnp.sqrt((valid * vectors**2).sum() / jnp.maximum(count, 1))
