"""Thin Flax NNX shells that hold parameters, and the way in and out of them."""

from lstm_jax.modules.classifier import NO_NOISE, Classifier, Keys
from lstm_jax.modules.decoders import Decoder, Direct, EncoderDecoder, Layers
from lstm_jax.modules.dense import Dense
from lstm_jax.modules.distribution_heads import Gaussian, Mixture, NegativeBinomial, StudentT
from lstm_jax.modules.embedding import Embedding, make_embedding
from lstm_jax.modules.forecaster import Forecast, Forecaster
from lstm_jax.modules.graph import Graph, draw_uniform, initialize, merge, split, structure
from lstm_jax.modules.heads import Absolute, Head, Huber, Quantiles, Squared
from lstm_jax.modules.language_model import LanguageModel
from lstm_jax.modules.normalization import (
    Inputs,
    Normalization,
    Sizes,
    WindowNormalization,
)
from lstm_jax.modules.pooling import Pooling, PoolingKind
from lstm_jax.modules.recurrent import (
    Bidirectional,
    Layer,
    LayerConfig,
    Recurrent,
    Stack,
    recurrent_layers,
)
from lstm_jax.modules.recursive import Recursive
from lstm_jax.modules.segments import Segments
from lstm_jax.modules.smoothing import Smoothing
from lstm_jax.modules.softmax import AdaptiveSoftmax, Softmax, TiedSoftmax, make_softmax
from lstm_jax.modules.variance_head import Qlike

__all__ = [
    "NO_NOISE",
    "Absolute",
    "AdaptiveSoftmax",
    "Bidirectional",
    "Classifier",
    "Decoder",
    "Dense",
    "Direct",
    "Embedding",
    "EncoderDecoder",
    "Forecast",
    "Forecaster",
    "Gaussian",
    "Graph",
    "Head",
    "Huber",
    "Inputs",
    "Keys",
    "LanguageModel",
    "Layer",
    "LayerConfig",
    "Layers",
    "Mixture",
    "NegativeBinomial",
    "Normalization",
    "Pooling",
    "PoolingKind",
    "Qlike",
    "Quantiles",
    "Recurrent",
    "Recursive",
    "Segments",
    "Sizes",
    "Smoothing",
    "Softmax",
    "Squared",
    "Stack",
    "StudentT",
    "TiedSoftmax",
    "WindowNormalization",
    "draw_uniform",
    "initialize",
    "make_embedding",
    "make_softmax",
    "merge",
    "recurrent_layers",
    "split",
    "structure",
]
