"""From the tokens of a text to the logits of those that follow."""

import jax
from flax import nnx
from jaxtyping import Float, Integer

from lstm_jax.modules.embedding import Embedding
from lstm_jax.modules.recurrent import Stack
from lstm_jax.modules.softmax import AdaptiveSoftmax, Softmax, TiedSoftmax
from lstm_jax.types import Array, Carry, Key


class LanguageModel(nnx.Module):
    """Tokens to the logits of the tokens that follow."""

    def __init__(
        self,
        embedding: Embedding,
        stack: Stack,
        softmax: Softmax | TiedSoftmax | AdaptiveSoftmax,
    ):
        self.embedding = embedding
        self.stack = stack
        self.softmax = softmax

    def initial_carry(self, batch_size: int) -> tuple[Carry, ...]:
        """The carry before the first token of `batch_size` streams: that of every layer."""
        return self.stack.initial_carry(batch_size)

    def __call__(
        self, tokens: Integer[Array, "time batch"], carry: tuple[Carry, ...], key: Key | None = None
    ) -> tuple[Float[Array, "time batch vocabulary"], tuple[Carry, ...]]:
        """Logits of the next token at every step, and the carry of every layer."""
        hidden, carry = self._read(tokens, carry, key)
        return self.softmax(hidden, self.embedding.table[...]), carry

    def total_nats(
        self,
        tokens: Integer[Array, "time batch"],
        targets: Integer[Array, "time batch"],
        weights: Float[Array, "time batch"],
        carry: tuple[Carry, ...],
        key: Key | None = None,
    ) -> tuple[Float[Array, ""], tuple[Carry, ...]]:
        """Minus the logarithms of the targets' probabilities, weighted and added up; the carry."""
        hidden, carry = self._read(tokens, carry, key)
        table = self.embedding.table[...]
        return self.softmax.total_nats(hidden, targets, weights, table), carry

    def _read(
        self, tokens: Integer[Array, "time batch"], carry: tuple[Carry, ...], key: Key | None
    ) -> tuple[Float[Array, "time batch hidden"], tuple[Carry, ...]]:
        # The stack splits the key, so that no key of its layers is this one.
        embedding_key = None if key is None else jax.random.fold_in(key, 2**31 - 1)
        return self.stack(self.embedding(tokens, embedding_key), carry, key)
