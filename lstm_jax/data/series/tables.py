"""Tables of series: what their columns are, and those columns of files, frames and mappings."""

import contextlib
import dataclasses
import importlib.util
import pathlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from lstm_jax.config.values import suggestion
from lstm_jax.data.files import expand
from lstm_jax.data.series.delimited import Delimited, advice, is_number
from lstm_jax.data.series.frames import InMemory, Parquet, is_text
from lstm_jax.data.series.panel import Schema
from lstm_jax.data.series.zones import Where
from lstm_jax.errors import ConfigError, DataError

_DELIMITED = re.compile(r"\.(csv|tsv)(\.gz)?$", re.IGNORECASE)
_PARQUET = re.compile(r"\.(parquet|pq)$", re.IGNORECASE)
_PACKAGE = "package:"
_ROW_NUMBERS = re.compile(r"|Unnamed: \d+|__index_level_\d+__")
"""Columns that pandas writes beside those of a frame."""
_MOST_NAMES = 20
"""That a message lists."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """What the columns of tables are, and how strictly rows are read; see `SeriesTable`."""

    time: str = "time"
    item: str | None = None
    values: tuple[str, ...] | None = None
    wide: bool = False
    past: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    frequency: str | None = None
    zone: str | None = None
    missing: Literal["error", "mask"] = "error"
    schema: Schema | None = None
    """What the series must fit. None: anything."""

    @property
    def beside(self) -> dict[str, str]:
        """The columns beside the values, and the fields that name them."""
        found = {self.time: "time"} | ({} if self.item is None else {self.item: "item"})
        fields = {"past": self.past, "known": self.known, "static": self.static}
        return found | {name: field for field, names in fields.items() for name in names}


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """The columns of a table that are needed."""

    name: str
    """The file, for error messages."""
    stem: str
    """What the series is called, where no column says it."""
    columns: "_Columns"
    values: tuple[str, ...]
    """Names of the columns to be forecast."""
    number: Callable[[int], int]
    """What people call a row, of which the first is 0: its line in a file of text."""

    @property
    def rows(self) -> int:
        """Rows of the table."""
        return self.columns.num_rows

    def column(self, name: str) -> pa.Array:
        """One column, in one piece, its values written out."""
        column = self.columns.column(name).combine_chunks()
        if isinstance(column.type, pa.DictionaryType):
            return column.dictionary_decode()
        return column.cast(pa.large_string()) if is_text(column.type) else column

    def is_single(self, name: str) -> bool:
        """Whether a column has no more digits than float32."""
        return self.columns.field(name).type in (pa.float32(), pa.float16())

    def numbers(self, name: str, kind: np.dtype, where: Where) -> Float[np.ndarray, " rows"]:
        """A column of numbers as float32 or float64, NaN where there is none.

        Raises:
            DataError: it has text or something else, or infinite numbers; names the row.
        """
        column = self.column(name)
        if is_text(column.type):
            texts = column.to_pylist()
            bad = (row for row, text in enumerate(texts) if text is not None)
            row = next((row for row in bad if not is_number(texts[row])), None)
            if row is None:
                raise DataError(f"{where(0)}: column {name!r} has numbers as text: convert them")
            raise DataError(
                f"{where(row)}: {texts[row]!r} in column {name!r} is no number: "
                f"{advice(texts[row])}"
            )
        if pa.types.is_boolean(column.type):
            column = column.cast(pa.int8())
        if not _is_numeric(column.type):
            raise DataError(
                f"{where(0)}: column {name!r} has {column.type} and no numbers: convert it, or "
                "leave it out"
            )
        found = column.cast(pa.from_numpy_dtype(kind), safe=False)
        found = found.to_numpy(zero_copy_only=False)
        if (infinite := np.isinf(found)).any():
            row = int(np.argmax(infinite))
            raise DataError(
                f"{where(row)}: {found[row]} in column {name!r} is infinite: leave it empty where "
                "there is no value"
            )
        return found


@runtime_checkable
class _Columns(Protocol):
    """What a table of Arrow has, and a file that is read column by column has, too."""

    @property
    def num_rows(self) -> int: ...
    def field(self, name: str) -> pa.Field: ...
    def column(self, name: str) -> pa.ChunkedArray: ...


@runtime_checkable
class _Reader(Protocol):
    """What can give the columns of a table."""

    names: list[str]

    def sample(self) -> pa.Table: ...
    def read(self, texts: Sequence[str], numbers: Sequence[str], item: str | None) -> _Columns: ...
    def number(self, row: int) -> int: ...


def open_table(given: Any, layout: Layout, stem: str = "series") -> Table:
    """The columns of a table that are needed.

    >>> table = open_table({"time": [1, 2], "load": [3.0, 4.0], "site": ["a", "a"]}, Layout())
    >>> table.values, table.rows
    (('load',), 2)

    Args:
        given: a path, an Arrow table, a data frame, or a mapping of names to columns.
        layout: of the columns.
        stem: what the series is called if no column says so; that of a file by its name.

    Raises:
        DataError: the table is missing or unreadable, has no rows, or lacks a column.
        ConfigError: the end of a file's name does not say how it is read.
    """
    name, reader = "the table", _reader(given, layout.time)
    if isinstance(given, str | pathlib.PurePath):
        path = locate(str(given))
        name, stem = str(path), stem_of(path.name)
    values, beside = layout.values, layout.beside
    if values is None:
        _check_distinct(name, [one for one in reader.names if not _ROW_NUMBERS.fullmatch(one)])
        values = tuple(one for one in _numeric_names(reader.sample()) if one not in beside)
    for one, field in (beside | dict.fromkeys(values, "values")).items():
        if one not in reader.names:
            near = _near(one, reader.names)
            raise DataError(f"{name} has no column {one!r} for {field}={near}")
        _check_distinct(name, [other for other in reader.names if other == one])
    if not values:
        raise DataError(f"{name} has no column of numbers beside {', '.join(beside)}: add one")
    texts = [one for one, field in beside.items() if field not in ("past", "known")]
    columns = reader.read(texts, [*values, *layout.past, *layout.known], layout.item)
    if isinstance(columns, pa.Table) and isinstance(reader, Delimited):
        columns = _with_numbers(columns, layout.static)
    if not columns.num_rows:
        raise DataError(f"{name} has no rows: nothing can be learned from it")
    return Table(name, stem, columns, values, reader.number)


def _check_distinct(table: str, names: Sequence[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise DataError(f"{table} has {count} columns of the name {name!r}: rename all but one")


def locate(given: str) -> pathlib.Path:
    """The file that a path names; `package:name/file.csv` is one inside an installed package.

    Raises:
        DataError: the package is not installed, or a variable in the path is not set.
    """
    if not given.startswith(_PACKAGE):
        return expand(given)
    package, _, inner = given.removeprefix(_PACKAGE).partition("/")
    # The package is found and not imported: reading a table executes nothing.
    found = importlib.util.find_spec(package) if package.isidentifier() else None
    folders = None if found is None else found.submodule_search_locations
    if not folders:
        raise DataError(f"{given}: the package {package} is not installed: pip install {package}")
    return pathlib.Path(folders[0], inner)


def check_suffix(path: str) -> None:
    """Raises ConfigError unless the name of a file says how it is read."""
    if not (_DELIMITED.search(path) or _PARQUET.search(path)):
        raise ConfigError(
            f"{path!r} must end with .csv, .tsv, one of these and .gz, or with .parquet or .pq"
        )


def stem_of(path: str) -> str:
    """What a series is called by its file.

    >>> stem_of("ett/ETTh1.csv.gz")
    'ETTh1'
    """
    name = pathlib.PurePath(path).name
    return _DELIMITED.sub("", _PARQUET.sub("", name))


def _reader(given: Any, time: str) -> _Reader:
    if not isinstance(given, str | pathlib.PurePath):
        return InMemory(given, time)
    check_suffix(str(given))
    path = locate(str(given))
    return Parquet(path, time) if _PARQUET.search(path.name) else Delimited(path)


def _numeric_names(sample: pa.Table) -> list[str]:
    """The columns of numbers, and of text that is mostly numbers: one that is not is a mistake."""
    found = []
    for field, column in zip(sample.schema, sample.columns, strict=True):
        if _ROW_NUMBERS.fullmatch(field.name):
            continue
        if is_text(field.type):
            texts = [text for text in column.to_pylist() if text]
            is_numeric = texts and 2 * sum(map(is_number, texts)) >= len(texts)
        else:
            is_numeric = _is_numeric(field.type)
        if is_numeric:
            found.append(field.name)
    return found


def _with_numbers(columns: pa.Table, names: Sequence[str]) -> pa.Table:
    """With columns of text as numbers, where all of it is: a file of text has no types."""
    for name in names:
        place = columns.schema.get_field_index(name)
        with contextlib.suppress(pa.ArrowInvalid):
            columns = columns.set_column(place, name, columns.column(place).cast(pa.float64()))
    return columns


def _is_numeric(kind: pa.DataType) -> bool:
    kinds = pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null
    return any(one(kind) for one in kinds)


def _near(name: str, names: Sequence[str]) -> str:
    near = suggestion(name, names)
    if "mean" in near or len(names) <= _MOST_NAMES:
        return near
    return f"; there are {len(names)}, {', '.join(names[:3])}, ..."
