"""Daily prices as a series of variances: what forecasts of volatility are made of."""

import dataclasses
import math
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from jaxtyping import Float

from lstm_jax.data.series.frames import is_text
from lstm_jax.data.series.panel import Panel, Schema
from lstm_jax.data.series.reading import read_panel
from lstm_jax.data.series.sources import SeriesSource
from lstm_jax.data.series.tables import Layout, Table, check_suffix, locate, open_table, stem_of
from lstm_jax.errors import DataError

# Its functions are made when it is imported, so that type checkers do not see them.
pc: Any = pyarrow.compute

RETURN = "return"
"""The covariate that GARCH is fitted on."""
_COVARIATES = RETURN, "absolute return", "negative return"
_PRICES = "High", "Low", "Close"
_LAYOUT = Layout(time="Date", values=_PRICES, frequency="rows", missing="mask")
_MONTH_FIRST = r"^\s*(\d\d?)/(\d\d?)/(\d{4})\s*$"


@dataclasses.dataclass(frozen=True)
class DailyPrices(SeriesSource):
    """A table with a row for each trading day: `Date`, `High`, `Low` and `Close`.

    It is one series of one channel, `variance`: how much the price moved within the day, by
    Parkinson's estimate of the variance of a logarithm of it,

        1e4 log(High / Low)^2 / (4 log 2)

    in percent squared: its root is the volatility of a day in percent. It leaves out how far the
    price moved overnight, so that it is less than the variance of returns from close to close. Past
    covariates are that return in percent, `100 log(Close / Close of the day before)`, its absolute
    value, and what of it is negative; the first day has none. Steps are trading days.

    The default are 5,031 days of the S&P 500, 1999 to 2018, which the package arch brings along.
    Dates are written as in `SeriesTable`; `1/31/2024` has the month first. Other columns are not
    read. Files are `.csv`, `.tsv`, one of these and `.gz`, or `.parquet`.

    A day whose High equals its Low is refused: a variance of 0 has no logarithm, and any other
    number in its place would be made up.

    Raises:
        ConfigError: the end of the file's name is another.

    Source: Parkinson 1980, "The extreme value method for estimating the variance of the rate of
    return".

    >>> days = {"Date": ["1/4/1999", "1/5/1999"], "High": [101, 103], "Low": [99, 100]}
    >>> panel = DailyPrices().panel_of(days | {"Close": [100, 102]})
    >>> panel.values.round(2).tolist(), panel.past[1].round(2).tolist()
    ([[1.44], [3.15]], [1.98, 1.98, 0.0])
    """

    path: str = "package:arch/data/sp500/sp500.csv.gz"
    """The file; `~` and `$VARIABLE` are replaced when read, `package:` is one inside a package."""

    def __post_init__(self):
        check_suffix(self.path)

    def files(self) -> tuple[pathlib.Path, ...]:
        """The table."""
        return (locate(self.path),)

    def panel(self) -> Panel:
        """The series, named after the file."""
        return self._read(self.files()[0])

    def panel_of(self, given: Any, schema: Schema | None = None) -> Panel:
        """The series of a table with these columns that a user hands over.

        Args:
            given: a path, a data frame, an Arrow table, a mapping of names to columns, or a panel.
            schema: what it has to fit; by default anything.

        Raises:
            DataError: it is malformed, or does not fit.
        """
        return super().panel_of(given if isinstance(given, Panel) else self._read(given), schema)

    def _read(self, given: Any) -> Panel:
        table = _month_first(open_table(given, _LAYOUT, stem_of(self.path)))
        prices = read_panel([table], _LAYOUT)
        high, low, close = prices.values.T.astype(np.float64)
        _check(table, high, low, close)
        variance = 1e4 * np.log(high / low) ** 2 / (4 * math.log(2))
        change = np.full(len(close), np.nan)
        change[1:] = 100 * np.diff(np.log(close))
        return dataclasses.replace(
            prices,
            schema=dataclasses.replace(prices.schema, values=("variance",), past=_COVARIATES),
            values=variance[:, None],
            past=np.stack([change, np.abs(change), np.minimum(change, 0)], axis=1),
        )


def _month_first(table: Table) -> Table:
    """With dates as ISO 8601 writes them."""
    names = _LAYOUT.time, *_PRICES
    columns = pa.table({name: table.columns.column(name) for name in names})
    dates = columns.column(_LAYOUT.time)
    if is_text(dates.type):
        dates = pc.replace_substring_regex(dates, _MONTH_FIRST, r"\3-\1-\2")
    return dataclasses.replace(table, columns=columns.set_column(0, _LAYOUT.time, dates))


def _check(
    table: Table,
    high: Float[np.ndarray, " days"],
    low: Float[np.ndarray, " days"],
    close: Float[np.ndarray, " days"],
) -> None:
    """Raises DataError unless all prices are such; names the row."""
    problems = (
        (np.isnan(high + low + close), "a price is missing: fill it in, or leave the day out"),
        (np.minimum(low, close) <= 0, "a price is not positive: mend it, or leave the day out"),
        (high < low, "High lies below Low: mend the row, or leave the day out"),
        (high == low, "High equals Low, which is no variance to learn from: leave the day out"),
        ((close < low) | (close > high), "Close lies outside of Low and High: mend the row"),
    )
    for is_wrong, problem in problems:
        if is_wrong.any():
            row = int(np.argmax(is_wrong))
            prices = f"High {high[row]:g}, Low {low[row]:g}, Close {close[row]:g}"
            raise DataError(f"{table.name}, row {table.number(row)}: {problem} ({prices})")
