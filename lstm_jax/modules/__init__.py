"""Thin Flax NNX shells that hold parameters, and the way in and out of them."""

from lstm_jax.modules.classifier import NO_NOISE, Classifier, Keys
from lstm_jax.modules.dense import Dense
from lstm_jax.modules.embedding import Embedding, make_embedding
from lstm_jax.modules.graph import Graph, draw_uniform, initialize, merge, split, structure
from lstm_jax.modules.language_model import LanguageModel
from lstm_jax.modules.pooling import Pooling, PoolingKind
from lstm_jax.modules.recurrent import (
    Bidirectional,
    Layer,
    LayerConfig,
    Recurrent,
    Stack,
    recurrent_layers,
)
from lstm_jax.modules.softmax import AdaptiveSoftmax, Softmax, TiedSoftmax, make_softmax

__all__ = [
    "NO_NOISE",
    "AdaptiveSoftmax",
    "Bidirectional",
    "Classifier",
    "Dense",
    "Embedding",
    "Graph",
    "Keys",
    "LanguageModel",
    "Layer",
    "LayerConfig",
    "Pooling",
    "PoolingKind",
    "Recurrent",
    "Softmax",
    "Stack",
    "TiedSoftmax",
    "draw_uniform",
    "initialize",
    "make_embedding",
    "make_softmax",
    "merge",
    "recurrent_layers",
    "split",
    "structure",
]
