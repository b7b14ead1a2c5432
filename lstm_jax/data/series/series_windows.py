"""Series as windows: the config of data that forecasting learns from."""

import dataclasses
import logging
import re
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from lstm_jax.data.base import Data
from lstm_jax.data.preprocessing import Preprocessor
from lstm_jax.data.series.calendar import CalendarFeature, check_calendar, local_times_of
from lstm_jax.data.series.dataset import SeriesDataset
from lstm_jax.data.series.frequency import Frequency
from lstm_jax.data.series.panel import Panel
from lstm_jax.data.series.preprocessor import (
    SeriesPreprocessor,
    check_same_kind,
    training_digest,
)
from lstm_jax.data.series.scaling import Scaling
from lstm_jax.data.series.sources import SeriesSource
from lstm_jax.data.series.time_split import TimeSplit, no_dates
from lstm_jax.data.sources import Example
from lstm_jax.errors import ConfigError

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class SeriesWindows(Data):
    """Windows of `context` steps and of the `horizon` steps behind them, of all series of a source.

    Series are split by time. A window belongs to the part in which its whole horizon lies; what it
    looks back on may lie before that part. Scaling is learned on the training part alone.

    Raises:
        ConfigError: a size below 1, or parts that do not fit each other.
    """

    FITTED: ClassVar[tuple[str, ...]] = (
        "split",
        "context",
        "horizon",
        "season",
        "scaling",
        "calendar",
        "standardised",
        "shortest_context",
    )

    source: SeriesSource
    context: int = 96
    """Steps before the origin that a model looks back on."""
    horizon: int = 24
    """Steps from the origin on that it forecasts."""
    season: int = 1
    """Steps of a season, for MASE and the seasonal baselines: a day of hours has 24."""
    split: TimeSplit = dataclasses.field(default_factory=TimeSplit)
    scaling: Scaling = dataclasses.field(default_factory=Scaling)
    calendar: tuple[CalendarFeature, ...] = ()
    """What of the local time of each step is read beside the values: `("hour", "weekday")`."""
    batch_size: int = 32
    """Windows in a batch."""
    stride: int = 1
    """Steps between the origins of training windows."""
    evaluation_stride: int = 1
    """Steps between the origins of the windows of validation and test."""
    shortest_context: int | None = None
    """The fewest steps that may lie before an origin; what is missing of `context` is filled up.
    None: all of them."""
    standardised: bool = False
    """Whether the errors of the metrics are divided by the standard deviation of training, channel
    by channel, as in papers on long horizons; those in the units of the data stand beside them."""
    relative_to_naive2: bool = False
    """Whether to give OWA, the errors relative to those of Naive2, as in the M4 competition."""

    def __post_init__(self):
        names = "context", "horizon", "season", "batch_size", "stride", "evaluation_stride"
        for name in names:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.shortest_context is not None and not 1 <= self.shortest_context <= self.context:
            raise ConfigError(
                f"shortest_context lies between 1 and the context ({self.context}), not "
                f"{self.shortest_context}"
            )

    def fit(self, given: Preprocessor | None = None) -> SeriesPreprocessor:
        """What the training part of each series teaches."""
        panel = self.source.load()
        check_calendar(self.calendar, panel.schema.frequency)
        if self.calendar and panel.labels is not None:
            raise ConfigError(
                "calendar: steps of rows have no stamps in the future: leave it empty, or give "
                "columns of the calendar as known covariates"
            )
        bounds = self._bounds(panel)
        new = SeriesPreprocessor(
            schema=panel.schema,
            context=self.context,
            horizon=self.horizon,
            season=self.season,
            scaling=self.scaling,
            calendar=self.calendar,
            flags=getattr(self.source, "missing", "error") == "mask",
            padded=self._shortest < self.context,
            standardised=self.standardised,
        )
        fitted = new.fitted(panel, bounds[:, 0])
        if given is None:
            return fitted
        was = check_same_kind(given, panel.schema)
        if self.scaling.per == "item":
            return fitted
        # What the parameters have read stays what it was.
        return dataclasses.replace(
            fitted, scaling=was.scaling, center=was.center, scale=was.scale,
            covariates=was.covariates, statics=was.statics,
        )  # fmt: skip

    def open(self, preprocessor: Preprocessor, seed: int = 0) -> SeriesDataset:
        """The windows. The table is read and kept; windows are cut when they are asked for."""
        assert isinstance(preprocessor, SeriesPreprocessor)
        panel = self.source.load()
        bounds = self._bounds(panel)
        if preprocessor.training not in ("", training_digest(panel, bounds[:, 0])):
            _log.warning(
                "the training part is not the one that the model was trained on: the other parts "
                "may hold what it has seen"
            )
        for item, bound in enumerate(bounds):
            begin = panel.first[item]
            self.scaling.check(panel.values[begin : begin + bound[2]], panel.places[item])
        return SeriesDataset(
            panel,
            preprocessor,
            bounds,
            batch_size=self.batch_size,
            stride=self.stride,
            evaluation_stride=self.evaluation_stride,
            shortest_context=self._shortest,
            with_reference=self.relative_to_naive2,
            seed=seed,
        )

    def read(self, given: Any, column: str | None = None) -> Iterable[Example]:
        """Series of a table of the same columns: a path, a frame, a mapping of columns."""
        if column is not None:
            raise ConfigError("series have the columns of the config: leave the column out")
        panel = given if isinstance(given, Panel) else self.source.panel_of(given)
        parts = (panel.one(item) for item in range(len(panel.items)))
        return [Example(part, None, part.places[0]) for part in parts]

    @property
    def _shortest(self) -> int:
        return self.context if self.shortest_context is None else self.shortest_context

    def _bounds(self, panel: Panel) -> np.ndarray:
        lengths = np.diff(panel.first)
        is_dated = panel.schema.frequency.split()[-1] != "step"
        if panel.labels is not None:
            is_dated = panel.labels.dtype.kind == "M"
        if not is_dated:
            return self.split.bounds(lengths, no_dates)

        def steps_until(date: str) -> np.ndarray:
            return steps_before(panel, date)

        return self.split.bounds(lengths, steps_until)


_DATE = re.compile(r"\d{4}-\d{2}(-\d{2}([T ]\d{2}(:\d{2}){0,2})?)?")


def steps_before(panel: Panel, date: str) -> np.ndarray:
    """How many steps of each item lie before a date, [items]; it may be no more than all.

    Raises:
        ConfigError: it is no date.
    """
    try:
        if not _DATE.fullmatch(date):
            raise ValueError
        stamp = np.datetime64(date).astype("M8[s]")
    except ValueError:
        raise ConfigError(
            f"{date!r} is no date: write it as 2024-01-31 or 2024-01-31T12:00"
        ) from None
    if panel.labels is not None:
        pairs = zip(panel.first[:-1], panel.first[1:], strict=True)
        return np.array([np.searchsorted(panel.labels[a:b], stamp) for a, b in pairs])
    frequency = Frequency.parse(panel.schema.frequency)
    found = []
    for item, length in enumerate(np.diff(panel.first)):
        stamps = frequency.times(panel.start[item] + np.arange(length), panel.schema.offset)
        if panel.schema.clock and panel.schema.zone:
            stamps = local_times_of(stamps, panel.schema.zone)  # a date is that of the place
        found.append(np.searchsorted(stamps.astype("M8[s]"), stamp))
    return np.array(found)
