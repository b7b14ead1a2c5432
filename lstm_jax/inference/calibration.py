"""What a forecaster learns from its errors on the validation part: how wide intervals are."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from lstm_jax.functional.conformal import split_quantile
from lstm_jax.inference.forecasting import forecasts_of

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
    use: Any,
) -> tuple[Float[np.ndarray, "windows horizon channels"], Int[np.ndarray, " windows"]]:
    """The absolute errors of validation, scaled, and the number of the item of each window.

    Windows of an item are in the order of their origins. NaN where no value came.
    """
    dataset = use.data.open(use.preprocessor)
    count = len(dataset.origins("validation"))
    places = np.unique(np.linspace(0, count - 1, min(count, _MOST_WINDOWS)).astype(int))
    cuts = [places[begin : begin + _BATCH] for begin in range(0, len(places), _BATCH)]
    batches = (dataset.windows_at("validation", cut, min(_BATCH, len(places))) for cut in cuts)
    scores, items = [], dataset.origins("validation").at(places)[0]
    for batch, found in forecasts_of(use.model, batches, ()):
        error = np.abs(np.moveaxis(batch.targets, 1, 0) - found.point)
        scores.append(np.where(np.moveaxis(batch.weight, 1, 0) > 0, error, np.nan))
    return np.concatenate(scores), items
