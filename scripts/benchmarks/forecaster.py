"""Two forecasters and their training, for each library to repeat. Needs NumPy alone.

SegRNN (Lin et al. 2023): each channel by itself, less its last value; segments of the context
through an affine map and one GRU, one further step for each segment of the horizon from a learned
vector of its place and of the channel, dropout, an affine map to the values; mean squared error

DeepAR (Salinas et al. 2020): each channel by itself, over its mean absolute value; LSTMs read at
each step the value before and covariates, an affine map gives the parameters of a distribution;
mean log density of all steps of the window but the first; dropout before each layer and after the
last

Both are trained by Adam.
"""

import itertools
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from scripts.benchmarks import layer_weights
from scripts.benchmarks.layer_weights import Weights

PLAIN = {"torch": "scripts.benchmarks.peers.torch_forecaster"}
"""The modules whose `build(sizes, weights, threads)` is the model in another library."""
OUTPUTS = {"Squared": 1, "Gaussian": 2, "StudentT": 3}
"""Raw numbers of each value, by the name of the head."""


class Sizes(NamedTuple):
    """All that a model and its training need to be told."""

    network: Literal["SegRNN", "DeepAR"]
    hidden: tuple[int, ...]
    """Of each layer."""
    head: str
    """A key of `OUTPUTS`."""
    context: int
    horizon: int
    channels: int
    covariates: int
    """Numbers that DeepAR reads of each step beside the value."""
    batch: int
    """Windows, of all channels."""
    dropout: float
    learning_rate: float
    clip_norm: float | None = None
    segment: int = 0
    """Steps of a segment of SegRNN, which divide context and horizon."""
    embedding: int = 0
    """Features that a segment becomes."""

    @property
    def input_size(self) -> int:
        """Features that the first layer reads."""
        return self.embedding if self.network == "SegRNN" else 1 + self.covariates

    @property
    def place_size(self) -> int:
        """Features of the vector of a place; where there are several channels, they have half."""
        return self.embedding // 2 if self.channels > 1 else self.embedding


class ModelWeights(NamedTuple):
    """Parameters in no library's layout."""

    layers: tuple[Weights, ...]
    values: dict[str, np.ndarray]
    """kernel [hidden, numbers of a segment or of a step], bias"""
    embedding: dict[str, np.ndarray]
    """Of SegRNN: kernel [segment, embedding], bias. Empty: there is none, as are the next two."""
    places: np.ndarray
    """[segments of the horizon, features]"""
    kinds: np.ndarray
    """[channels, features]"""


def make_weights(sizes: Sizes) -> ModelWeights:
    """Uniform random weights."""
    random = np.random.default_rng(2)

    def draw(*shape: int) -> np.ndarray:
        return random.uniform(-0.1, 0.1, shape).astype(np.float32)

    cell = "GRU" if sizes.network == "SegRNN" else "LSTM"
    layers = tuple(
        layer_weights.make_weights(cell, features, hidden, seed)
        for seed, (features, hidden) in enumerate(
            itertools.pairwise([sizes.input_size, *sizes.hidden])
        )
    )
    units = (sizes.segment or 1) * OUTPUTS[sizes.head]
    values = {"kernel": draw(sizes.hidden[-1], units), "bias": draw(units)}
    if sizes.network == "DeepAR":
        return ModelWeights(layers, values, {}, draw(0, 0), draw(0, 0))
    places = draw(sizes.horizon // sizes.segment, sizes.place_size)
    kinds = draw(sizes.channels, sizes.embedding - sizes.place_size)
    embedding = {
        "kernel": draw(sizes.segment, sizes.embedding),
        "bias": draw(sizes.embedding),
    }
    return ModelWeights(layers, values, embedding, places, kinds)


def lstm_jax_params(weights: ModelWeights) -> dict[str, Any]:
    """The weights as lstm_jax names them."""
    layers = {index: layer_weights.lstm_jax_params(one) for index, one in enumerate(weights.layers)}
    decoder: dict[str, Any] = {"stack": {"layers": layers}, "values": weights.values}
    if weights.embedding:
        decoder |= {"embedding": weights.embedding, "places": weights.places}
    if weights.kinds.size:
        decoder["kinds"] = weights.kinds
    return {"decoder": decoder}


def make_batches(sizes: Sizes, steps: int) -> Sequence[tuple[np.ndarray, ...]]:
    """Random windows for each step.

    Values [context, batch, channels], targets [horizon, batch, channels], covariates [context,
    batch, features], future ones [horizon, batch, features].
    """
    random = np.random.default_rng(3)
    parts = [
        (length, sizes.batch, features)
        for features in (sizes.channels, sizes.covariates)
        for length in (sizes.context, sizes.horizon)
    ]
    return [
        tuple(random.standard_normal(shape, np.float32) for shape in parts) for _ in range(steps)
    ]


def count_windows(batch: tuple[np.ndarray, ...]) -> int:
    """The windows that a batch trains on, of all channels each."""
    return batch[0].shape[1]
