"""Which workers are alive."""

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from lstm_jax.sweeps.trials import OWNER, SEEN

GRACE = 6
"""A worker that has been silent for so many heartbeats is dead."""
_ATTEMPTS: set[str] = set()
"""Those that this process is at work on."""
_BLIND = 10.0
"""Seconds without a look after which the silence of others is counted anew."""


class Liveness:
    """Tells which attempts are those of dead workers.

    Those of this machine are told by their processes. Those of other machines by their silence, on
    the clock of this process and as far as the database answers it: machines do not agree on the
    time, and while the database is away nobody can give a sign of life.
    """

    def __init__(self):
        self._looked = time.monotonic()
        self._seen: dict[int, float | None] = {}
        self._silent: dict[int, float] = {}

    def dead(self, rows: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """The running ones of these rows, all of the sweep's, whose workers are dead."""
        now = time.monotonic()
        passed, self._looked = now - self._looked, now
        running = [row for row in rows if row.state is TrialState.RUNNING]
        return [row for row in running if OWNER in row.user_attrs and self._is_dead(row, passed)]

    def _is_dead(self, row: FrozenTrial, passed: float) -> bool:
        owner, seen = row.user_attrs[OWNER], row.user_attrs.get(SEEN)
        if owner["host"] == host():
            is_left = owner["process"] == os.getpid() and owner["attempt"] not in _ATTEMPTS
            try:
                return is_left or started(owner["process"]) != owner["started"]
            except OSError:  # too many open files, perhaps: that says nothing of the worker
                return False
        key, heartbeat = row._trial_id, owner["heartbeat"]
        # Where this process, too, could not look for long, that says nothing of the worker.
        is_blind = passed > max(_BLIND, heartbeat)
        if is_blind or key not in self._seen or self._seen[key] != seen:
            self._seen[key], self._silent[key] = seen, 0.0
        else:
            self._silent[key] += passed
        return self._silent[key] > GRACE * heartbeat


def begin_attempt(heartbeat: float) -> dict[str, Any]:
    """The owner of a new attempt: what tells this process, and its attempt, from all others.

    Args:
        heartbeat: seconds between its signs of life.
    """
    process, attempt = os.getpid(), secrets.token_hex(8)
    _ATTEMPTS.add(attempt)
    who = {"host": host(), "process": process, "started": started(process)}
    return who | {"attempt": attempt, "heartbeat": heartbeat}


def end_attempt(owner: dict[str, Any]) -> None:
    """Nobody works on an attempt any more, whatever its row says."""
    _ATTEMPTS.discard(owner["attempt"])


def host() -> str:
    """This machine since it was started, or the container of it in which process numbers count."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(str(os.stat("/proc/self/ns/pid").st_ino))
    return "/".join(parts)


def started(process: int) -> str | None:
    """What tells a process from a later one with its number; None if there is none.

    Raises:
        OSError: the system does not say.
    """
    try:
        text = Path(f"/proc/{process}/stat").read_text()
        fields = text.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self").exists():
            return None
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "alive"
