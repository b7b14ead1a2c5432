"""What a task learned from validation data for one checkpoint: `calibration/<step>.json`."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lstm_jax.errors import ConfigError, RunDirectoryError
from lstm_jax.files import write_atomically
from lstm_jax.storage import manifest
from lstm_jax.storage.run_directory import CHECKPOINTS

CALIBRATION = "calibration"


def save(workdir: Path, step: int, values: Mapping[str, Any]) -> None:
    """Saves what belongs to the checkpoint of a step, with the digest of that checkpoint.

    Raises:
        ConfigError: JSON cannot hold it.
        StorageError: the disk is full or refuses to be written.
    """
    content = {"checkpoint": _digest(workdir, step), "values": values}
    try:
        text = json.dumps(content, indent=2) + "\n"
    except (TypeError, ValueError) as error:
        raise ConfigError(f"calibrate must return what JSON can hold: {error}") from error
    path = _path(workdir, step)
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, text.encode(), is_shared=True)


def read(workdir: Path, step: int) -> dict[str, Any] | None:
    """What was saved for the checkpoint of a step; None if nothing was.

    Raises:
        RunDirectoryError: it is malformed, or was saved for another checkpoint.
    """
    path = _path(workdir, step)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        values, digest = content["values"], content["checkpoint"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunDirectoryError(f"{path} cannot be read ({error}): delete it") from error
    if digest != _digest(workdir, step):
        raise RunDirectoryError(
            f"{path} belongs to another checkpoint of step {step}: delete it, and calibrate anew"
        )
    return values


def _path(workdir: Path, step: int) -> Path:
    return workdir / CALIBRATION / f"{step}.json"


def _digest(workdir: Path, step: int) -> str:
    """The SHA-256 of the manifest, which has that of every other file of the checkpoint."""
    path = workdir / CHECKPOINTS / str(step) / manifest.MANIFEST
    return hashlib.sha256(path.read_bytes()).hexdigest()
