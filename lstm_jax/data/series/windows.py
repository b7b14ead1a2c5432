"""Windows of series: views of the table, gathered batch by batch."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lstm_jax.data.series.calendar import calendar_features
from lstm_jax.data.series.frequency import Frequency
from lstm_jax.data.series.panel import Panel
from lstm_jax.data.series.preprocessor import SeriesPreprocessor


class SeriesBatch(NamedTuple):
    """Windows of series: what lies before an origin, and what follows it. All values are scaled."""

    values: np.ndarray
    """float32 [context, batch, channels]: the last value before where there is none, at first 0."""
    observed: np.ndarray
    """float32 [context, batch, channels]: 1 where there is a value."""
    covariates: np.ndarray
    """float32 [context, batch, features]: past and known covariates, calendar, static ones."""
    future: np.ndarray
    """float32 [horizon, batch, features]: known covariates, calendar, static ones."""
    targets: np.ndarray
    """float32 [horizon, batch, channels]; 0 where there is no value."""
    weight: np.ndarray
    """float32 [horizon, batch, channels]: 1 where there is a value, 0 where there is none."""
    center: np.ndarray
    """float32 [batch, channels]: of the scaling, as is `scale`."""
    scale: np.ndarray
    naive_error: np.ndarray
    """float32 [batch, channels]: what MASE divides by, in the units of the data."""
    reference: np.ndarray
    """float32 [batch, 2]: sMAPE and MASE of Naive2, NaN where they are not wanted."""
    item: np.ndarray
    """int32 [batch]: the number of the item among those of training, -1 for a new one."""
    phase: np.ndarray
    """int32 [batch]: where in its season the first step of the horizon stands."""
    padding: np.ndarray
    """int32 [batch]: how many steps of the context lie before the series and only fill up."""
    place: np.ndarray
    """int32 [batch]: the number of each window in its split, -1 where there is none."""

    def take(self, columns: np.ndarray) -> "SeriesBatch":
        """The batch of some of the windows."""
        of_time = (array[:, columns] for array in self[:_OF_TIME])
        return SeriesBatch(*of_time, *(array[columns] for array in self[_OF_TIME:]))


_OF_TIME = 6
"""Arrays of a batch whose first axis is time."""

Reference = Callable[[int, int], tuple[float, float]]
"""Of an item and an origin: sMAPE and MASE of Naive2."""


class Windows:
    """Cuts windows out of a panel. Nothing of the panel is copied but what a batch holds."""

    def __init__(self, panel: Panel, preprocessor: SeriesPreprocessor):
        self.panel, self.preprocessor = panel, preprocessor
        self.lengths = np.diff(panel.first)
        self.center, self.scale = preprocessor.scaling_of(panel)
        self._numbers = preprocessor.numbers_of(panel.items)
        self._static = preprocessor.static_of(panel)
        self._frequency = Frequency.parse(panel.schema.frequency)
        # Where nothing was observed the last value stands, which a window may not hold itself.
        self._filled = panel.values
        if panel.values.size and np.isnan(panel.values).any():
            self._filled = _filled(panel)

    def batch(
        self,
        items: Int[np.ndarray, " windows"],
        origins: Int[np.ndarray, " windows"],
        places: Int[np.ndarray, " windows"],
        rows: int,
        naive_error: Float[np.ndarray, "items channels"] | None = None,
        reference: Reference | None = None,
        *,
        with_targets: bool = True,
    ) -> SeriesBatch:
        """Windows of items at origins, the number of steps of the series before the horizon.

        Args:
            items: the number of each window's item in the panel.
            origins: of the windows.
            places: of the windows in their split.
            rows: of the batch; those behind the windows only fill up.
            naive_error: of each item of the panel, in the units of the data.
            reference: figures of Naive2, if they are wanted.
            with_targets: whether what follows the origins is read at all.
        """
        pre, panel, count = self.preprocessor, self.panel, len(items)
        steps = origins + np.arange(-pre.context, pre.horizon)[:, None]
        past, ahead = steps[: pre.context], steps[pre.context :]
        center, scale = self.scaling_at(items, origins)
        # What lies before the series is read from its first row, and said to be no observation.
        read = panel.first[items] + np.maximum(past, 0)
        is_inside = (past >= 0)[..., None]
        observed = np.isfinite(panel.values[read]) & is_inside
        filled = self._scaled(self._filled[read], center, scale)
        values = np.where(np.isfinite(filled) & is_inside, filled, 0)
        targets = np.zeros((pre.horizon, count, pre.channels))
        weight = np.zeros(targets.shape, bool)
        if with_targets:
            found = panel.values[panel.first[items] + ahead]
            weight = np.isfinite(found)
            targets = np.where(weight, self._scaled(found, center, scale), 0)
        covariates, future = self._covariates(items, steps)
        figures = np.full((count, 2), np.nan)
        if reference is not None:
            figures = np.array(list(map(reference, items.tolist(), origins.tolist())))
        arrays = (values, observed, covariates, future, targets, weight)
        naive = np.zeros(center.shape) if naive_error is None else naive_error[items]
        one = (center, scale, naive, figures)
        filling = rows - count

        def numbers(found: np.ndarray, fill: int = 0) -> np.ndarray:
            return np.pad(found, (0, filling), constant_values=fill).astype(np.int32)

        of_windows = zip(one, (0.0, 1.0, 0.0, np.nan), strict=True)
        return SeriesBatch._make(
            [
                *(_rows(array, 1, filling) for array in arrays),
                *(_rows(array, 0, filling, fill) for array, fill in of_windows),
                numbers(self._numbers[items], -1),
                numbers((panel.start[items] + origins) % pre.season),
                numbers(np.maximum(pre.context - origins, 0)),
                numbers(places, -1),
            ]
        )

    def scaling_at(
        self, items: Int[np.ndarray, " windows"], origins: Int[np.ndarray, " windows"]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Center and scale of windows, [windows, channels]; of a new item from what lies before."""
        center, scale = self.center[items], self.scale[items]
        if self.preprocessor.scaling.per != "item":
            return center, scale
        for row in np.flatnonzero(self._numbers[items] < 0):
            first = self.panel.first[items[row]]
            before = self.panel.values[first : first + origins[row]]
            (center[row],), (scale[row],) = self.preprocessor.scaling.fit([before])
        return center, scale

    def _scaled(self, values: np.ndarray, center: np.ndarray, scale: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return (self.preprocessor.scaling.transformed(values) - center) / scale

    def _covariates(
        self, items: np.ndarray, steps: Int[np.ndarray, "steps windows"]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Those of the context and those of the horizon."""
        pre, panel = self.preprocessor, self.panel
        size = np.diff(panel.known_first)[items]
        known = panel.known[panel.known_first[items] + np.clip(steps, 0, size - 1)]
        past = panel.past[panel.first[items] + np.maximum(steps[: pre.context], 0)]
        count = len(pre.schema.past)
        if pre.covariates:
            center, scale = np.array(pre.covariates)
            past = (past - center[:count]) / scale[:count]
            known = (known - center[count:]) / scale[count:]
        stamps = np.zeros(steps.shape, "M8[s]")
        if pre.calendar:
            stamps = self.stamps(items, steps)
        zone = pre.schema.zone if pre.schema.clock else None
        calendar = calendar_features(stamps, pre.calendar, zone)
        static = np.broadcast_to(self._static[items], (len(steps), *self._static[items].shape))
        future = np.concatenate([known, calendar, static], axis=-1)
        covariates = np.concatenate([past, future[: pre.context]], axis=-1)
        # A covariate that was not measured is one of which nothing is known: its mean.
        return np.nan_to_num(covariates, nan=0.0), np.nan_to_num(future[pre.context :], nan=0.0)

    def stamps(self, items: np.ndarray, steps: Int[np.ndarray, "steps windows"]) -> np.ndarray:
        """The stamps of steps of items, counted from the first of each."""
        if (labels := self.panel.known_labels) is not None:
            first, size = self.panel.known_first, np.diff(self.panel.known_first)
            return labels[first[items] + np.clip(steps, 0, size[items] - 1)]
        return self._frequency.times(self.panel.start[items] + steps, self.panel.schema.offset)


def _rows(array: np.ndarray, axis: int, count: int, fill: float = 0.0) -> np.ndarray:
    """An array as float32 with so many more rows along the axis of the batch."""
    after = [(0, 0)] * array.ndim
    after[axis] = (0, count)
    return np.pad(array.astype(np.float32), after, constant_values=fill)


def _filled(panel: Panel) -> np.ndarray:
    """Values with the last one where there is none; NaN before the first of an item."""
    found = np.array(panel.values)
    for begin, end in zip(panel.first[:-1], panel.first[1:], strict=True):
        part = found[begin:end]
        rows = np.arange(len(part))[:, None]
        last = np.maximum.accumulate(np.where(np.isfinite(part), rows, -1), axis=0)
        part[:] = np.where(last >= 0, np.take_along_axis(part, np.maximum(last, 0), axis=0), np.nan)
    return found
