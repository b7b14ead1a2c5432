"""Checkpoints that are whole or absent: saved by one rename, verified before use.

    checkpoints/1200/arrays/...      the leaves of the state, as Orbax stores them
    checkpoints/1200/manifest.json   the SHA-256 of every file, written last

Orbax restores a flipped bit without a word, and casts a float32 array to bfloat16 where that is
asked for. Here every byte is hashed before anything is read, and the shape and dtype of every leaf
must be those of the template.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp

from lstm_jax import step_directories
from lstm_jax.errors import CheckpointError, StorageError
from lstm_jax.files import synchronize

FORMAT = 1
_MANIFEST = "manifest.json"
_ARRAYS = "arrays"
_log = logging.getLogger(__name__)


class Restored(NamedTuple):
    """A checkpoint that was read back."""

    step: int
    state: Any
    metadata: dict[str, Any]


def save(directory: Path, step: int, state: Any, metadata: dict[str, Any]) -> Path:
    """Saves a tree of arrays as `directory/<step>` and returns that path once it is on the disk.

    Files are written beside and moved into place by one rename: killed at any instant, the step is
    there whole or not at all, and the other steps are untouched. A checkpoint of the same step is
    moved aside only when the new one is complete; killed just between the two, the next
    `restore_latest` moves it back.

    Args:
        directory: where the checkpoints of a run lie; made if absent.
        step: the number of the training step, which names the checkpoint.
        state: any tree of arrays (no typed random keys), on any number of devices.
        metadata: what else a resumed run needs, as plain JSON values.

    Raises:
        StorageError: the disk is full or refuses to be written.
    """
    leaves = {name: np.asarray(leaf) for name, leaf in _named_leaves(state).items()}
    final, temporary = directory / str(step), directory / f".{step}.writing"
    replaced = directory / f".{step}.replaced"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        synchronize(directory.parent)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        _require_space(temporary / "space", leaves)
        _write_arrays(temporary / _ARRAYS, leaves)
        files = [path for path in sorted(temporary.rglob("*")) if path.is_file()]
        manifest = {
            "format": FORMAT,
            "step": step,
            "metadata": metadata,
            "leaves": {name: _describe(leaf) for name, leaf in leaves.items()},
            "files": {path.relative_to(temporary).as_posix(): _fingerprint(path) for path in files},
        }
        (temporary / _MANIFEST).write_text(_render(manifest), encoding="utf-8")
        for path in [*temporary.rglob("*"), temporary]:
            synchronize(path)
        if final.exists():
            step_directories.hide(final, "replaced")
        temporary.rename(final)
        synchronize(directory)
    except BaseException as error:
        step_directories.put_back(replaced)
        shutil.rmtree(temporary, ignore_errors=True)
        reason = _storage_failure(error)
        if reason is None:
            raise
        raise StorageError(
            f"checkpoint of step {step} could not be written to {directory}: {reason}; mend that "
            "and start again from the checkpoint before it, which is intact"
        ) from error
    if replaced.exists():
        shutil.rmtree(step_directories.hide(replaced), ignore_errors=True)
    return final


def steps(directory: Path) -> list[int]:
    """The steps of the complete checkpoints in `directory`, ascending; none if there is none."""
    found = step_directories.numbered(directory)
    return [step for step in found if (directory / str(step) / _MANIFEST).exists()]


def read_manifest(directory: Path, step: int) -> dict[str, Any]:
    """The manifest of a checkpoint: `step`, `metadata`, `leaves` (shapes and dtypes), `files`.

    Raises:
        CheckpointError: there is no such checkpoint, or the manifest itself is damaged.
    """
    path = directory / str(step) / _MANIFEST
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        there = f"steps there: {', '.join(map(str, steps(directory))) or 'none'}"
        raise CheckpointError(f"no checkpoint of step {step} in {directory}; {there}") from None
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


def verify(directory: Path, step: int) -> dict[str, Any]:
    """Hashes every file of a checkpoint, compares it with the manifest and returns the manifest.

    Raises:
        CheckpointError: there is no such checkpoint, or a file is missing or damaged, and which.
    """
    manifest = read_manifest(directory, step)
    for name, recorded in manifest["files"].items():
        path = directory / str(step) / name
        try:
            found = _fingerprint(path)
        except OSError as error:
            raise CheckpointError(f"checkpoint is damaged: {path}: {error.strerror}") from error
        if found != recorded:
            raise CheckpointError(f"checkpoint is damaged: {path} differs from its digest")
    return manifest


def restore(directory: Path, step: int, template: Any, part: str = "") -> Any:
    """Reads the state of one step back, or a part of it, after verifying every byte of it.

    Args:
        directory: where the checkpoints of the run lie.
        step: one of `steps(directory)`.
        template: a tree of arrays or `jax.ShapeDtypeStruct`s with the structure of the saved state;
            NumPy arrays are returned in their places, on whatever devices they were saved from.
        part: the name of the part which `template` describes, such as ".params"; all, if not given.

    Raises:
        CheckpointError: the checkpoint is missing or damaged, or a leaf is absent from it or has
            another shape or dtype than in `template` (nothing is ever cast).
    """
    return _read(directory / str(step), verify(directory, step), template, part)


def restore_latest(directory: Path, template: Any) -> Restored | None:
    """Restores the newest undamaged checkpoint; warns of each damaged one by name and skips it.

    Returns None where `directory` holds no checkpoint at all. Only the writer of a run may call it:
    it finishes what a killed `save` left.

    Raises:
        CheckpointError: all are damaged, or the newest whole one does not fit `template`.
    """
    for path in step_directories.children(directory):
        if re.fullmatch(r"\.\d+\.replaced", path.name):
            step_directories.put_back(path)
    candidates = step_directories.numbered(directory)
    for step in reversed(candidates):
        try:
            manifest = verify(directory, step)
        except CheckpointError as error:
            _log.warning("%s; using the checkpoint before it", error)
            continue
        state = _read(directory / str(step), manifest, template)
        return Restored(step, state, manifest["metadata"])
    if candidates:
        damaged = f"all {len(candidates)} checkpoints in {directory} are damaged"
        raise CheckpointError(f"{damaged}: put back a copy or start in another directory")
    return None


def prune(directory: Path, keep: Collection[int]) -> None:
    """Deletes all checkpoints but those of the steps in `keep`, and what killed writers left.

    Only the writer of a run may call it: it deletes unfinished files as well.
    """
    for step in step_directories.numbered(directory):
        if step not in keep:
            step_directories.hide(directory / str(step))
    for path in step_directories.children(directory):
        if re.fullmatch(r"\.\d+\.(writing|replaced|deleted)", path.name):
            shutil.rmtree(path, ignore_errors=True)


def _read(path: Path, manifest: dict[str, Any], template: Any, part: str = "") -> Any:
    """The state of a checkpoint whose files have been verified."""
    if manifest["format"] != FORMAT:
        raise CheckpointError(
            f"checkpoint {path} has format {manifest['format']} and this version of lstm_jax reads "
            f"format {FORMAT}: use the version that wrote it"
        )
    saved = manifest["leaves"]
    wanted = {part + name: _describe(leaf) for name, leaf in _named_leaves(template).items()}
    in_part = [name for name in saved if re.match(rf"{re.escape(part)}(\W|$)", name)]
    for name in [*wanted, *in_part]:
        if saved.get(name) != wanted.get(name):
            raise CheckpointError(
                f"checkpoint {path} does not fit the experiment: {name} is "
                f"{_show(saved.get(name))} in the checkpoint and {_show(wanted.get(name))} here"
            )
    arrays = _read_arrays(path / _ARRAYS, saved)
    return jax.tree.unflatten(jax.tree.structure(template), [arrays[name] for name in wanted])


def _named_leaves(tree: Any) -> dict[str, Any]:
    """Leaves by the path that leads to them, in the order of `jax.tree.leaves`."""
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree.leaves_with_path(tree)}


def _describe(leaf: Any) -> dict[str, Any]:
    leaf = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
    return {"shape": list(leaf.shape), "dtype": str(leaf.dtype)}


def _show(leaf: dict[str, Any] | None) -> str:
    return f"{leaf['dtype']}[{','.join(map(str, leaf['shape']))}]" if leaf else "absent"


def _require_space(path: Path, leaves: dict[str, np.ndarray]) -> None:
    # Orbax, when some of its concurrent writes fail, abandons the others, which go on writing and
    # print tracebacks. Asking the file system first makes a full disk a plain OSError.
    size = sum(leaf.nbytes + 2048 for leaf in leaves.values()) + 2**16
    if hasattr(os, "posix_fallocate"):  # macOS has none
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
        path.unlink()


def _write_arrays(path: Path, leaves: dict[str, np.ndarray]) -> None:
    # Orbax refuses empty arrays, of which the manifest knows all there is to know. Compressing
    # random mantissas would take three times as long and gain a tenth.
    stored = {name: leaf for name, leaf in leaves.items() if leaf.size}
    with _quiet_orbax(), ocp.PyTreeCheckpointer(use_compression=False) as checkpointer:
        checkpointer.save(path.absolute(), stored)


def _read_arrays(path: Path, leaves: dict[str, dict[str, Any]]) -> dict[str, np.ndarray]:
    empty = {name: np.zeros(leaf["shape"], leaf["dtype"]) for name, leaf in leaves.items()}
    # What was saved as NumPy arrays is restored as such, whatever devices there are.
    with _quiet_orbax(), ocp.PyTreeCheckpointer() as checkpointer:
        return empty | checkpointer.restore(path.absolute())


@contextlib.contextmanager
def _quiet_orbax() -> Iterator[None]:
    # Each of its threads would log the traceback of a failure, which reaches us as an exception.
    log, nothing = logging.getLogger("absl"), logging.Filter("nothing")
    log.addFilter(nothing)
    try:
        yield
    finally:
        log.removeFilter(nothing)


def _storage_failure(error: BaseException) -> str | None:
    """Why the operating system refused to write; None if the error is of another kind."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    # TensorStore wraps the number of the operating system's error in the text of a ValueError.
    number = re.search(r"os_error_code='(\d+)'", str(error))
    return os.strerror(int(number.group(1))) if number else None


def _render(manifest: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(manifest).encode()).hexdigest()
    return json.dumps(manifest | {"digest": digest}, indent=1) + "\n"


def _fingerprint(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
