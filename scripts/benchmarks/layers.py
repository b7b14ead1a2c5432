"""One LSTM or GRU layer, built with the same weights in lstm_jax, Flax, Haiku and PyTorch."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from scripts.benchmarks.layer_weights import Weights, lstm_jax_params, make_weights
from scripts.benchmarks.peers import layers as peers
from scripts.benchmarks.timed_layer import Layer, Shape, jax_layer


def make_inputs(shape: Shape) -> np.ndarray:
    """Standard normal inputs [time, batch, input]."""
    return np.random.default_rng(1).standard_normal(shape[:3], dtype=np.float32)


def lstm_jax_layer(chosen: Any, weights: Weights, inputs: np.ndarray) -> Layer:
    """`lstm_jax.recurrence.scan` under a backend."""
    from lstm_jax import cells, recurrence
    from lstm_jax.recurrence import backend

    cell = {"LSTM": cells.LSTM, "GRU": cells.GRU}[weights.cell](hidden=weights.hidden)

    def apply(params: Any, inputs: Any) -> Any:
        with backend.use(chosen):
            return recurrence.scan(cell, params, inputs)[0]

    return jax_layer(apply, lstm_jax_params(weights), inputs)


LAYERS: dict[str, Callable[[Weights, np.ndarray], Layer]] = {
    "lstm_jax_native": functools.partial(lstm_jax_layer, "native"),
    "lstm_jax_scan": functools.partial(lstm_jax_layer, "scan"),
    "flax_linen": peers.flax_linen_layer,
    "flax_nnx": peers.flax_nnx_layer,
    "haiku": peers.haiku_lstm_layer,
    "torch": peers.torch_layer,
}

UNFIT = {
    "LSTM": {},
    "GRU": {"haiku": "haiku.GRU computes otherwise: it resets before the recurrent product"},
}
"""By cell, the implementations that cannot take part, and why."""


def build(cell: str, implementation: str, shape: Shape) -> Layer:
    """A layer with the weights and inputs that all implementations share."""
    return LAYERS[implementation](make_weights(cell, *shape[2:]), make_inputs(shape))
