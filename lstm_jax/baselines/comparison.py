"""How much better a backtest is than simple rivals on the very same windows."""

import itertools
import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from lstm_jax.metrics.paired import diebold_mariano

Losses = Float[np.ndarray, "windows horizon"]
Loss = Literal["squared error", "absolute error", "QLIKE"]


def losses(
    point: Float[np.ndarray, "windows horizon channels"],
    truth: Float[np.ndarray, "windows horizon channels"],
    deviation: Float[np.ndarray, " channels"],
    loss: Loss,
) -> Losses:
    """The mean over channels of a loss of each value; NaN where nothing came.

    Args:
        point: forecasts, in the units of the data.
        truth: what came; NaN where nothing did.
        deviation: what errors are divided by.
        loss: `QLIKE` is that of `lstm_jax.modules.Qlike`, of positive values.
    """
    error = np.abs(point - truth) / deviation
    if loss == "QLIKE":
        ratio = truth / point
        error = ratio - np.log(ratio) - 1
    elif loss == "squared error":
        error **= 2
    known = np.isfinite(truth)
    count = known.sum(axis=2)
    total = np.where(known, error, 0.0).sum(axis=2)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _means(values: Losses) -> Float[np.ndarray, " windows"]:
    """The mean over the steps of each window; NaN where nothing came."""
    known = ~np.isnan(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def compared(
    ours: Losses,
    rivals: Mapping[str, Losses],
    stride: int,
    parts: int = 4,
) -> dict[str, Any]:
    """By how much a forecast beats the best of its rivals, or does not.

    Args:
        ours: losses of the forecast, at origins in their order.
        rivals: those of each rival at the same origins.
        stride: steps between origins.
        parts: into which the horizon is cut, beside the figures of each step.

    Returns:
        `best`, the rival of the least loss; `better_by`, the share by which ours is less, negative
        where it is not; `p`, of the test of Diebold and Mariano that both are as good; the same by
        part of the horizon, and by step.
    """
    best = min(rivals, key=lambda name: float(np.nanmean(rivals[name])))
    theirs, horizon = rivals[best], ours.shape[1]

    def figures(steps: slice) -> dict[str, Any]:
        one, other = (_means(x[:, steps]) for x in (ours, theirs))
        reach = math.ceil(range(horizon)[steps][-1] / stride) + 1
        statistic, p = diebold_mariano(one, other, reach)
        better = 1 - float(np.nanmean(one)) / float(np.nanmean(other))
        return {"better_by": better, "statistic": statistic, "p": p}

    cuts = [round(part * horizon / parts) for part in range(parts + 1)]
    spans = [slice(a, b) for a, b in itertools.pairwise(cuts) if b > a]
    by_part = [{"steps": [s.start + 1, s.stop], **figures(s)} for s in spans]
    by_step = [figures(slice(step, step + 1)) for step in range(horizon)]
    return {
        "best": best,
        **figures(slice(0, horizon)),
        "by_part": by_part,
        "by_step": {name: [one[name] for one in by_step] for name in ("better_by", "p")},
    }
