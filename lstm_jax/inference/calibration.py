"""What a forecaster learns from its errors on the validation part: how wide intervals are."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from lstm_jax.functional.conformal import adaptive_quantiles, split_quantile
from lstm_jax.inference.forecasting import conformal_width, forecasts_of, levels_of

Values = Float[np.ndarray, "windows horizon channels"]
INTERVALS = (0.5, 0.8, 0.9, 0.95, 0.99)
"""Nominal shares that intervals are calibrated for."""
_MOST_WINDOWS = 4000
"""Of more, evenly spaced ones are enough."""
_BATCH = 64


def calibrated_widths(use: Any) -> dict[str, Any] | None:
    """Half the widths of split conformal intervals, for each step and channel, scaled.

    Source: Angelopoulos and Bates 2021 (section 1). The errors of neighbouring windows depend on
    each other, and levels drift: coverage on later data is as it is, and adaptive intervals are
    for backtests (`experiments.backtest`). None where the head is a distribution.

    Args:
        use: a trained model and its data.
    """
    if use.model.head.is_distribution:
        return None
    scores, _ = validation_scores(use)
    widths = {f"{one:g}": split_quantile(scores, one).tolist() for one in INTERVALS}
    return {"widths": widths, "windows": len(scores)}


def validation_scores(
    use: Any, interval: float | None = None
) -> tuple[Values, Int[np.ndarray, " windows"]]:
    """How far values of validation lay outside, scaled, and the number of the item of each window.

    Windows of an item are in the order of their origins. NaN where no value came.

    Args:
        use: a trained model and its data.
        interval: of the quantiles of the head that values may lie between; None for the point.
    """
    dataset = use.data.open(use.preprocessor)
    count = len(dataset.origins("validation"))
    places = np.unique(np.linspace(0, count - 1, min(count, _MOST_WINDOWS)).astype(int))
    cuts = [places[begin : begin + _BATCH] for begin in range(0, len(places), _BATCH)]
    batches = (dataset.windows_at("validation", cut, min(_BATCH, len(places))) for cut in cuts)
    scores, items = [], dataset.origins("validation").at(places)[0]
    levels = () if interval is None else levels_of(use.model.head, interval)
    for batch, found in forecasts_of(use.model, batches, levels):
        ends = ends_of(found.point, found.quantiles)
        truth = np.where(batch.weight > 0, batch.targets, np.nan).astype(np.float64)
        scores.append(scores_of(np.moveaxis(truth, 1, 0), *ends))
    return np.concatenate(scores), items


def ends_of(
    point: Values, quantiles: Float[np.ndarray, "windows horizon channels ends"] | None
) -> tuple[Values, Values]:
    """The ends of the interval that a head gives; the point twice where none was asked for."""
    if quantiles is None or not quantiles.shape[-1]:
        return point, point
    return quantiles[..., 0], quantiles[..., 1]


def scores_of(truth: Values, lower: Values, upper: Values) -> Values:
    """How far values lie outside of an interval; negative within it, NaN where no value came.

    Of the point alone it is the absolute error; of quantiles Romano, Patterson and Candes 2019,
    equation 6.
    """
    return np.maximum(lower - truth, truth - upper)


def conformal_widths(
    use: Any,
    scores: Values,
    items: Int[np.ndarray, " windows"],
    stride: int,
    interval: float,
    adaptive: bool,
) -> Values | Float[np.ndarray, "horizon channels"]:
    """How much forecasts are widened on either side, scaled.

    Args:
        use: a trained model and its data.
        scores: `scores_of` the forecasts, which adaptive conformal prediction learns from as they
            come; windows of an item in the order of their origins.
        items: the number of the series of each window.
        stride: steps between origins.
        interval: the share of values that are to lie within.
        adaptive: whether it goes on learning; else the scores of validation alone count.
    """
    if not adaptive and (width := conformal_width(use.calibration, interval)) is not None:
        return width
    known, of_items = validation_scores(use, interval)
    if not adaptive:
        return split_quantile(known, interval)
    horizon, channels = scores.shape[1:]
    # The error of step h is seen h steps later.
    delay = np.broadcast_to(-(-np.arange(1, horizon + 1) // stride)[:, None], (horizon, channels))
    found = np.zeros_like(scores)
    for item in np.unique(items):
        rows, own = items == item, known[of_items == item]
        # A new item has no errors of its own yet: those of all stand for them.
        found[rows] = adaptive_quantiles(own if len(own) else known, scores[rows], delay, interval)
    return found
