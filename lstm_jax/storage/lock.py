"""The lock of a run directory, which says who is writing."""

import datetime
import fcntl
import json
import os
import socket
from pathlib import Path
from typing import IO

from lstm_jax.errors import RunDirectoryInUseError
from lstm_jax.files import storage_error

LOCK = "lock"


def acquire(path: Path) -> IO[bytes]:
    """Locks the directory; the file holds the lock until it is closed."""
    try:
        lock = (path / LOCK).open("a+b", buffering=0)
    except OSError as error:
        raise storage_error(path / LOCK, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        since = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        owner = {"process": os.getpid(), "host": socket.gethostname(), "since": since}
        lock.truncate(0)
        lock.write(json.dumps(owner).encode())
    except BlockingIOError:
        with lock:
            lock.seek(0)
            owner = _describe_owner(lock.read())
        raise RunDirectoryInUseError(
            f"{path} is being written by {owner}: wait for it to end or choose another directory"
        ) from None
    except OSError as error:
        lock.close()
        raise storage_error(path / LOCK, error) from error
    return lock


def _describe_owner(text: bytes) -> str:
    try:
        owner = json.loads(text)
        return f"process {owner['process']} on host {owner['host']} since {owner['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"  # which has not yet come to write its name
