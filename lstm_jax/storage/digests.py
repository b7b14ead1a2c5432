"""What a checkpoint knows of the files beside it: a changed one is found before it is used."""

import functools
import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path

from lstm_jax.errors import RunDirectoryError

CONFIG = "config.json"
VOCABULARY = "vocabulary.json"


def digests(workdir: Path, may_grow: Collection[str]) -> dict[str, str]:
    """The SHA-256 of each file that the meaning of a checkpoint depends on, by its name.

    Args:
        workdir: the run directory.
        may_grow: the fields of the config, dotted, that may become larger. They do not count.
    """
    return {name: _digest(workdir / name, may_grow) for name in (CONFIG, VOCABULARY)}


def verify(workdir: Path, saved: Mapping[str, str], may_grow: Collection[str], step: int) -> None:
    """Compares the files of a run with what a checkpoint of it has noted.

    Args:
        workdir: the run directory.
        saved: what `digests` said when the checkpoint was saved; checkpoints of the first format
            hold none.
        may_grow: as in `digests`.
        step: of the checkpoint.

    Raises:
        RunDirectoryError: a file was changed since, or cannot be read.
    """
    for name, digest in saved.items():
        if _digest(workdir / name, may_grow) != digest:
            raise RunDirectoryError(
                f"{workdir / name} was changed since the checkpoint of step {step} was saved: put "
                "back the old one"
            )


def _digest(path: Path, may_grow: Collection[str]) -> str:
    try:
        content = path.read_bytes()
        if path.name == CONFIG:
            settled = json.loads(content)
            for name in may_grow:
                *way, last = name.split(".")
                functools.reduce(dict.__getitem__, way, settled).pop(last, None)
            content = json.dumps(settled, sort_keys=True).encode()
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise RunDirectoryError(f"{path} cannot be read: {error}") from error
    return hashlib.sha256(content).hexdigest()
