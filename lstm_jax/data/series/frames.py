"""Data frames, mappings of columns, Arrow tables and Parquet files, as Arrow tables."""

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from lstm_jax.errors import DataError

_SAMPLE = 1000
_INDEX = "__index_level_0__"
"""What pandas calls an index without a name when it writes it."""


class InMemory:
    """An Arrow table, or what becomes one."""

    def __init__(self, given: Any, time: str):
        table = as_arrow(given)
        own = _own_names(table.schema, time)
        self._table = table.rename_columns(list(own)) if len(own) == table.num_columns else table
        self.names: list[str] = self._table.column_names

    def sample(self) -> pa.Table:
        """The first rows of all columns."""
        return self._table.slice(0, _SAMPLE)

    def read(self, texts: Sequence[str], numbers: Sequence[str], item: str | None) -> pa.Table:
        """Some columns, of their own types."""
        del item
        return self._table.select([*texts, *numbers])

    def number(self, row: int) -> int:
        """Rows are counted from 1 on."""
        return row + 1


class Parquet:
    """A Parquet file.

    Raises:
        DataError: it is missing, unreadable, or none.
    """

    def __init__(self, path: pathlib.Path, time: str):
        self.path = path
        self._file = self._opened()
        self._own = _own_names(self._file.schema_arrow, time)
        self.names: list[str] = list(self._own)
        if len(self._own) < len(self._file.schema_arrow):
            self.names = self._file.schema_arrow.names

    def sample(self) -> pa.Table:
        """The first rows of all columns."""
        schema = self._file.schema_arrow
        # The others say by their types what they are.
        texts = [field.name for field in schema if is_text(field.type)]
        batch = next(self._file.iter_batches(_SAMPLE, columns=texts), None) if texts else None
        columns = [
            pa.nulls(0 if batch is None else len(batch), field.type)
            if batch is None or field.name not in texts
            else batch.column(field.name)
            for field in schema
        ]
        return pa.Table.from_arrays(columns, self.names)

    def read(self, texts: Sequence[str], numbers: Sequence[str], item: str | None) -> "Parquet":
        """The file itself: its columns are read when they are asked for."""
        del texts, numbers, item
        return self

    @property
    def num_rows(self) -> int:
        """As a table of Arrow calls it."""
        return self._file.metadata.num_rows

    def field(self, name: str) -> pa.Field:
        """The name and the type of a column."""
        return self._file.schema_arrow.field(self._own[name])

    def column(self, name: str) -> pa.ChunkedArray:
        """One column, which is all of the file that is in memory."""
        try:
            return self._file.read(columns=[self._own[name]]).column(0)
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(self.path, error) from None

    def number(self, row: int) -> int:
        """Rows are counted from 1 on."""
        return row + 1

    def _opened(self) -> Any:
        try:
            return pyarrow.parquet.ParquetFile(self.path)
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(self.path, error) from None


def _unreadable(path: pathlib.Path, error: Exception) -> DataError:
    if path.is_dir():
        return DataError(f"cannot read {path}: it is a folder: name its files, as a tuple")
    if isinstance(error, OSError) and error.errno is not None:
        return DataError(f"cannot read {path}: {os.strerror(error.errno)}")
    reason = str(error).splitlines()[0].split(". ")[0]
    return DataError(f"cannot read {path}: it is no whole Parquet file: {reason}")


def _own_names(schema: pa.Schema, time: str) -> dict[str, str]:
    """The table's own name of each column; an index of dates without a name is the time."""
    names = {name: name for name in schema.names}
    if time not in names and _INDEX in names and pa.types.is_timestamp(schema.field(_INDEX).type):
        return {time if name == _INDEX else name: name for name in names}
    return names


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is one of text."""
    return kind in (pa.string(), pa.large_string(), pa.string_view())


def as_arrow(given: Any) -> pa.Table:
    """A data frame, a mapping of names to columns or an Arrow table, as an Arrow table.

    Of an index of pandas, levels that have a name are columns, and so is one of dates.

    >>> as_arrow({"time": np.array(["2024-01-01"], "M8[D]"), "load": [1.5]}).column_names
    ['time', 'load']

    Raises:
        DataError: it is no table, or its columns are unequally long.
    """
    if isinstance(given, pa.Table):
        return given
    if isinstance(given, pa.RecordBatch):
        return pa.Table.from_batches([given])
    if hasattr(given, "to_dict") and hasattr(given, "columns") and hasattr(given, "index"):
        return _from_pandas(given)
    if hasattr(given, "__arrow_c_stream__") and hasattr(given, "columns"):
        return pa.table(given)
    if not isinstance(given, Mapping):
        raise DataError(
            f"{type(given).__name__} is no type of table: hand over a path, a data frame (of a "
            "Series: .to_frame), an Arrow table or a mapping of names to columns"
        )
    columns = {str(name): _column(str(name), array) for name, array in given.items()}
    lengths = {name: len(column) for name, column in columns.items()}
    if len({*lengths.values()}) > 1:
        told = ", ".join(f"{name!r} {length}" for name, length in lengths.items())
        raise DataError(f"the table's columns are unequally long: {told}: give each a value a row")
    return pa.table(columns)


def _from_pandas(frame: Any) -> pa.Table:
    """Column by column, so that nothing is copied that needs no other type."""
    columns: list[tuple[str, Any]] = []
    for level, name in enumerate(frame.index.names):
        # Rows that are only numbered need no column.
        column = _column(str(name), frame.index.get_level_values(level))
        if name is not None or pa.types.is_timestamp(column.type):
            columns.append((_INDEX if name is None else str(name), column))
    for place, name in enumerate(frame.columns):
        columns.append((str(name), _column(str(name), frame.iloc[:, place])))
    return pa.Table.from_arrays([column for _, column in columns], [name for name, _ in columns])


def _column(name: str, given: Any) -> Any:
    """A column as an Arrow array; one of unlike values as text, which says what they are."""
    if isinstance(given, np.ndarray) and given.dtype.kind == "M":
        # Arrow has no hours and minutes.
        unit = np.datetime_data(given.dtype)[0]
        given = given if unit in ("D", "s", "ms", "us", "ns") else given.astype("M8[s]")
    try:
        return pa.array(given, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError):
        rows = np.asarray(given, dtype=object)
    if rows.ndim != 1:
        raise DataError(f"the table: column {name!r} has {rows.ndim} axes: give it one, [rows]")
    texts = [None if value is None or value != value else str(value) for value in rows]
    return pa.array(texts, pa.large_string())
