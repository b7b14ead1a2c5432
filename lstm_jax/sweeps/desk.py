"""Where workers take trials and hand them back."""

import contextlib
import logging
import os
import socket
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from lstm_jax.errors import SweepError
from lstm_jax.sweeps.storage import patiently
from lstm_jax.sweeps.trials import (
    AFTER,
    ERROR,
    LEFT,
    METRICS,
    OWNER,
    SEEN,
    STEP,
    VERDICT,
    Standing,
    State,
    Trial,
    busy_seconds,
    read_trials,
)

_log = logging.getLogger(__name__)

_LOST = 3600.0
"""Seconds after which a worker that has given no sign of life is dead even where it never began to
give any: it died in the instant between its row and its first heartbeat."""
_TRIES = 5
"""A trial fails when so many workers in a row have died over it without a checkpoint between."""


class Desk:
    """Takes trials for one worker, so that no two have the same and none is lost."""

    def __init__(
        self, study: optuna.Study, storage: RDBStorage, budget: int | None, hours: float | None
    ):
        """Of a study; `budget` is the number of trials that may be begun, in so many hours."""
        self._study, self._storage, self._budget = study, storage, budget
        self._hours = hours
        self._id = storage.get_study_id_from_name(study.study_name)
        self._owner = _identity()

    def rows(self) -> list[FrozenTrial]:
        """All attempts so far."""
        return patiently(lambda: self._study.get_trials(deepcopy=False))

    def standing(self) -> Standing:
        """How the sweep stands: all trials that the budget holds, and what was begun beyond it."""
        rows = self.rows()
        trials = [one for one in read_trials(rows) if self._counts(one) or one.values]
        return Standing(trials, busy_seconds(rows), self._budget, self._hours)

    def release_dead(self) -> None:
        """Ends the attempts of workers that died, so that others go on with their trials."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            patiently(lambda: optuna.storages.fail_stale_trials(self._study))
        for row in self.rows():
            if row.state is TrialState.RUNNING and _is_dead(row.user_attrs):
                self._end(row, TrialState.FAIL)

    def take(self) -> Trial | None:
        """A trial for this worker: one that waits, else a new one; None where there is neither."""
        self.release_dead()
        standing = self.standing()
        if standing.is_late:
            return None
        for waiting in standing.waiting:
            if _is_hopeless(waiting):
                self._give_up(waiting)
            elif taken := self._add(waiting):
                return taken
        while self.standing().may_begin():
            if taken := self._add(None):
                return taken
        return None

    def set(self, trial: Trial, name: str, value: Any) -> None:
        """Notes something on a trial, if it is still this worker's.

        Raises:
            LostTrialError: it is not.
        """
        self._guard(lambda: self._storage.set_trial_user_attr(trial.last._trial_id, name, value))

    def finish(self, trial: Trial, state: State, value: float | None, error: str = "") -> None:
        """Ends a trial for good.

        Raises:
            LostTrialError: it was given to another worker, whose end counts.
        """
        if error:
            self.set(trial, ERROR, error)
        if state not in (State.COMPLETE, State.PRUNED):
            self.set(trial, VERDICT, str(state))
        # TPE passes over what fails. From what diverges it should learn: the worst of the pruned.
        told = {
            State.COMPLETE: TrialState.COMPLETE,
            State.FAILED: TrialState.FAIL,
        }.get(state, TrialState.PRUNED)
        values = [value] if value is not None and told is not TrialState.FAIL else None
        self._guard(
            lambda: self._storage.set_trial_state_values(trial.last._trial_id, told, values)
        )

    def release(self, trial: Trial) -> None:
        """Hands a trial back: whoever comes next goes on with it."""
        with contextlib.suppress(LostTrialError):
            self.set(trial, LEFT, True)
            self.set(trial, SEEN, time.time())
        self._end(trial.last, TrialState.FAIL)

    def beat(self, trial: Trial, interval: float) -> "Heart":
        """Signs of life for a trial, given in a `with` block."""
        return Heart(self, trial, interval)

    def sign(self, trial: Trial) -> None:
        """One sign of life."""
        patiently(lambda: self._storage.record_heartbeat(trial.last._trial_id))
        self.set(trial, SEEN, time.time())

    def _counts(self, trial: Trial) -> bool:
        return self._budget is None or trial.number < self._budget

    def _add(self, after: Trial | None) -> Trial | None:
        """Makes a row that is this worker's; None if another worker was faster."""
        attributes: dict[str, Any] = {OWNER: self._owner, SEEN: time.time()}
        given: dict[str, Any] = {}
        if after is not None:
            last = after.last
            attributes |= {AFTER: last.number, METRICS: last.user_attrs.get(METRICS, {})}
            given = {"params": last.params, "distributions": last.distributions}
        row = create_trial(state=TrialState.RUNNING, user_attrs=attributes, **given)
        trial_id = patiently(lambda: self._storage.create_new_trial(self._id, row))
        for trial in read_trials(self.rows()):
            if trial.last._trial_id == trial_id and self._counts(trial):
                return trial
        self._end(self._storage.get_trial(trial_id), TrialState.FAIL)
        return None

    def _give_up(self, trial: Trial) -> None:
        """Lets a trial fail over which one worker after another has died."""
        if taken := self._add(trial):
            error = f"{_TRIES} workers in a row died over it: not enough memory, perhaps"
            self.finish(taken, State.FAILED, None, error)

    def _end(self, row: FrozenTrial, state: TrialState) -> None:
        with contextlib.suppress(UpdateFinishedTrialError):  # another process was faster
            patiently(lambda: self._storage.set_trial_state_values(row._trial_id, state))

    def _guard(self, action: Any) -> None:
        try:
            patiently(action)
        except UpdateFinishedTrialError:
            raise LostTrialError from None


class LostTrialError(SweepError):
    """The trial was given to another worker, because this one was silent for too long."""

    def __init__(self):
        super().__init__("another worker has it by now, for this one was silent for too long")


class Heart:
    """Gives signs of life in a thread. Use it in a `with` block."""

    def __init__(self, desk: Desk, trial: Trial, interval: float):
        self.is_lost = False
        self._desk, self._trial, self._interval = desk, trial, interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "Heart":
        self._desk.sign(self._trial)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(self._interval):
            try:
                self._desk.sign(self._trial)
            except LostTrialError:
                self.is_lost = True
                return
            except SweepError as error:
                _log.warning("%s", error)


def _identity() -> dict[str, Any]:
    """What tells this process from all others."""
    return {"host": _host(), "process": os.getpid(), "started": _started(os.getpid())}


def _is_dead(attributes: dict[str, Any]) -> bool:
    """Whether the owner of a row is known to be dead: a process of this machine that is no more."""
    owner = attributes.get(OWNER)
    if owner is None:
        return False  # not ours: enqueued by hand
    if owner["host"] == _host():
        return _started(owner["process"]) != owner["started"]
    return time.time() - attributes.get(SEEN, 0.0) > _LOST


def _is_hopeless(trial: Trial) -> bool:
    """Whether the last workers all died, the run never coming further."""
    died = trial.attempts[-_TRIES:]
    steps = {row.user_attrs.get(STEP) for row in died}
    left = any(row.user_attrs.get(LEFT) for row in died)
    return len(died) == _TRIES and len(steps) == 1 and not left


def _host() -> str:
    """This machine, or the container of it in which process numbers mean what they say."""
    try:
        return f"{socket.gethostname()}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return socket.gethostname()


def _started(process: int) -> str | None:
    """What tells a process from a later one with its number; None if there is none."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
        fields = text.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except OSError:
        pass
    if Path("/proc/self").exists():
        return None
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "alive"
