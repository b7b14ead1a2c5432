"""An LSTM language model and its training, for each library to repeat. Needs NumPy alone.

embedding, LSTM layers, softmax layer; dropout before each layer and after the last; cross
entropy, gradients clipped by their global norm, plain SGD, and the carry handed from window
to window (Zaremba et al. 2014; the further kinds of dropout are those of Merity et al. 2018)
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from scripts.benchmarks import layer_weights
from scripts.benchmarks.layer_weights import Weights

PLAIN = {
    "flax_linen": "scripts.benchmarks.peers.flax_language_model",
    "torch": "scripts.benchmarks.peers.torch_language_model",
}
"""The modules whose `build(sizes, weights)` is the model in another library."""


class Sizes(NamedTuple):
    """All that a model and its training need to be told."""

    vocabulary: int
    embedding: int
    hidden: tuple[int, ...]
    """Of each layer."""
    window: int
    batch: int
    dropout: float
    variational: bool
    embedding_dropout: float
    weight_drop: float
    tied: bool
    sum_over_time: bool
    """Whether the loss is summed over time and averaged over the batch, or averaged over both."""
    clip_norm: float
    learning_rate: float

    @property
    def loss_divisor(self) -> int:
        """What the sum of all costs is divided by."""
        return self.batch if self.sum_over_time else self.batch * self.window


class ModelWeights(NamedTuple):
    """Parameters in no library's layout."""

    embedding: np.ndarray
    """[vocabulary, embedding]"""
    layers: tuple[Weights, ...]
    softmax_kernel: np.ndarray | None
    """[hidden, vocabulary]; None where the embedding takes its place."""
    softmax_bias: np.ndarray
    """[vocabulary]"""


def unfit(sizes: Sizes) -> dict[str, str]:
    """The implementations that lack something, and what."""
    if sizes.tied or sizes.variational or sizes.embedding_dropout or sizes.weight_drop:
        return {"flax_linen": "it has the model of Zaremba et al. 2014 alone"}
    return {}


def make_weights(sizes: Sizes) -> ModelWeights:
    """Uniform random weights."""
    random = np.random.default_rng(2)

    def draw(*shape: int) -> np.ndarray:
        return random.uniform(-0.1, 0.1, shape).astype(np.float32)

    between = itertools.pairwise([sizes.embedding, *sizes.hidden])
    return ModelWeights(
        embedding=draw(sizes.vocabulary, sizes.embedding),
        layers=tuple(
            layer_weights.make_weights("LSTM", features, hidden, seed)
            for seed, (features, hidden) in enumerate(between)
        ),
        softmax_kernel=None if sizes.tied else draw(sizes.hidden[-1], sizes.vocabulary),
        softmax_bias=draw(sizes.vocabulary),
    )


def lstm_jax_params(weights: ModelWeights) -> dict[str, Any]:
    """The weights as lstm_jax names them."""
    layers = {index: layer_weights.lstm_jax_params(one) for index, one in enumerate(weights.layers)}
    softmax = {"bias": weights.softmax_bias}
    if weights.softmax_kernel is not None:
        softmax["kernel"] = weights.softmax_kernel
    embedding = {"table": weights.embedding}
    return {"embedding": embedding, "stack": {"layers": layers}, "softmax": softmax}


def make_batches(sizes: Sizes, steps: int) -> Sequence[tuple[np.ndarray, ...]]:
    """Random token ids and targets [time, batch], a window for each step."""
    return make_windows(steps, sizes.window, sizes.batch, sizes.vocabulary)


def make_windows(
    steps: int, window: int, batch: int, vocabulary: int
) -> Sequence[tuple[np.ndarray, ...]]:
    """The same, of these sizes."""
    tokens = np.random.default_rng(3).integers(0, vocabulary, (steps, 2, window, batch), np.int32)
    return [(inputs, targets) for inputs, targets in tokens]


def count_tokens(batch: tuple[np.ndarray, ...]) -> int:
    """The tokens that a batch trains on."""
    return batch[0].size
