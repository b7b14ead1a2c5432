"""Figures of simple rivals beside those of a run: `baselines.json`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lstm_jax.errors import RunDirectoryError
from lstm_jax.files import write_atomically

FILE = "baselines.json"
Rows = dict[str, dict[str, Any]]


def save(workdir: Path, data: str, split: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Adds the figures of rivals on a split to those that are there.

    Args:
        workdir: the run directory.
        data: the digest of the data, `evaluated_digest`; figures of other data are dropped.
        split: the part that was measured.
        rows: figures by the names of the rivals.

    Raises:
        RunDirectoryError: what is there is malformed.
        StorageError: the disk is full or refuses to be written.
    """
    splits = _splits(workdir)
    if split not in splits or splits[split]["data"] != data:
        splits[split] = {"data": data, "rows": {}}
    splits[split]["rows"].update(rows)
    content = {"splits": splits}
    write_atomically(workdir / FILE, (json.dumps(content, indent=1) + "\n").encode())


def read(workdir: Path, data: str, split: str) -> Rows:
    """The figures of rivals on a split of these very data, by their names; empty if none ran.

    Raises:
        RunDirectoryError: the file is malformed.
    """
    found = _splits(workdir).get(split)
    return found["rows"] if found is not None and found["data"] == data else {}


def _splits(workdir: Path) -> dict[str, Any]:
    path = workdir / FILE
    try:
        splits = json.loads(path.read_text(encoding="utf-8"))["splits"]
        for one in splits.values():
            if not isinstance(one["data"], str) or not isinstance(one["rows"], dict):
                raise TypeError
        return splits
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or "it is malformed"
        raise RunDirectoryError(f"{path} cannot be read ({reason}): delete it") from error
