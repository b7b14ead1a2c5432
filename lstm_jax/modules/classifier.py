"""From the tokens of texts, or the vectors of other sequences, to the logits of classes."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float, Integer, Shaped

from lstm_jax.functional.adversarial import Logits, Texts
from lstm_jax.functional.arguments import check_floating, check_integers
from lstm_jax.functional.dropouts import dropout, word_dropout
from lstm_jax.functional.integers import valid_steps
from lstm_jax.functional.losses import cross_entropy
from lstm_jax.metrics.means import Mean
from lstm_jax.modules.dense import Dense
from lstm_jax.modules.embedding import Embedding, root_mean_square
from lstm_jax.modules.graph import merge, split
from lstm_jax.modules.pooling import Pooling
from lstm_jax.modules.recurrent import Stack
from lstm_jax.modules.softmax import AdaptiveSoftmax, Softmax
from lstm_jax.types import Array, Key


class Keys(NamedTuple):
    """The random keys of the parts of a classifier; None where nothing is dropped."""

    words: Key | None = None
    embedding: Key | None = None
    stack: Key | None = None
    head: Key | None = None


NO_NOISE = Keys()


class Classifier(nnx.Module):
    """Embedding, recurrent layers, pooling and a head.

    Without an embedding it reads vectors as they are. `inputs` are tokens [time, batch] or vectors
    [time, batch, features].

    Its parts can be called one after the other: `embed`, `read`, `classify`. A softmax, if there is
    one, predicts the next token from the outputs. `class_weights` are those of the loss, if any, in
    the order of the logits.
    """

    def __init__(
        self,
        embedding: Embedding | Dense | None,
        stack: Stack,
        pooling: Pooling,
        units: Sequence[int],
        rngs: nnx.Rngs,
        *,
        dropout: float = 0.0,
        word_dropout: float = 0.0,
        class_weights: tuple[float, ...] | None = None,
        unknown: int = 0,
        softmax: Softmax | AdaptiveSoftmax | None = None,
    ):
        self.embedding = embedding
        self.stack = stack
        self.pooling = pooling
        sizes = [pooling.features, *units]
        self.head = nnx.List(Dense(size, above, rngs) for size, above in itertools.pairwise(sizes))
        self.softmax = softmax
        self.class_weights = class_weights
        self.dropout, self.word_dropout, self.unknown = dropout, word_dropout, unknown

    def __call__(
        self,
        inputs: Shaped[Array, "time batch ..."],
        lengths: Integer[Array, " batch"],
        keys: Keys = NO_NOISE,
    ) -> Float[Array, "batch classes"]:
        """The logits of sequences of at least one step."""
        return self.classify(self.read(self.embed(inputs, keys), lengths, keys), lengths, keys)

    def initial_carry(self, batch_size: int) -> tuple[()]:
        """Nothing: a sequence does not depend on the batch before."""
        del batch_size
        return ()

    def embed(
        self, inputs: Shaped[Array, "time batch ..."], keys: Keys = NO_NOISE
    ) -> Float[Array, "time batch features"]:
        """The vectors of all steps; of words, some are read as unknown or are dropped.

        Raises:
            ArgumentError: the inputs have other axes or another dtype.
        """
        if self.embedding is None:
            check_floating("inputs", inputs, "time batch features")
            return inputs
        if isinstance(self.embedding, Dense):
            return self.embedding(inputs)
        tokens = word_dropout(keys.words, inputs, self.word_dropout, self.unknown)
        return self.embedding(tokens, keys.embedding)

    def read(
        self,
        vectors: Float[Array, "time batch features"],
        lengths: Integer[Array, " batch"],
        keys: Keys = NO_NOISE,
    ) -> Float[Array, "time batch outputs"]:
        """The outputs of the last layer."""
        return self.stack(vectors, None, keys.stack, lengths=lengths)[0]

    def classify(
        self,
        outputs: Float[Array, "time batch outputs"],
        lengths: Integer[Array, " batch"],
        keys: Keys = NO_NOISE,
    ) -> Float[Array, "batch classes"]:
        """The logits of the classes."""
        features = self.pooling(outputs, lengths)
        last = len(self.head) - 1
        for place, layer in enumerate(self.head):
            key = None if keys.head is None else jax.random.fold_in(keys.head, place)
            features = layer(dropout(key, features, self.dropout))
            features = features if place == last else jax.nn.relu(features)
        return features

    def next_token(
        self,
        tokens: Integer[Array, "time batch"],
        outputs: Float[Array, "time batch outputs"],
        lengths: Integer[Array, " batch"],
        mask: Float[Array, " batch"],
    ) -> Mean:
        """Nats of each token after the first, given the outputs at those before it.

        Raises:
            ArgumentError: an array has other axes or another dtype.
        """
        assert self.softmax is not None
        assert isinstance(self.embedding, Embedding)
        check_integers("tokens", tokens, "time batch")
        time, batch = tokens.shape
        check_integers("lengths", lengths, "batch", (batch,))
        check_floating("mask", mask, "batch", (batch,))
        valid = valid_steps(lengths, time, first=1).astype(mask.dtype) * mask
        table = self.embedding.table[...]
        return Mean(self.softmax.total_nats(outputs[:-1], tokens[1:], valid, table), valid.sum())

    def texts(
        self,
        vectors: Float[Array, "time batch features"],
        lengths: Integer[Array, " batch"],
        labels: Integer[Array, " batch"],
        keys: Keys = NO_NOISE,
    ) -> Texts:
        """What a `Perturbation` takes: the texts, and this classifier with the same noise."""
        graph, params = split(self)
        frozen = merge(graph, jax.lax.stop_gradient(params))
        if isinstance(frozen.embedding, Embedding):
            scale = jnp.sqrt((frozen.embedding.table[...] ** 2).mean())
        else:
            scale = root_mean_square(jax.lax.stop_gradient(vectors), lengths)

        def logits_of(reader: Classifier) -> Logits:
            return lambda shifted: reader.classify(
                reader.read(shifted, lengths, keys), lengths, keys
            )

        def nats(logits: Array) -> Array:
            return cross_entropy(logits, labels)

        return Texts(vectors, lengths, scale, logits_of(self), logits_of(frozen), nats)
