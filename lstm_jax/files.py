"""Files that survive a kill, a power cut and a full disk."""

import contextlib
import os
import secrets
from pathlib import Path

from lstm_jax.errors import StorageError, UserError


def expand_user(path: str | Path) -> Path:
    """The path with `~` replaced, which a shell leaves alone behind `--flag=`.

    Raises:
        UserError: there is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UserError(f"{path}: {error}") from error


def write_atomically(path: Path, content: bytes, *, is_shared: bool = False) -> None:
    """Writes a file that is never seen half written, not even after a kill or a power cut.

    Args:
        path: of the file.
        content: all of it.
        is_shared: several processes may write the file at once, and the last of them wins.

    Raises:
        StorageError: the disk is full or refuses to be written; an older file stays as it was.
    """
    # A name of its own is left behind by a kill, so it is for what nothing locks alone.
    name = f"{path.name}.{secrets.token_hex(4)}" if is_shared else path.name
    temporary = temporary_name(path.with_name(name))
    try:
        with temporary.open("wb") as file:
            file.write(content)
        synchronize(temporary)
        temporary.replace(path)
        synchronize(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise storage_error(path, error) from error


def temporary_name(path: Path) -> Path:
    """The name beside `path` under which its next content is written; a kill may leave it there."""
    return path.with_name(f".{path.name}.writing")


def synchronize(path: Path) -> None:
    """Returns once a file, or the list of names in a directory, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def storage_error(path: Path, error: OSError) -> StorageError:
    """The error of the operating system as one line that names the file."""
    return StorageError(f"{path} cannot be written: {error.strerror or error}")
