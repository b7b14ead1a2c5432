"""Vectors for tokens."""

from flax import nnx
from jaxtyping import Float, Integer

from lstm_jax.functional.arguments import check_integers
from lstm_jax.functional.dropouts import embedding_dropout
from lstm_jax.functional.integers import widened
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
