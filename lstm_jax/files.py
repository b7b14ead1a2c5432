"""Files that survive a kill, a power cut and a full disk."""

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from lstm_jax.errors import StorageError, UserError

_LONGEST_NAME = 255
"""Bytes in a name, on most file systems."""
_MOST_LINKS = 40
"""One behind another, as Linux follows them."""


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
        path: of the file; see `replacing`.
        content: all of it.
        is_shared: several processes may write the file at once, and the last of them wins.

    Raises:
        StorageError: the disk is full or refuses to be written; an older file stays as it was.
        BrokenPipeError: it is a pipe whose reader has gone.
    """
    with replacing(path, is_shared=is_shared) as file:
        file.write(content)


@contextlib.contextmanager
def replacing(path: Path, *, is_shared: bool = False) -> Iterator[IO[bytes]]:
    """A file to be written in a `with` block, whose end puts it in the place of the one at `path`.

        with replacing(Path("labels.jsonl")) as file:
            file.write(b"{}")

    What is written goes where a shell's `> path` would send it. Links are followed, and stay. A
    regular file is replaced by one rename, and keeps its permissions: it is never seen half
    written, and if the block fails it is as it was. A device or a pipe cannot be replaced: it is
    written to.

    Args:
        path: of the file.
        is_shared: several processes may write the file at once, and the last of them wins.

    Raises:
        StorageError: before the block, what is at `path` or its folder may not be written; after
            it, the disk is full.
        BrokenPipeError: it is a pipe whose reader has gone.
    """
    try:
        target = _behind_links(path)
        if _is_descriptor(target) or not _is_regular_or_absent(target):
            opened = _open_in_place(target)
        else:
            opened = _open_beside(target, is_shared)
        with opened as file:
            yield file
    except (StorageError, BrokenPipeError):
        raise
    except OSError as error:
        raise storage_error(path, error) from error


def temporary_name(path: Path) -> Path:
    """The name beside `path` under which its next content is written; a kill may leave it there."""
    name = f".{path.name}.writing"
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()}.writing"
    return path.with_name(name)


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


def _behind_links(path: Path) -> Path:
    """Where links lead, be anything there or not; the links among descriptors are left alone."""
    for _ in range(_MOST_LINKS):
        path = Path(os.path.realpath(path.parent), path.name)
        if _is_descriptor(path) or not path.is_symlink():
            return path
        path = path.parent / path.readlink()
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _is_descriptor(path: Path) -> bool:
    """Whether the name is one of what a process has open, such as /dev/stdout is a link to."""
    # What stands there looks like a link to a file, but may have no name or one that is gone.
    return path.is_relative_to("/proc") or path.parent == Path("/dev/fd")


def _is_regular_or_absent(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return True


@contextlib.contextmanager
def _open_beside(path: Path, is_shared: bool) -> Iterator[IO[bytes]]:
    """Opens a new file that takes the place of `path` once the block is done."""
    old = None
    with contextlib.suppress(FileNotFoundError):
        old = path.stat()
        os.close(os.open(path, os.O_WRONLY))  # refused where the user may not write it
    # A name of its own is left behind by a kill, so it is for what nothing locks alone.
    name = f"{path.name}.{secrets.token_hex(4)}" if is_shared else path.name
    temporary = temporary_name(path.with_name(name))
    temporary.unlink(missing_ok=True)
    flags, mode = os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if old is None else 0o600
    descriptor = os.open(temporary, flags, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if old is not None:
                with contextlib.suppress(PermissionError):  # most users cannot give files away
                    os.fchown(descriptor, old.st_uid, old.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
            yield file
            file.flush()
            os.fsync(descriptor)
        try:
            temporary.replace(path)
        except OSError as error:
            # A file that is mounted by itself, as into a container, or is somebody else's in a
            # folder such as /tmp, may be written to and not be replaced.
            if old is None or error.errno not in (errno.EBUSY, errno.EPERM, errno.EACCES):
                raise
            shutil.copyfile(temporary, path)
            temporary.unlink()
        synchronize(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _open_in_place(path: Path) -> IO[bytes]:
    """Opens what cannot be replaced: a device, a pipe, a descriptor of this or another process."""
    own = Path("/dev/fd"), Path(f"/proc/{os.getpid()}/fd")
    if path.parent not in own or not (path.name.isascii() and path.name.isdecimal()):
        # Without O_CREAT: where a device is gone by now, no ordinary file takes its place.
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_TRUNC), "wb")
    # Opened by its name a file would lose what it has, and a socket could not be opened at all.
    descriptor = int(path.name)
    if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return os.fdopen(os.dup(descriptor), "wb")
