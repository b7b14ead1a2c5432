"""The table of decoders, heads and normalizations, and small windows for them."""

import functools

import numpy as np
from flax import nnx

from lstm_jax.cells import GRU, LSTM
from lstm_jax.data import SeriesBatch
from lstm_jax.modules import (
    Absolute,
    Direct,
    EncoderDecoder,
    Forecaster,
    Gaussian,
    Huber,
    Layers,
    Quantiles,
    Recursive,
    Segments,
    Sizes,
    Smoothing,
    Squared,
    StudentT,
    WindowNormalization,
    structure,
)
from tests.reference import filled

CONTEXT, HORIZON, BATCH, CHANNELS, SEASON = 12, 5, 3, 2, 4
LEVELS = (0.1, 0.5, 0.9)
DECODERS = {
    "direct": Direct(head=(6,)),
    "encoder_decoder": EncoderDecoder(embedding=3),
    "recursive": Recursive(paths=7),
    "segments": Segments(length=4, embedding=6),
}
# Each head and each normalization with one decoder at least, and each decoder both ways.
FORECASTERS = {
    "direct": ("direct", Squared(), WindowNormalization("none"), "joint"),
    "direct huber": ("direct", Huber(), WindowNormalization("mean"), "independent"),
    "direct quantiles": ("direct", Quantiles(LEVELS), WindowNormalization("last"), "joint"),
    "encoder_decoder": ("encoder_decoder", Gaussian(), WindowNormalization("standard"), "joint"),
    "encoder_decoder affine": (
        "encoder_decoder",
        Absolute(),
        WindowNormalization("standard", affine=True),
        "independent",
    ),
    "encoder_decoder season": (
        "encoder_decoder",
        Squared(),
        WindowNormalization("season"),
        "independent",
    ),
    "recursive": ("recursive", StudentT(), WindowNormalization("mean_absolute"), "joint"),
    "recursive by channel": ("recursive", Gaussian(), WindowNormalization("last"), "independent"),
    "recursive point": ("recursive", Squared(), WindowNormalization("last"), "joint"),
    "segments": ("segments", Squared(), WindowNormalization("last"), "independent"),
    "segments joint": ("segments", Gaussian(), WindowNormalization("standard"), "joint"),
    "smoothing": ("segments", Quantiles(LEVELS), Smoothing(), "independent"),
    "smoothing joint": ("direct", Absolute(), Smoothing(), "joint"),
}
# Segments have none, and of each other decoder one has none as well.
PADDED = [
    name
    for name in FORECASTERS
    if FORECASTERS[name][0] != "segments"
    and name not in ("direct quantiles", "encoder_decoder affine", "recursive point")
]
KNOWN = 2


def past(name):
    """How many past covariates the windows of a model of the table have."""
    return 0 if name.startswith("recursive") else 1


@functools.cache
def _structure(name):
    decoder, head, normalization, channels = FORECASTERS[name]
    independent = channels == "independent"
    sizes = Sizes(
        context=CONTEXT,
        horizon=HORIZON,
        channels=1 if independent else CHANNELS,
        covariates=past(name) + KNOWN,
        future=KNOWN,
        series=CHANNELS if independent else 1,
        items=2,
        season=SEASON,
        outputs=head.size,
        flags=True,
        padded=name in PADDED,
    )
    cells = (LSTM(hidden=4), GRU(hidden=5)) if name == "direct" else (GRU(hidden=5),)

    def build(rngs: nnx.Rngs) -> Forecaster:
        return Forecaster(
            normalization,
            DECODERS[decoder],
            head,
            sizes,
            Layers(cells, dropout=0.3),
            rngs,
            channels=CHANNELS if independent else None,
            autoregressive=name.startswith("segments"),
            normalized_loss=name == "smoothing",
            deviation=(1.0, 1.0),
            is_log=False,
        )

    return structure(build)


def forecaster(name):
    """A model of the table: the same each time, so that little is compiled."""
    return filled(*_structure(name))


def windows(name, *, padding=0):
    """Windows of positive values for it, some of them not observed."""
    random = np.random.default_rng(0)
    shape = CONTEXT, BATCH, CHANNELS
    values = np.exp(0.3 * random.normal(size=shape))
    observed = (random.random(shape) < 0.9).astype(float)
    observed[-1] = observed[padding] = 1
    values[:padding, 0], observed[:padding, 0] = 0, 0
    ahead = HORIZON, BATCH, CHANNELS
    weight = (random.random(ahead) < 0.8).astype(float)
    targets = np.exp(0.3 * random.normal(size=ahead)) * weight
    future = random.normal(size=(HORIZON, BATCH, KNOWN))
    covariates = random.normal(size=(CONTEXT, BATCH, past(name) + KNOWN))
    one = BATCH, CHANNELS
    arrays = [values, observed, covariates, future, targets, weight]
    arrays += [np.zeros(one), 1 + random.random(one), np.ones(one), np.full((BATCH, 2), np.nan)]
    numbers = [[0, 1, -1], [1, 2, 0], [padding, 0, 0], [4, 0, 7]]
    return SeriesBatch(
        *(np.asarray(x, np.float32) for x in arrays), *(np.asarray(x, np.int32) for x in numbers)
    )
