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
        data: the digest of the data; figures of other data are dropped.
        split: the part that was measured.
        rows: figures by the names of the rivals.

    Raises:
        RunDirectoryError: what is there is malformed.
        StorageError: the disk is full or refuses to be written.
    """
    content = _content(workdir)
    if content.get("data") != data:
        content = {"data": data, "splits": {}}
    content["splits"].setdefault(split, {}).update(rows)
    write_atomically(workdir / FILE, (json.dumps(content, indent=1) + "\n").encode())


def read(workdir: Path, data: str, split: str) -> Rows:
    """The figures of rivals on a split of these very data, by their names; empty if none ran.

    Raises:
        RunDirectoryError: the file is malformed.
    """
    content = _content(workdir)
    return content["splits"].get(split, {}) if content.get("data") == data else {}


def _content(workdir: Path) -> dict[str, Any]:
    path = workdir / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content["splits"], dict):
            raise TypeError
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "strerror", None) or "it is malformed"
        raise RunDirectoryError(f"{path} cannot be read ({reason}): delete it") from error
    return content
