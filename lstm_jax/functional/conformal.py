"""Intervals from the errors of the past: split conformal and adaptive conformal prediction. NumPy.

A score says how far a value lay outside of what was forecast, in whatever unit; an interval is what
was forecast, widened by a quantile of the scores.
"""

import itertools
import math

import numpy as np
from jaxtyping import Bool, Float, Int

RATE = 0.005
"""How fast adaptive conformal prediction forgets, gamma of its equation 2."""
_SORTED_EVERY = 8
"""Windows for which the same scores are kept in order: sorting is what takes time."""


def split_quantile(
    scores: Float[np.ndarray, "windows *rest"], interval: float
) -> Float[np.ndarray, "*rest"]:
    """The score that a new one exceeds with a probability of at most `1 - interval`.

    The ceil((n + 1) interval)-th smallest of n scores, the largest where there are too few
    (Angelopoulos and Bates 2021, equation 1), for scores that are exchangeable. NaN counts nowhere.

    >>> float(split_quantile(np.arange(1.0, 10.0), 0.8))
    8.0
    """
    ordered = np.sort(scores, axis=0)
    count = np.isfinite(scores).sum(axis=0)
    # NaN stands last.
    rank = np.clip(np.ceil((count + 1) * interval).astype(int), 1, np.maximum(count, 1)) - 1
    return np.asarray(np.take_along_axis(ordered, rank[None], axis=0)[0])


def adaptive_quantiles(
    known: Float[np.ndarray, "past *rest"],
    scores: Float[np.ndarray, "windows *rest"],
    delay: Int[np.ndarray, "*rest"],
    interval: float,
    *,
    rate: float = RATE,
    memory: int = 1000,
) -> Float[np.ndarray, "windows *rest"]:
    """How much to widen each of a sequence of forecasts, by what came of those before it.

    Adaptive conformal inference (Gibbs and Candes 2021, equation 2): whenever a value is seen,

        alpha <- alpha + rate (1 - interval - (1 if the value was outside else 0))

    and the next interval is the quantile 1 - alpha of the last scores. Whatever the scores do, the
    share of values outside comes near to `1 - interval`. Nothing is used before it is seen.

    Args:
        known: scores from before the first forecast, the oldest first.
        scores: those of the forecasts in the order of their origins; NaN where no value came.
        delay: after how many further origins the score of a forecast is seen, at least 1.
        interval: the nominal share of values within.
        rate: gamma.
        memory: the last scores that are kept.
    """
    windows, shape = len(scores), scores.shape[1:]
    every = np.concatenate([known, scores]).reshape(len(known) + windows, -1)
    late = np.broadcast_to(delay, shape).reshape(-1)
    columns = np.arange(every.shape[1])
    flat = scores.reshape(windows, -1)
    alpha = np.full(len(columns), 1 - interval)
    widths = np.zeros((windows, len(columns)))
    ordered = np.zeros((memory, len(columns)))
    for place in range(windows):
        if place % _SORTED_EVERY == 0:
            # Of each column the last scores that have been seen; those of long steps come later.
            rows = len(known) + place - late - np.arange(memory)[:, None]
            recent = np.where(rows >= 0, every[np.maximum(rows, 0), columns], np.nan)
            ordered = np.sort(recent, axis=0)  # NaN last
        widths[place] = _quantile(ordered, 1 - alpha)
        seen = place + 1 - late
        came = np.where(seen >= 0, flat[np.maximum(seen, 0), columns], np.nan)
        given = widths[np.maximum(seen, 0), columns]
        step = rate * (1 - interval - (came > given))
        alpha = alpha + np.where(np.isfinite(came), step, 0.0)
    return widths.reshape(windows, *shape)


def _quantile(ordered: Float[np.ndarray, "memory columns"], level: np.ndarray) -> np.ndarray:
    """A quantile of its own for each column; beyond the largest score half as much again."""
    count = np.isfinite(ordered).sum(axis=0)
    rank = np.ceil((count + 1) * level).astype(int)
    inside = np.clip(rank, 1, np.maximum(count, 1)) - 1
    found = ordered[inside, np.arange(ordered.shape[1])]
    return np.where(rank > count, found + 0.5 * np.abs(found), found)


def coverage(
    is_within: Bool[np.ndarray, "windows horizon *rest"],
    is_known: Bool[np.ndarray, "windows horizon *rest"],
    parts: int = 4,
) -> list[float]:
    """The share of values within their intervals, for each part of the horizon, or each step.

    >>> coverage(np.array([[True, True, False, True]]), np.ones((1, 4), bool), parts=2)
    [1.0, 0.5]
    """
    horizon = is_within.shape[1]
    parts = min(parts, horizon)
    cuts = [round(part * horizon / parts) for part in range(parts + 1)]
    found = []
    for begin, end in itertools.pairwise(cuts):
        known = is_known[:, begin:end]
        total = int(known.sum())
        found.append(float((is_within[:, begin:end] & known).sum()) / total if total else math.nan)
    return found
