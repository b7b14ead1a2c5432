"""Whether one forecast is better than another, or only luckier."""

import math

import numpy as np
from jaxtyping import Float
from scipy import stats

from lstm_jax.errors import ArgumentError


def diebold_mariano(
    one: Float[np.ndarray, " windows"], other: Float[np.ndarray, " windows"], steps: int = 1
) -> tuple[float, float]:
    """The test that two forecasts have the same expected loss (Diebold and Mariano 1995).

    With d the losses of `one` minus those of `other`, and gamma_k their autocovariances,

        statistic = mean d / sqrt((gamma_0 + 2 sum_{k < h} (1 - k / h) gamma_k) / n)

    times the correction for few windows of Harvey, Leybourne and Newbold (1997), held against
    Student's t with n - 1 degrees of freedom. The weights are those of Bartlett (Newey and West
    1987), for without them the variance may come out negative.

    Args:
        one: the losses of a forecast at consecutive origins.
        other: those of another one at the same origins.
        steps: h, how many origins the errors of a window reach over: its step of the horizon over
            the stride of the origins, rounded up.

    Returns:
        The statistic, negative where `one` is better, and the probability of one as large by chance
        (two-sided). NaN where there are fewer than 3 windows or no difference varies.

    Raises:
        ArgumentError: the losses are not equally many.

    >>> losses = np.array([1.0, 2.0, 1.5, 1.0, 2.5])
    >>> statistic, p = diebold_mariano(losses, losses + np.array([1.0, 1.2, 0.8, 1.1, 0.9]))
    >>> round(statistic, 2), p < 0.001
    (-14.14, True)
    """
    if one.shape != other.shape:
        raise ArgumentError(f"as many losses of both are needed, not {len(one)} and {len(other)}")
    difference = (one - other)[np.isfinite(one) & np.isfinite(other)]
    count = len(difference)
    if count < 3:
        return math.nan, math.nan
    centred = difference - difference.mean()
    reach = min(steps, count - 1)
    variance = centred @ centred / count
    for lag in range(1, reach):
        weight = 1 - lag / reach
        variance += 2 * weight * (centred[lag:] @ centred[:-lag]) / count
    if not variance > 0:
        return math.nan, math.nan
    correction = max((count + 1 - 2 * reach + reach * (reach - 1) / count) / count, 1 / count)
    statistic = difference.mean() / math.sqrt(variance / count) * math.sqrt(correction)
    return float(statistic), float(2 * stats.t.sf(abs(statistic), count - 1))
