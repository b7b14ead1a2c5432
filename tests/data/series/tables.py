"""Small tables, well formed and not."""

import pathlib
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from lstm_jax.data.series.panel import Panel, Schema
from lstm_jax.data.series.sources import SeriesTable
from lstm_jax.errors import DataError

NAN = float("nan")
Case = tuple[str, Any, dict[str, Any], str]
"""The name of a file, its content, fields of `SeriesTable`, and what is said of it."""


def days(*values: Any, header: str = "t,id,load") -> str:
    """Days of item a from 2024-01-01 on; a value may hold several fields."""
    rows = (f"2024-01-{day:02},a,{value}\n" for day, value in enumerate(values, 1))
    return f"{header}\n{''.join(rows)}"


def rows(*lines: str, header: str = "t,id,load") -> str:
    return "".join(f"{line}\n" for line in (header, *lines))


def hours(day: str, *times: str) -> str:
    return rows(*(f"{day} {time},a,{row}" for row, time in enumerate(times)))


def table(**columns: Any) -> dict[str, Any]:
    return {"t": [1, 2, 3], "id": ["a"] * 3, "load": [1.0, 2.0, 3.0]} | columns


def write(path: pathlib.Path, content: Any) -> None:
    if isinstance(content, dict | pa.Table):
        pyarrow.parquet.write_table(pa.table(content), path)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.write_text(content)


def panel_of(given: Any, schema: Schema | None = None, **fields: Any) -> Panel:
    return SeriesTable("x.csv", **{"time": "t", "item": "id", **fields}).panel_of(given, schema)


def refusal(case: Case) -> str:
    """What is said of a file in the working directory."""
    name, content, fields, _ = case
    write(pathlib.Path(name), content)
    with pytest.raises(DataError) as raised:
        SeriesTable(name, **{"time": "t", "item": "id", **fields}).load()
    return str(raised.value)
