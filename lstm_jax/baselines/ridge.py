"""Ridge regression from the window to the horizon: one matrix for all channels and items."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from lstm_jax.data.series.dataset import SeriesDataset

Form = Literal["mean", "last", "log_last"]
"""What is taken from a window first: its mean, its last value, or the logarithm of that from the
logarithms of all, so that errors are relative."""
_BATCH = 1024
_MOST_ROWS = 400_000
"""Rows that are learned from; of more windows evenly spaced ones."""


@dataclasses.dataclass(frozen=True)
class Ridge:
    """`horizon = window @ weights`, of values from which something of the window was taken."""

    form: Form
    strength: float
    weights: Float[np.ndarray, "context horizon"]

    def forecast(
        self, values: Float[np.ndarray, "context columns"]
    ) -> Float[np.ndarray, "horizon columns"]:
        """Forecasts of windows."""
        read, center = normalized(values, self.form)
        ahead = self.weights.T @ read + center
        return np.exp(ahead) if self.form == "log_last" else ahead


def normalized(
    values: Float[np.ndarray, "context columns"], form: Form
) -> tuple[Float[np.ndarray, "context columns"], Float[np.ndarray, " columns"]]:
    """Windows without their center, and that."""
    if form == "log_last":
        values = np.log(values)
    center = values.mean(axis=0) if form == "mean" else values[-1]
    return values - center, center


class Moments:
    """The sums that ridge regressions of every strength follow from."""

    def __init__(self, context: int, horizon: int, form: Form):
        self.form: Form = form
        self.count = 0
        self.gram = np.zeros((context, context))
        self.products = np.zeros((context, horizon))

    def add(
        self,
        values: Float[np.ndarray, "context columns"],
        targets: Float[np.ndarray, "horizon columns"],
    ) -> None:
        """Takes windows and what followed them; those with a gap are left out."""
        is_whole = np.isfinite(values).all(axis=0) & np.isfinite(targets).all(axis=0)
        values, targets = values[:, is_whole], targets[:, is_whole]
        read, center = normalized(values, self.form)
        ahead = (np.log(targets) if self.form == "log_last" else targets) - center
        self.gram += read @ read.T
        self.products += read @ ahead.T
        self.count += read.shape[1]

    def solve(self, strength: float) -> Ridge:
        """The regression of a strength, as a multiple of the mean variance of a feature."""
        size = len(self.gram)
        variance = np.trace(self.gram) / size
        if not variance > 0:  # nothing varies: what is taken away is all there is to say
            return Ridge(self.form, strength, np.zeros_like(self.products))
        added = strength * variance * np.eye(size)
        try:
            weights = np.linalg.solve(self.gram + added, self.products)
        except np.linalg.LinAlgError:  # a strength that rounding has swallowed
            weights = np.linalg.lstsq(self.gram + added, self.products, rcond=None)[0]
        return Ridge(self.form, strength, weights)


def training_windows(
    dataset: SeriesDataset,
) -> Iterator[tuple[Float[np.ndarray, "context columns"], Float[np.ndarray, "horizon columns"]]]:
    """Windows of the training part and what followed them, channels side by side, scaled."""
    count = len(dataset.origins("train"))
    columns = dataset.preprocessor.channels
    places = np.arange(count)
    if count * columns > _MOST_ROWS:
        places = np.unique(np.linspace(0, count - 1, _MOST_ROWS // columns).astype(int))
    for begin in range(0, len(places), _BATCH):
        chosen = places[begin : begin + _BATCH]
        batch = dataset.windows_at("train", chosen, len(chosen))
        values = np.where(batch.observed > 0, batch.values, np.nan).astype(np.float64)
        targets = np.where(batch.weight > 0, batch.targets, np.nan).astype(np.float64)
        yield values.reshape(len(values), -1), targets.reshape(len(targets), -1)


def fit(
    dataset: SeriesDataset,
    strengths: Sequence[float],
    forms: Sequence[Form],
    score: Callable[[Ridge], float],
) -> Ridge:
    """The regression that validation likes best.

    Args:
        dataset: of the windows.
        strengths: to choose from.
        forms: to choose from.
        score: of a regression on the validation part, the lower the better.
    """
    pre = dataset.preprocessor
    sums = [Moments(pre.context, pre.horizon, form) for form in forms]
    for values, targets in training_windows(dataset):
        for one in sums:
            one.add(values, targets)
    found = [one.solve(strength) for one in sums for strength in strengths]
    return min(found, key=score)
