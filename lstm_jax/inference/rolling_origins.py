"""Which windows of a split forecasts are made of: rolling origins."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from lstm_jax.data.series.dataset import SeriesDataset
from lstm_jax.data.series.series_windows import SeriesWindows
from lstm_jax.data.sources import Split


class RollingOrigins(NamedTuple):
    """Those of a split from which forecasts are made."""

    dataset: SeriesDataset
    places: Int[np.ndarray, " windows"]
    """Their numbers in the split."""
    items: Int[np.ndarray, " windows"]
    origins: Int[np.ndarray, " windows"]


def rolling_origins(
    data: SeriesWindows,
    preprocessor: Any,
    split: Split,
    stride: int | None = None,
    windows: int | None = None,
) -> RollingOrigins:
    """Windows of a split: all of the config's, or those that a backtest asks for.

    Args:
        data: the config of the data.
        preprocessor: what was learned of them.
        split: the part of the data.
        stride: steps between origins; as the config says, if not given.
        windows: of each series, the last so many; all, if not given.
    """
    if stride is not None:
        data = dataclasses.replace(data, stride=stride, evaluation_stride=stride)
    dataset = data.open(preprocessor)
    places = np.arange(len(dataset.origins(split)))
    items, origins = dataset.origins(split).at(places)
    if windows is not None:
        after = np.searchsorted(items, items, side="right") - places
        places = places[after <= windows]
    return RollingOrigins(dataset, places, items[places], origins[places])
