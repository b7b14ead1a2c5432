"""The manifest of a checkpoint: JSON that has a digest of its own, and those of all other files."""

import hashlib
import json
from pathlib import Path
from typing import Any

from lstm_jax.errors import CheckpointError

MANIFEST = "manifest.json"


def write(checkpoint: Path, manifest: dict[str, Any]) -> None:
    """Writes the manifest into the directory of a checkpoint."""
    (checkpoint / MANIFEST).write_text(_render(manifest), encoding="utf-8")


def read(checkpoint: Path) -> dict[str, Any]:
    """The manifest of a checkpoint.

    Raises:
        FileNotFoundError: it has none.
        CheckpointError: the manifest itself is damaged.
    """
    path = checkpoint / MANIFEST
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"checkpoint is damaged: {path}: {error}") from error
    try:
        manifest = json.loads(text)
        del manifest["digest"]
    except (ValueError, KeyError, TypeError):
        raise CheckpointError(f"checkpoint is damaged: {path} is not a manifest") from None
    # Comparing the whole text finds a changed byte that means the same in JSON, too.
    if text != _render(manifest):
        raise CheckpointError(f"checkpoint is damaged: {path} differs from its digest")
    return manifest


def fingerprints(checkpoint: Path) -> dict[str, str]:
    """The SHA-256 of every file of a checkpoint that has no manifest yet."""
    files = [path for path in sorted(checkpoint.rglob("*")) if path.is_file()]
    return {path.relative_to(checkpoint).as_posix(): _fingerprint(path) for path in files}


def verify(checkpoint: Path, manifest: dict[str, Any]) -> None:
    """Hashes every file of a checkpoint and compares it with the manifest.

    Raises:
        CheckpointError: a file is missing or damaged, and which.
    """
    for name, recorded in manifest["files"].items():
        path = checkpoint / name
        try:
            found = _fingerprint(path)
        except OSError as error:
            raise CheckpointError(f"checkpoint is damaged: {path}: {error.strerror}") from error
        if found != recorded:
            raise CheckpointError(f"checkpoint is damaged: {path} differs from its digest")


def _render(manifest: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(manifest).encode()).hexdigest()
    return json.dumps(manifest | {"digest": digest}, indent=1) + "\n"


def _fingerprint(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
