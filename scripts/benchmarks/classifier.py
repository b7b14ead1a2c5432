"""A bidirectional LSTM classifier and its training, for each library to repeat. Needs NumPy alone.

embedding, one LSTM in each direction, last output, maximum and mean beside each other, one
affine map to the classes; words read as unknown, variational dropout before and after the
LSTMs, dropout before the map; cross entropy, gradients clipped by their global norm, Adam
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from scripts.benchmarks import layer_weights
from scripts.benchmarks.layer_weights import Weights

PLAIN = {"torch": "scripts.benchmarks.peers.torch_classifier"}
"""The modules whose `build(sizes, weights)` is the model in another library."""
CLASSES = ("negative", "positive")


class Sizes(NamedTuple):
    """All that a model and its training need to be told."""

    vocabulary: int
    embedding: int
    hidden: int
    length: int
    """Steps of every batch; texts are up to so long, and at least half as long."""
    batch: int
    dropout: float
    word_dropout: float
    clip_norm: float
    learning_rate: float


class ModelWeights(NamedTuple):
    """Parameters in no library's layout."""

    embedding: np.ndarray
    """[vocabulary, embedding]"""
    forward: Weights
    backward: Weights
    head_kernel: np.ndarray
    """[6 * hidden, classes]"""
    head_bias: np.ndarray
    """[classes]"""


def unfit(sizes: Sizes) -> dict[str, str]:
    """The implementations that lack something, and what."""
    del sizes
    return {
        "lstm_jax_runner": "it is timed with language models",
        "flax_linen": "it has no classifier",
    }


def make_weights(sizes: Sizes) -> ModelWeights:
    """Uniform random weights."""
    random = np.random.default_rng(2)

    def draw(*shape: int) -> np.ndarray:
        return random.uniform(-0.1, 0.1, shape).astype(np.float32)

    return ModelWeights(
        embedding=draw(sizes.vocabulary, sizes.embedding),
        forward=layer_weights.make_weights("LSTM", sizes.embedding, sizes.hidden, seed=0),
        backward=layer_weights.make_weights("LSTM", sizes.embedding, sizes.hidden, seed=1),
        head_kernel=draw(6 * sizes.hidden, len(CLASSES)),
        head_bias=draw(len(CLASSES)),
    )


def lstm_jax_params(weights: ModelWeights) -> dict[str, Any]:
    """The weights as lstm_jax names them."""
    layer = {
        "forward": layer_weights.lstm_jax_params(weights.forward),
        "backward": layer_weights.lstm_jax_params(weights.backward),
    }
    return {
        "embedding": {"table": weights.embedding},
        "stack": {"layers": {0: layer}},
        "head": {0: {"kernel": weights.head_kernel, "bias": weights.head_bias}},
    }


def make_batches(sizes: Sizes, steps: int) -> Sequence[tuple[np.ndarray, ...]]:
    """Random texts for each step: token ids [time, batch], lengths [batch], labels [batch]."""
    random = np.random.default_rng(3)
    batches = []
    for _ in range(steps):
        tokens = random.integers(0, sizes.vocabulary, (sizes.length, sizes.batch), np.int32)
        lengths = random.integers(-(-sizes.length // 2), sizes.length, sizes.batch, np.int32, True)
        labels = random.integers(0, len(CLASSES), sizes.batch, np.int32)
        batches.append((tokens, lengths, labels))
    return batches


def count_tokens(batch: tuple[np.ndarray, ...]) -> int:
    """The tokens that a batch trains on, padding left out."""
    return int(batch[1].sum())
