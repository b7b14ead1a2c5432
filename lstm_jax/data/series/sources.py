"""Sources of series: tables of any kind, and the data of the M4 competition."""

import abc
import dataclasses
import os
import pathlib
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
import pyarrow.parquet

from lstm_jax.data.files import expand
from lstm_jax.data.series.delimited import Delimited
from lstm_jax.data.series.frames import as_arrow
from lstm_jax.data.series.frequency import Frequency
from lstm_jax.data.series.panel import Panel, Schema
from lstm_jax.data.series.reading import read_panel
from lstm_jax.data.series.tables import Layout, check_suffix, locate, open_table, stem_of
from lstm_jax.data.series.zones import check_zone
from lstm_jax.data.sources import Example, Source, Split
from lstm_jax.errors import ConfigError, DataError
from lstm_jax.files import replacing

_loaded: weakref.WeakValueDictionary[Any, Panel] = weakref.WeakValueDictionary()
"""Panels that somebody holds, by their source, and the size and time of its files."""


@dataclasses.dataclass(frozen=True)
class SeriesSource(Source):
    """A source of whole series. It has no splits: what learns from series splits them by time."""

    @abc.abstractmethod
    def panel(self) -> Panel:
        """All series, read anew; `load` is what to call.

        Raises:
            DataError: they are missing, unreadable or malformed.
        """

    def files(self) -> tuple[pathlib.Path, ...]:
        """What is read; by default nothing.

        Raises:
            DataError: a path cannot be told.
        """
        return ()

    def load(self) -> Panel:
        """All series. As long as they are in use, and their files as they were, read but once.

        Raises:
            DataError: as `panel`.
        """
        key = self, tuple(_state(path) for path in self.files())
        if (found := _loaded.get(key)) is None:
            found = _loaded[key] = self.panel()
        return found

    def panel_of(self, given: Any, schema: Schema | None = None) -> Panel:
        """The series that a user hands over, read as those of training are.

        Args:
            given: a panel; what else a source reads, it says.
            schema: what they have to fit; by default anything.

        Raises:
            DataError: they are malformed, or do not fit.
        """
        if not isinstance(given, Panel):
            raise DataError(
                f"{type(self).__name__} reads no {type(given).__name__}: hand over a Panel, as "
                "Panel.from_arrays makes it"
            )
        if schema is not None:
            schema.check(given.schema)
        return given

    def examples(self, split: Split) -> Iterator[Example]:
        """Every series, in whatever split: a panel of one item each, without a target."""
        del split
        yield from _one_by_one(self.load())

    def read(self, path: pathlib.Path) -> Iterator[Example]:
        """The series of a file, a panel of one item each."""
        yield from _one_by_one(self.panel_of(str(path)))


def _one_by_one(panel: Panel) -> Iterator[Example]:
    for item, place in enumerate(panel.places):
        yield Example(panel.one(item), None, place)


