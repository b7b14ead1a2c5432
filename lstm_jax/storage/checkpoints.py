"""Checkpoints that are whole or absent: saved by one rename, verified before use.

    checkpoints/1200/arrays/...      the leaves of the state, as Orbax stores them
    checkpoints/1200/manifest.json   the SHA-256 of every file, written last

Orbax restores a flipped bit without a word, and casts a float32 array to bfloat16 where that is
asked for. Here every byte is hashed before anything is read, and the shape and dtype of every leaf
must be those of the template. Nor does it always say that it could not write: what it has written
is read back and compared before the checkpoint takes the place of any other.
"""

import contextlib
import logging
import os
import re
import shlex
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp

from lstm_jax.errors import CheckpointError, StorageError
from lstm_jax.files import synchronize
from lstm_jax.storage import manifest as manifests
from lstm_jax.storage import step_directories
from lstm_jax.storage.harmless import harmless
from lstm_jax.storage.leaves import are_same, describe_leaf, misfit, named_leaves, pieces

FORMAT = 1
_ARRAYS = "arrays"
_MERGED = "manifest.ocdbt"
"""What Orbax writes last, of the files that each of its processes has written."""
_PIECE = 1 << 26
"""Bytes that are read back at once."""
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
        StorageError: the disk is full or refuses to be written, or gives back something else.
    """
    leaves = {name: np.asarray(leaf) for name, leaf in named_leaves(state).items()}
    # Orbax refuses empty arrays, of which the manifest knows all there is to know.
    stored = {name: leaf for name, leaf in leaves.items() if leaf.size}
    final, temporary = directory / str(step), directory / f".{step}.writing"
    replaced = directory / f".{step}.replaced"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        synchronize(directory.parent)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        _require_space(temporary / "space", leaves)
        _write_arrays(temporary / _ARRAYS, stored)
        manifest = {
            "format": FORMAT,
            "step": step,
            "metadata": metadata,
            "leaves": {name: describe_leaf(leaf) for name, leaf in leaves.items()},
            "files": manifests.fingerprints(temporary),
        }
        _require_same(temporary / _ARRAYS, stored)
        manifests.write(temporary, manifest)
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
    return [step for step in found if (directory / str(step) / manifests.MANIFEST).exists()]


def read_manifest(directory: Path, step: int) -> dict[str, Any]:
    """The manifest of a checkpoint: `step`, `metadata`, `leaves` (shapes and dtypes), `files`.

    Raises:
        CheckpointError: there is no such checkpoint, or the manifest itself is damaged.
    """
    try:
        return manifests.read(directory / str(step))
    except FileNotFoundError:
        there = f"steps there: {', '.join(map(str, steps(directory))) or 'none'}"
        raise CheckpointError(f"no checkpoint of step {step} in {directory}; {there}") from None


def verify(directory: Path, step: int) -> dict[str, Any]:
    """Hashes every file of a checkpoint, compares it with the manifest and returns the manifest.

    Raises:
        CheckpointError: there is no such checkpoint, or a file is missing or damaged, and which.
    """
    manifest = read_manifest(directory, step)
    manifests.verify(directory / str(step), manifest)
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
    wanted = {part + name: describe_leaf(leaf) for name, leaf in named_leaves(template).items()}
    if difference := misfit(saved, wanted, part):
        raise CheckpointError(f"checkpoint {path} does not fit the experiment: {difference}")
    arrays = _read_arrays(path / _ARRAYS, {name: saved[name] for name in wanted})
    return jax.tree.unflatten(jax.tree.structure(template), [arrays[name] for name in wanted])


def _require_space(path: Path, leaves: dict[str, np.ndarray]) -> None:
    # Orbax, when some of its concurrent writes fail, abandons the others, which go on writing and
    # print tracebacks. Asking the file system first makes a full disk a plain OSError.
    size = sum(leaf.nbytes + 2048 for leaf in leaves.values()) + 2**16
    if hasattr(os, "posix_fallocate"):  # macOS has none
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
        path.unlink()


def _write_arrays(path: Path, leaves: dict[str, np.ndarray]) -> None:
    # Compressing random mantissas would take three times as long and gain a tenth.
    with (
        _quiet_orbax(),
        harmless(path.parent) as folder,
        ocp.PyTreeCheckpointer(use_compression=False) as checkpointer,
    ):
        checkpointer.save(folder / path.name, leaves)


def _read_arrays(path: Path, leaves: dict[str, dict[str, Any]]) -> dict[str, np.ndarray]:
    """The leaves of these names, shapes and dtypes.

    Raises:
        CheckpointError: they cannot be read.
    """
    empty = {
        name: np.zeros(leaf["shape"], leaf["dtype"])
        for name, leaf in leaves.items()
        if 0 in leaf["shape"]
    }
    try:
        return empty | _restore_arrays(path, [name for name in leaves if name not in empty])
    except CheckpointError as error:
        # So earlier versions left them where the name of a directory meant something to Orbax.
        parts, hint = path / "ocdbt.process_0", ""
        if parts.exists() and not (path / _MERGED).exists():
            hint = f": cp -R {shlex.quote(f'{parts}/.')} {shlex.quote(f'{path}/')} finishes them"
        raise CheckpointError(f"checkpoint {path.parent} cannot be read: {error}{hint}") from error


def _require_same(path: Path, leaves: dict[str, np.ndarray]) -> None:
    """Reads back what was written, and compares it bit for bit.

    Raises:
        CheckpointError: it is something else, or nothing that can be read.
    """
    # In pieces, so that it takes no more memory than writing did.
    for piece in pieces(leaves, _PIECE):
        found = _restore_arrays(path, list(piece))
        for name, leaf in piece.items():
            if not are_same(found[name], leaf):
                raise CheckpointError(f"{name} is read back with other values")


def _restore_arrays(path: Path, names: list[str]) -> dict[str, np.ndarray]:
    # Asked for arrays that are not there, Orbax's threads print a traceback for each of them.
    if names and not (path / _MERGED).exists():
        raise CheckpointError("Orbax left its files unfinished")
    # What was saved as NumPy arrays is restored as such, whatever devices there are.
    kinds = {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in names}
    what = ocp.args.PyTreeRestore(dict.fromkeys(names, 0), kinds, partial_restore=True)
    try:
        with _quiet_orbax(), harmless(path) as folder, ocp.PyTreeCheckpointer() as checkpointer:
            return checkpointer.restore(folder, args=what) if names else {}
    except Exception as error:
        # TensorStore tells of its own state in brackets.
        lines = str(error).split(" [")[0].splitlines() or [type(error).__name__]
        raise CheckpointError(lines[0]) from error


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
    if isinstance(error, OSError | CheckpointError):
        return getattr(error, "strerror", None) or str(error)
    # TensorStore wraps the number of the operating system's error in the text of a ValueError.
    number = re.search(r"os_error_code='(\d+)'", str(error))
    return os.strerror(int(number.group(1))) if number else None
