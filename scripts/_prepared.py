"""Prepared sets on disk: written by one process at a time, seen only when whole, never altered.

Beside its files a set has `digests.json`: SHA-256 of each file, which shows damage, and for each
split SHA-256 of its examples in their order, which is the same wherever and however it is prepared.
"""

import contextlib
import fcntl
import hashlib
import json
import pathlib
import shutil
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import tqdm

from lstm_jax.errors import DataError, StorageError
from lstm_jax.files import storage_error, synchronize, write_atomically

DIGESTS = "digests.json"
_PIECE = 1024


def workshop(root: pathlib.Path, name: str) -> pathlib.Path:
    """The folder, new and of this process alone, in which a set is prepared."""
    return root / f".{name}.preparing.{uuid.uuid4().hex}"


@contextlib.contextmanager
def alone(root: pathlib.Path, name: str) -> Iterator[None]:
    """Waits until no other process prepares the set, and has no workshop left before and after.

    The system unlocks what a killed process had locked.

    Raises:
        StorageError: the folder cannot be written.
    """
    path = root / f".{name}.lock"
    try:
        root.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise storage_error(path, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another process, which prepares {name} in {root}", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        try:
            _clear(root, name)
            yield
        finally:
            _clear(root, name)


def _clear(root: pathlib.Path, name: str) -> None:
    for folder in root.glob(f".{name}.preparing.*"):
        shutil.rmtree(folder, ignore_errors=True)


def publish(workshop: pathlib.Path, folder: pathlib.Path, root: pathlib.Path) -> pathlib.Path:
    """Moves a set out of the workshop to where it is found, all at once, and returns where.

    Raises:
        StorageError: the disk refuses to be written.
    """
    target = root / folder.relative_to(workshop)
    try:
        for path in [*folder.iterdir(), folder]:
            synchronize(path)
        for path in workshop.glob("*/.config/*"):  # which configuration is the default
            copy = root / path.relative_to(workshop)
            copy.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(copy, path.read_bytes())
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(target)
        synchronize(target.parent)
    except OSError as error:
        raise storage_error(target, error) from error
    return target


def record(builder: Any) -> dict[str, Any]:
    """Writes the digests of a set beside its files and returns them.

    Raises:
        DataError: the set is damaged.
        StorageError: the disk refuses to be written.
    """
    digests = {"files": _files(builder), "splits": _splits(builder)}
    path = pathlib.Path(builder.data_dir) / DIGESTS
    write_atomically(path, json.dumps(digests, indent=2).encode())
    return digests


def verify(builder: Any) -> tuple[str, dict[str, Any]]:
    """Compares a set with its digests; one that has none gets them.

    Returns:
        What was found, in words, and the digests.

    Raises:
        DataError: a file is damaged or missing.
    """
    folder = pathlib.Path(builder.data_dir)
    try:
        digests = json.loads((folder / DIGESTS).read_bytes())
        files, splits = dict(digests["files"]), dict(digests["splits"])
    except FileNotFoundError:
        try:
            return "without digests until now", record(builder)
        except StorageError:  # The set belongs to somebody else.
            return "without digests", {"splits": _splits(builder)}
    except (ValueError, KeyError, TypeError):
        raise _damaged(folder, f"{DIGESTS} cannot be read") from None
    found = _files(builder)
    for name, digest in files.items():
        if found.get(name) != digest:
            raise _damaged(folder, f"{name} does not match {DIGESTS}")
    if _splits(builder) != splits:
        raise _damaged(folder, f"the examples do not match {DIGESTS}")
    return "undamaged", digests


def _files(builder: Any) -> dict[str, str]:
    digests = {}
    for path in sorted(pathlib.Path(builder.data_dir).iterdir()):
        if path.name != DIGESTS and path.is_file() and not path.name.startswith("."):
            with path.open("rb") as file:
                digests[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def _splits(builder: Any) -> dict[str, dict[str, Any]]:
    return {
        name: {"examples": split.num_examples, "sha256": _examples(builder, name)}
        for name, split in builder.info.splits.items()
    }


def _examples(builder: Any, split: str) -> str:
    """SHA-256 over the length (8 bytes, big-endian) and the content of each example.

    The content is the example as a `tf.train.Example` with its fields in the order of their names,
    in which they do not stand in the files.
    """
    from google.protobuf.message import DecodeError
    from tensorflow_datasets.core.decode import DeserializeMethod
    from tensorflow_datasets.proto import tf_example_pb2

    module: Any = tf_example_pb2  # whose classes come into being when it is imported
    digest = hashlib.sha256()
    try:
        records = builder.as_data_source(split, deserialize_method=DeserializeMethod.RAW_BYTES)
        pieces = range(0, len(records), _PIECE)
        for begin in tqdm.tqdm(pieces, f"verifying {split}", leave=False, disable=None):
            for record in records.__getitems__(range(begin, min(begin + _PIECE, len(records)))):
                content = module.Example.FromString(record).SerializeToString(deterministic=True)
                digest.update(len(content).to_bytes(8, "big") + content)
    except (RuntimeError, TypeError, DecodeError):  # TypeError: a record that the file lacks
        raise _damaged(pathlib.Path(builder.data_dir), f"{split} cannot be read") from None
    return digest.hexdigest()


def _damaged(folder: pathlib.Path, what: str) -> DataError:
    return DataError(
        f"{folder} is damaged ({what}): delete the folder and run the same command again"
    )
