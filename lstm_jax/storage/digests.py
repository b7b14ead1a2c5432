"""What a checkpoint knows of the files beside it: a changed one is found before it is used."""

import functools
import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from lstm_jax.errors import RunDirectoryError

CONFIG = "config.json"
PREPROCESSOR = "preprocessor.json"


def digests(workdir: Path, may_grow: Collection[str]) -> dict[str, Any]:
    """What a checkpoint notes of each file that its meaning depends on, by the file's name.

    That is its SHA-256, and which fields of the config do not count for it.

    Args:
        workdir: the run directory.
        may_grow: the fields of the config, dotted, that may become larger.
    """
    noted = {CONFIG: sorted(may_grow), PREPROCESSOR: []}
    return {
        name: {"sha256": _digest(workdir / name, without), "without": without}
        for name, without in noted.items()
    }


def verify(workdir: Path, saved: Mapping[str, Any], step: int) -> None:
    """Compares the files of a run with what a checkpoint of it has noted.

    Args:
        workdir: the run directory.
        saved: what `digests` said when the checkpoint was saved; checkpoints of the first format
            hold none.
        step: of the checkpoint.

    Raises:
        RunDirectoryError: a file was changed since, is missing, or cannot be read.
    """
    for name, noted in saved.items():
        if not (workdir / name).exists():
            raise RunDirectoryError(
                f"{workdir / name} is missing, with which the checkpoint of step {step} was saved: "
                "put it back"
            )
        if _digest(workdir / name, noted["without"]) != noted["sha256"]:
            raise RunDirectoryError(
                f"{workdir / name} was changed since the checkpoint of step {step} was saved: put "
                "back the old one"
            )


def holder_of(plain: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """The part of a config, parsed from JSON, that holds a dotted name, and the name's last part.

    >>> holder_of({"data": {"window": 5}}, "data.window")
    ({'window': 5}, 'window')
    """
    *way, last = name.split(".")
    return functools.reduce(dict.__getitem__, way, plain), last


def _digest(path: Path, without: Collection[str]) -> str:
    try:
        content = path.read_bytes()
        if path.name == CONFIG:
            settled = json.loads(content)
            for name in without:
                holder, last = holder_of(settled, name)
                holder.pop(last, None)
            content = json.dumps(settled, sort_keys=True).encode()
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise RunDirectoryError(f"{path} cannot be read: {error}") from error
    return hashlib.sha256(content).hexdigest()
