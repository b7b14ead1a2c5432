"""The forecasts that learn nothing, for every window of a split of series."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from lstm_jax.data.series.dataset import SeriesDataset
from lstm_jax.functional import naive

Method = Callable[[np.ndarray, int, int], np.ndarray]
"""Of a series [steps], the horizon and the season: a forecast [horizon]."""

METHODS: dict[str, Method] = {
    "repeat": lambda series, horizon, season: naive.repeat(series, horizon),
    "seasonal_naive": naive.seasonal_naive,
    "drift": lambda series, horizon, season: naive.drift(series, horizon),
    "naive2": naive.naive2,
}


def naive_forecasts(
    dataset: SeriesDataset, method: Method, items: np.ndarray, origins: np.ndarray
) -> Float[np.ndarray, "horizon windows channels"]:
    """Forecasts of windows from all of their past, in the units of the data."""
    pre = dataset.preprocessor
    found = np.zeros((pre.horizon, len(items), pre.channels))
    pairs = zip(items.tolist(), origins.tolist(), strict=True)
    for column, (item, origin) in enumerate(pairs):
        history = dataset.history(item, origin)
        for channel in range(pre.channels):
            past = naive.last_observed(history[:, channel].astype(np.float64, copy=False))
            found[:, column, channel] = method(past, pre.horizon, pre.season)
    return found