def _state(path: pathlib.Path) -> tuple[str, int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    return str(path), found.st_size, found.st_mtime_ns


@dataclasses.dataclass(frozen=True)
class SeriesTable(SeriesSource):
    """Tables with a row for each step of each series: a time stamp, and numbers in named columns.

    The end of a file's name says how it is read: `.csv`, `.tsv`, one of these and `.gz`, `.parquet`
    or `.pq`. `package:vega_datasets/_data/seattle-temps.csv` is a file inside an installed package.

        SeriesTable("$LSTM_JAX_DATA/ett/ETTh1.csv", time="date")
        SeriesTable("shops.parquet", time="day", item="shop", values=("sales",), known=("price",))

    The stamps of an item rise by one step each. They are dates, times or integers; see
    `lstm_jax.data.series.stamps` for text. Rows of several items may stand in any order.

    A number may be missing (empty, null, NaN) where `missing` allows it, infinite never. Where
    covariates are known in advance, an item may end with rows whose values are all empty: the
    covariates of its future.

    Raises:
        ConfigError: the end of a name, the columns, the frequency or the zone is not as described.
    """

    path: str | tuple[str, ...]
    """The file, or several of the same columns; `~` and `$VARIABLE` are replaced when read."""
    time: str = "time"
    """The column of time stamps."""
    item: str | None = None
    """The column that says which series a row is of. None: a file is one series, of its name."""
    values: tuple[str, ...] | None = None
    """The columns to be forecast, the channels. None: all other columns of numbers."""
    wide: bool = False
    """Whether each of `values` is an item of one channel, from its first to its last value."""
    past: tuple[str, ...] = ()
    """Columns that are known up to now."""
    known: tuple[str, ...] = ()
    """Columns that are known in advance."""
    static: tuple[str, ...] = ()
    """Columns that are the same at all steps of an item, numbers or text."""
    frequency: str | None = None
    """How far apart steps are, see `Frequency`. None: as most stamps are."""
    zone: str | None = None
    """IANA name of the time zone in which stamps are local that say no offset. With one, steps
    shorter than a day are regular whatever clocks do; an hour that comes twice is read twice."""
    missing: Literal["error", "mask"] = "error"
    """Whether missing steps and values are refused, or kept as NaN that nothing is learned from."""

    def __post_init__(self):
        paths = (self.path,) if isinstance(self.path, str) else self.path
        if not paths or self.values == ():
            raise ConfigError(f"{'values' if paths else 'path'} must name at least one, got none")
        for path in paths:
            check_suffix(path)
        columns = (self.time, *((self.item,) if self.item is not None else ()))
        columns += (*(self.values or ()), *self.past, *self.known, *self.static)
        for name, count in Counter(columns).items():
            if count > 1:
                raise ConfigError(f"column {name!r} is named {count} times: it is one thing")
        if self.wide and (self.item is not None or self.static):
            raise ConfigError(
                "the items of a wide table are its columns: leave out item and static"
            )
        if self.frequency is not None:
            Frequency.parse(self.frequency)
        check_zone(self.zone)

    def files(self) -> tuple[pathlib.Path, ...]:
        """The tables."""
        return tuple(map(locate, (self.path,) if isinstance(self.path, str) else self.path))

    def panel(self) -> Panel:
        """The series of all tables, in the order in which they first occur."""
        return self._read(self.files(), None)

    def panel_of(self, given: Any, schema: Schema | None = None) -> Panel:
        """The series of a table with these columns that a user hands over.

        >>> source = SeriesTable("sales.csv", time="day")
        >>> source.panel_of({"day": ["2024-01-01", "2024-01-02"], "sales": [3, 4]}).values.tolist()
        [[3.0], [4.0]]

        Args:
            given: a path or several, a data frame, an Arrow table, a mapping of names to columns,
                or a panel.
            schema: what they have to fit; by default anything.

        Raises:
            DataError: they are malformed, or do not fit.
        """
        if isinstance(given, Panel):
            return super().panel_of(given, schema)
        panel = self._read(given if isinstance(given, tuple | list) else (given,), schema)
        if schema is not None:
            schema.check(panel.schema)
        return panel

    def _read(self, given: Any, schema: Schema | None) -> Panel:
        names = {field.name for field in dataclasses.fields(Layout)}
        fields = {name: getattr(self, name) for name in names - {"schema"}}
        layout = Layout(**fields, schema=schema)
        if schema is not None:
            values = None if self.wide else schema.values
            layout = dataclasses.replace(layout, frequency=schema.frequency, values=values)
        # What has no name of its own is more of the only series.
        stem = "series" if isinstance(self.path, tuple) else stem_of(self.path)
        return read_panel((open_table(one, layout, stem) for one in given), layout)


@dataclasses.dataclass(frozen=True)
class M4(SeriesSource):
    """Series of the M4 competition: a row each, its name and its values (Makridakis et al. 2020).

    A series has the values of `Hourly-train.csv` and behind them those of `Hourly-test.csv`, 48 an
    item, which the competition forecast. Hourly has 414 series of 748 or 1,008 steps, Weekly 359 of
    93 to 2,610. They have no dates. From
    https://github.com/Mcompetitions/M4-methods/tree/master/Dataset; files may be compressed, `.gz`.
    """

    folder: str = "$LSTM_JAX_DATA/m4"
    """`~` and `$VARIABLE` are replaced when it is read."""
    group: str = "Hourly"
    """Yearly, Quarterly, Monthly, Weekly, Daily or Hourly."""

    def files(self) -> tuple[pathlib.Path, ...]:
        """Those of training and test."""
        folder = expand(self.folder)
        found = []
        for part in ("train", "test"):
            paths = [folder / f"{self.group}-{part}.csv{end}" for end in ("", ".gz")]
            found.append(next((path for path in paths if path.exists()), paths[0]))
        return tuple(found)

    def panel(self) -> Panel:
        """Each series with its test values, in the order of the file for training."""
        train, test = map(_read_rows, self.files())
        if train.keys() != test.keys():
            odd = sorted(train.keys() ^ test.keys())[0]
            raise DataError(f"series {odd!r} is not in both of {', '.join(map(str, self.files()))}")
        joined = {name: np.concatenate([train[name], test[name]]) for name in train}
        return _placed(joined, self.files()[0])

    def panel_of(self, given: Any, schema: Schema | None = None) -> Panel:
        """The series of a file of this kind, of a mapping of names to arrays, or of a panel."""
        if isinstance(given, str | os.PathLike):
            path = expand(str(given))
            given = _placed(_read_rows(path), path)
        elif isinstance(given, Mapping):
            given = Panel.from_arrays(given)
        return super().panel_of(given, schema)


def _read_rows(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Each row's values by its first field."""
    reader = Delimited(path)
    first, *others = reader.names
    table = reader.read([first], others, first)
    names = table.column(first).to_pylist()
    values = np.stack([table.column(name).to_numpy() for name in others], axis=1)
    has_value = np.isfinite(values)
    lengths = len(others) - has_value[:, ::-1].argmax(axis=1)
    found: dict[str, np.ndarray] = {}
    for row, (name, length) in enumerate(zip(names, lengths.tolist(), strict=True)):
        found[name] = values[row, :length]
        problem = "" if len(found) > row else "the name stands there a second time: keep one row"
        if not has_value[row, :length].all():
            column = others[int(np.argmin(has_value[row]))]
            problem = f"no finite value in column {column!r}: fill it in"
        if problem:
            raise DataError(f"{path}, item {name!r}, row {reader.number(row)}: {problem}")
    return found


def _placed(series: Mapping[str, np.ndarray], path: pathlib.Path) -> Panel:
    places = tuple(f"{path}, item {name!r}" for name in series)
    return dataclasses.replace(Panel.from_arrays(series), places=places)


def keep(table: Any, path: str) -> str:
    """Writes a table of a notebook as Parquet, so that a config can name it; returns the path.

        SeriesTable(keep(frame, "runs/sales.parquet"), time="day")

    Args:
        table: a data frame, an Arrow table, or a mapping of names to columns.
        path: of the file, `.parquet`; folders that are not there are made.

    Raises:
        ConfigError: the path ends otherwise.
        DataError: it is no table.
        StorageError: the disk is full or refuses to be written; an older file stays as it was.
    """
    if not path.endswith((".parquet", ".pq")):
        raise ConfigError(f"{path!r} must end with .parquet")
    arrow, target = as_arrow(table), expand(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as file:
        pyarrow.parquet.write_table(arrow, file)
    return path
