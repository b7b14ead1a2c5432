"""What a task learned from validation data for one checkpoint: `calibration/<step>.json`."""

import contextlib
import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from lstm_jax.errors import CheckpointError, ConfigError, RunDirectoryError
from lstm_jax.files import storage_error, write_atomically
from lstm_jax.storage import manifest
from lstm_jax.storage.run_directory import CHECKPOINTS

CALIBRATION = "calibration"


def checkpoint_digest(workdir: Path, step: int) -> str:
    """The SHA-256 of a checkpoint's manifest, which has that of every other file.

    Raises:
        CheckpointError: there is no such checkpoint any more.
    """
    path = workdir / CHECKPOINTS / str(step) / manifest.MANIFEST
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error


def save(workdir: Path, step: int, checkpoint: str, values: Mapping[str, Any]) -> None:
    """Saves what belongs to the checkpoint of a step, with the digests of both.

    Raises:
        ConfigError: JSON cannot hold it.
        StorageError: the disk is full or refuses to be written.
    """
    try:
        # As it will be read: JSON makes strings of all keys, and their order is another one then.
        values = json.loads(json.dumps(values))
        digest = _digest(values)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"calibrate must return what JSON can hold: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"calibrate must return a mapping, not a {type(values).__name__}")
    content = {"checkpoint": checkpoint, "values": values, "sha256": digest}
    path = _path(workdir, step)
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise storage_error(path.parent, error) from error
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode(), is_shared=True)


def read(workdir: Path, step: int, checkpoint: str) -> dict[str, Any] | None:
    """What was saved for the checkpoint of a step; None if nothing was.

    Args:
        workdir: the run directory.
        step: of the checkpoint.
        checkpoint: its digest.

    Raises:
        RunDirectoryError: it is malformed or changed, or was saved for another checkpoint.
    """
    path = _path(workdir, step)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        values, was = content["values"], content["checkpoint"]
        if content["sha256"] != _digest(values):
            raise ValueError("it was changed")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RunDirectoryError(f"{path} cannot be read ({reason}): delete it") from error
    if was != checkpoint:
        raise RunDirectoryError(
            f"{path} belongs to another checkpoint of step {step}: delete it, and calibrate anew"
        )
    return values


def prune(workdir: Path, keep: Collection[int]) -> None:
    """Deletes those of other steps."""
    for path in (workdir / CALIBRATION).glob("*.json"):
        if path.stem.isdecimal() and int(path.stem) not in keep:
            with contextlib.suppress(OSError):
                path.unlink()


def _path(workdir: Path, step: int) -> Path:
    return workdir / CALIBRATION / f"{step}.json"


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
