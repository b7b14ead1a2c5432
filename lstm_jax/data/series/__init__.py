"""Real-valued series: tables, time stamps, windows.

`sources`, and what they read with (`reading`, `stamps`, `frequency`), make a `Panel`; windows are
cut out of it as the config in `series_windows` says.
"""

from lstm_jax.data.series.calendar import CalendarFeature
from lstm_jax.data.series.dataset import SeriesDataset
from lstm_jax.data.series.frequency import Frequency
from lstm_jax.data.series.panel import Panel, Schema
from lstm_jax.data.series.preprocessor import SeriesPreprocessor
from lstm_jax.data.series.prices import DailyPrices
from lstm_jax.data.series.scaling import Scaling
from lstm_jax.data.series.series_windows import SeriesWindows
from lstm_jax.data.series.sources import M4, SeriesSource, SeriesTable, keep
from lstm_jax.data.series.time_split import TimeSplit
from lstm_jax.data.series.windows import SeriesBatch

__all__ = [
    "M4",
    "CalendarFeature",
    "DailyPrices",
    "Frequency",
    "Panel",
    "Scaling",
    "Schema",
    "SeriesBatch",
    "SeriesDataset",
    "SeriesPreprocessor",
    "SeriesSource",
    "SeriesTable",
    "SeriesWindows",
    "TimeSplit",
    "keep",
]
