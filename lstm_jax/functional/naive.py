"""Forecasts that learn nothing: what every other forecast is held against. NumPy, one series each.

A series is float [steps] without gaps (`last_observed` fills them), a forecast [horizon].
"""

import numpy as np
from jaxtyping import Float

Series = Float[np.ndarray, " steps"]
Forecast = Float[np.ndarray, " horizon"]


def repeat(series: Series, horizon: int) -> Forecast:
    """The last value, again and again: the best forecast of a random walk.

    >>> repeat(np.array([1.0, 5.0]), 2)
    array([5., 5.])
    """
    return np.full(horizon, series[-1])


def seasonal_naive(series: Series, horizon: int, season: int) -> Forecast:
    """The last season, again and again; the last value where there is not a whole one.

    >>> seasonal_naive(np.array([1.0, 2.0, 3.0, 4.0]), 3, season=2)
    array([3., 4., 3.])
    """
    if len(series) < season:
        return repeat(series, horizon)
    return series[len(series) - season + np.arange(horizon) % season]


def drift(series: Series, horizon: int) -> Forecast:
    """The line through the first and the last value (Hyndman and Athanasopoulos 2021, 5.2).

    >>> drift(np.array([1.0, 5.0, 3.0]), 2)
    array([4., 5.])
    """
    slope = (series[-1] - series[0]) / max(len(series) - 1, 1)
    return series[-1] + slope * np.arange(1, horizon + 1)


def naive2(series: Series, horizon: int, season: int) -> Forecast:
    """The last value of the series without its season, times the season's index.

    As in the M4 competition (Makridakis et al. 2020): where the series is seasonal it is decomposed
    into a centred moving average times an index for each phase, the index of mean 1.

    >>> naive2(np.array([2.0, 4.0] * 9), 2, season=2).round(6)
    array([2., 4.])
    """
    if not is_seasonal(series, season):
        return repeat(series, horizon)
    index = seasonal_index(series, season)
    last = series[-1] / index[(len(series) - 1) % season]
    return last * index[(len(series) + np.arange(horizon)) % season]


def is_seasonal(series: Series, season: int) -> bool:
    """Whether a positive series has a significant autocorrelation at a season, at 90%.

    |r_m| > 1.645 sqrt((1 + 2 sum_{k < m} r_k^2) / n), of at least three seasons
    """
    steps = len(series)
    # An index multiplies: where values change their sign there is none.
    if season < 2 or steps < 3 * season or not series.min() > 0:
        return False
    centred = series - series.mean()
    variance = centred @ centred
    if not variance > 0:
        return False
    r = [centred[lag:] @ centred[: steps - lag] / variance for lag in range(1, season + 1)]
    limit = 1.645 * np.sqrt((1 + 2 * np.sum(np.square(r[:-1]))) / steps)
    return bool(abs(r[-1]) > limit)


def seasonal_index(series: Series, season: int) -> Float[np.ndarray, " season"]:
    """The multiplicative index of each phase, counted from the first step, of mean 1.

    The mean over each phase of the series divided by its centred moving average, whose ends have
    half the weight where a season is even.
    """
    sums = np.cumsum(np.r_[0.0, series])
    trend = (sums[season:] - sums[:-season]) / season
    if season % 2 == 0:
        trend = (trend[:-1] + trend[1:]) / 2
    first = season // 2
    phases = np.arange(first, first + len(trend)) % season
    total = np.bincount(phases, series[first : first + len(trend)] / trend, minlength=season)
    index = total / np.bincount(phases, minlength=season)
    return index / index.mean()


def last_observed(series: Series) -> Series:
    """The series with its last value where there is none; before the first, that.

    >>> last_observed(np.array([np.nan, 2.0, np.nan]))
    array([2., 2., 2.])
    """
    known = np.flatnonzero(np.isfinite(series))
    if not len(known) or len(known) == len(series):
        return series if len(known) else np.zeros_like(series)
    places = np.searchsorted(known, np.arange(len(series)), side="right") - 1
    return series[known[np.maximum(places, 0)]]


def naive2_figures(
    history: Float[np.ndarray, "steps channels"],
    future: Float[np.ndarray, "horizon channels"],
    season: int,
    naive_error: Float[np.ndarray, " channels"],
) -> tuple[float, float]:
    """The sMAPE and the MASE of Naive2 on one window; NaN where one means nothing."""
    forecasts = [naive2(last_observed(one), len(future), season) for one in history.T]
    error = np.abs(np.stack(forecasts, axis=1) - future)
    sizes = np.abs(np.stack(forecasts, axis=1)) + np.abs(future)
    with np.errstate(invalid="ignore", divide="ignore"):
        percentage = np.where(sizes == 0, 0.0, 200 * error / sizes)
        scaled = np.where(naive_error > 0, error / naive_error, np.nan)
    known = np.isfinite(future)
    with_scale = known & np.isfinite(scaled)
    return (
        float(percentage[known].mean()) if known.any() else np.nan,
        float(scaled[with_scale].mean()) if with_scale.any() else np.nan,
    )
