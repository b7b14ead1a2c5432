"""The log of metrics: a file of JSON lines that a resumed run takes up where its checkpoint was."""

import contextlib
import json
import logging
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lstm_jax.errors import RunDirectoryError
from lstm_jax.files import storage_error

_log = logging.getLogger(__name__)


class MetricsLog:
    """A file of JSON lines, one record each. It holds no clocks: equal runs write equal bytes."""

    def __init__(self, path: Path):
        self._path = path
        try:
            self._file = path.open("ab", buffering=0)
            self._size = path.stat().st_size
        except OSError as error:
            raise storage_error(path, error) from error

    @property
    def size(self) -> int:
        """Bytes written, which a checkpoint records so that `truncate` can return to it."""
        return self._size

    def append(self, record: Mapping[str, str | int | float | np.generic]) -> None:
        """Adds a line: a `step`, a `split`, and the metrics.

        Numbers are read back exactly. It is standard JSON: NaN is written as null and infinity as
        1e999, which every reader takes for infinity.

        Raises:
            StorageError: the disk is full; no part of the record is left in the file.
        """
        line = f"{render(record)}\n".encode()
        try:
            written = 0
            while written < len(line):
                written += self._file.write(line[written:]) or 0
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(self._size)
            raise storage_error(self._path, error) from error
        self._size += len(line)

    def sync(self) -> None:
        """Returns once all that was appended is on the disk."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise storage_error(self._path, error) from error

    def truncate(self, size: int) -> None:
        """Goes back to an earlier `size`, dropping what a run wrote after its last checkpoint.

        A file that is shorter, or that has no end of a line there, was changed by someone else: it
        keeps the whole lines up to there, with a warning.
        """
        whole = self._path.read_bytes()[:size].rfind(b"\n") + 1
        if whole != size:
            _log.warning(
                "%s should have %d bytes and has %d in whole lines: some records are lost",
                self._path,
                size,
                whole,
            )
        self._file.truncate(whole)
        self._size = whole

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def read_log(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """The log as arrays, as `run_directory.read_metrics` returns them.

    Raises:
        RunDirectoryError: a line is malformed; which.
    """
    records: dict[str, list[dict[str, Any]]] = {}
    lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
    # What follows the last newline is a line that is being written at this moment.
    for number, line in enumerate(lines[:-1], start=1):
        try:
            record = json.loads(line)
            records.setdefault(record.pop("split"), []).append(record)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RunDirectoryError(f"{path}, line {number}: not a record of metrics") from None
    return {
        split: {name: _column(name, rows) for name in dict.fromkeys(n for row in rows for n in row)}
        for split, rows in records.items()
    }


def render(record: Mapping[str, Any]) -> str:
    """A record as one line of JSON that every reader takes: NaN is null, infinity is 1e999."""
    fields = (f"{json.dumps(name)}: {_number(value)}" for name, value in record.items())
    return f"{{{', '.join(fields)}}}"


def _number(value: Any) -> str:
    # Of NumPy or of JAX, where a task leaves a figure as it was computed.
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, float) and not math.isfinite(plain):
        return "null" if math.isnan(plain) else f"{'-' if plain < 0 else ''}1e999"
    if isinstance(plain, Mapping):
        return render(plain)
    if isinstance(plain, list | tuple):
        return f"[{', '.join(map(_number, plain))}]"
    return json.dumps(plain)


def _column(name: str, rows: list[dict[str, Any]]) -> np.ndarray:
    values = [row.get(name) for row in rows]
    whole = all(isinstance(value, int) for value in values)
    return np.array([math.nan if v is None else v for v in values], np.int64 if whole else float)
