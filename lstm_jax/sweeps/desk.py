"""Where workers take trials and hand them back."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from lstm_jax.errors import SweepError
from lstm_jax.sweeps.liveness import Liveness, begin_attempt, end_attempt
from lstm_jax.sweeps.storage import patiently
from lstm_jax.sweeps.trials import (
    AFTER,
    ERROR,
    FIRST,
    LEFT,
    METRICS,
    OWNER,
    SEEN,
    STARTED,
    STEP,
    VERDICT,
    Standing,
    State,
    Trial,
    busy_seconds,
    read_trials,
)

T = TypeVar("T")

_log = logging.getLogger(__name__)

# TPE passes over what fails. From what diverges it should learn.
_TOLD = {
    State.COMPLETE: TrialState.COMPLETE,
    State.PRUNED: TrialState.PRUNED,
    State.DIVERGED: TrialState.PRUNED,
    State.FAILED: TrialState.FAIL,
}
_TRIES = 5
"""A trial fails when so many workers in a row have died over it without a checkpoint between."""
_HOPELESS = 5
"""A sweep stops when its first, or its last, so many trials have all failed."""


class Desk:
    """Takes trials for one worker, so that no two have the same and none is lost."""

    def __init__(
        self,
        study: optuna.Study,
        storage: RDBStorage,
        budget: int | None,
        hours: float | None,
        heartbeat: float,
    ):
        """Of a study.

        Args:
            study: the sweep's.
            storage: its database.
            budget: the number of trials that may be begun.
            hours: in which they may be begun.
            heartbeat: seconds between this worker's signs of life.
        """
        self._study, self._storage = study, storage
        self._budget, self._hours, self._heartbeat = budget, hours, heartbeat
        self._liveness, self._opened = Liveness(), time.time()

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
        for row in self._liveness.dead(self.rows()):
            self._end(row)

    def take(self) -> Trial | None:
        """A trial for this worker: one that waits, else a new one; None where there is neither.

        Raises:
            SweepError: workers die over every trial.
        """
        self.release_dead()
        standing = self.standing()
        if standing.is_late:
            return None
        for waiting in standing.waiting:
            if _is_hopeless(waiting):
                self._give_up(waiting)
            elif taken := self._add(waiting):
                return taken
        while self.standing().may_begin:
            if taken := self._add(None):
                return taken
        return None

    def set(self, trial: Trial, name: str, value: Any) -> None:
        """Notes something on a trial, if it is still this worker's.

        Raises:
            LostTrialError: it is not.
        """
        guard(lambda: self._storage.set_trial_user_attr(trial.last._trial_id, name, value))

    def finish(self, trial: Trial, state: State, value: float | None, error: str = "") -> None:
        """Ends a trial: no worker takes it by itself.

        Raises:
            LostTrialError: it was given to another worker, whose end counts.
        """
        try:
            if error:
                self.set(trial, ERROR, error)
            if state is not State.COMPLETE:
                self.set(trial, VERDICT, str(state))
            self.set(trial, SEEN, time.time())
            told = _TOLD[state]
            values = [value] if value is not None and told is not TrialState.FAIL else None
            guard(lambda: self._storage.set_trial_state_values(trial.last._trial_id, told, values))
        finally:
            end_attempt(trial.last.user_attrs[OWNER])

    def release(self, trial: Trial) -> None:
        """Hands a trial back: whoever comes next goes on with it."""
        try:
            with contextlib.suppress(LostTrialError):
                self.set(trial, LEFT, True)
                self.set(trial, SEEN, time.time())
            row = patiently(lambda: self._storage.get_trial(trial.last._trial_id))
            self._end(row)
        finally:
            end_attempt(trial.last.user_attrs[OWNER])

    def retry_failed(self) -> None:
        """Hands back all trials that failed: not their setting was at fault, somebody says."""
        for trial in self.standing().trials:
            has_failed = trial.state is State.FAILED and self._counts(trial)
            if has_failed and (taken := self._add(trial)):
                self.release(taken)

    def stop_if_all_fail(self) -> None:
        """Ends a sweep whose experiment, or whose machine, is at fault and not what is searched.

        Raises:
            SweepError: the first trials have all failed, or the last that this process has seen
                end, after several tries each.
        """
        final = self.standing().final
        ended = [one for one in final if one.last.user_attrs[SEEN] >= self._opened]
        ended.sort(key=lambda one: one.last.user_attrs[SEEN])
        if not ended:
            return
        last = ended[-_HOPELESS:]
        told = f"trials failed, the last with: {last[-1].last.user_attrs.get(ERROR)}; "
        hint = "once that is mended, --retry_failed gives them another try"
        if len(final) >= _HOPELESS and all(one.state is State.FAILED for one in final):
            raise SweepError(f"all of the first {len(final)} {told}{hint}")
        # What the experiment refuses fails at the first try.
        lost = [one.state is State.FAILED and len(one.attempts) > 1 for one in last]
        if len(lost) == _HOPELESS and all(lost):
            raise SweepError(f"the last {_HOPELESS} {told}{hint}, and without it the others begin")

    def heartbeat(self, trial: Trial) -> "Heartbeat":
        """Signs of life for a trial, given in a `with` block."""
        return Heartbeat(lambda: self.set(trial, SEEN, time.time()), self._heartbeat)

    def _counts(self, trial: Trial) -> bool:
        return self._budget is None or trial.number < self._budget

    def _add(self, after: Trial | None) -> Trial | None:
        """Makes a row that is this worker's; None if another worker was faster."""
        now, owner = time.time(), begin_attempt(self._heartbeat)
        attributes: dict[str, Any] = {OWNER: owner, STARTED: now, SEEN: now}
        given: dict[str, Any] = {}
        if after is not None:
            last = after.last
            attributes |= {AFTER: last.number, FIRST: after.attempts[0].number}
            attributes |= {METRICS: last.user_attrs.get(METRICS, {})}
            given = {"params": last.params, "distributions": last.distributions}
            # What pruners have noted on the trial and compare others with.
            given["intermediate_values"] = last.intermediate_values
            given["system_attrs"] = last.system_attrs
        row = create_trial(state=TrialState.RUNNING, user_attrs=attributes, **given)
        taken = None
        try:
            trial_id = patiently(lambda: self._storage.create_new_trial(self._study._study_id, row))
            found = [one for one in read_trials(self.rows()) if one.last._trial_id == trial_id]
            taken = found[0] if found and self._counts(found[0]) else None
        finally:
            if taken is None:
                end_attempt(owner)
        if taken is None:
            self.release_dead()
        return taken

    def _give_up(self, trial: Trial) -> None:
        """Lets a trial fail over which one worker after another has died."""
        if taken := self._add(trial):
            error = f"{_TRIES} workers in a row died over it: not enough memory, perhaps"
            self.finish(taken, State.FAILED, None, error)
            self.stop_if_all_fail()

    def _end(self, row: FrozenTrial) -> None:
        """Ends an attempt; one over whose trial there is a verdict as that says."""
        verdict = row.user_attrs.get(VERDICT)
        state = _TOLD[State(verdict)] if verdict else TrialState.FAIL
        with contextlib.suppress(UpdateFinishedTrialError):  # another process was faster
            patiently(lambda: self._storage.set_trial_state_values(row._trial_id, state))


class LostTrialError(SweepError):
    """The trial was given to another worker, because this one was silent for too long."""

    def __init__(self):
        super().__init__("another worker has it by now, for this one was silent for too long")


def guard(action: Callable[[], T]) -> T:
    """The result of an action on a trial that is this worker's.

    Raises:
        LostTrialError: it is not any more.
        SweepError: the database has been away for too long.
    """
    try:
        return patiently(action)
    except UpdateFinishedTrialError:
        raise LostTrialError from None


class Heartbeat:
    """Gives signs of life in a thread. Use it in a `with` block.

    Attributes:
        is_lost: whether the trial was given to another worker in spite of it.
    """

    def __init__(self, give: Callable[[], None], interval: float):
        """Calls `give` every `interval` seconds."""
        self.is_lost = False
        self._give, self._interval = give, interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(self._interval):
            try:
                self._give()
            except LostTrialError:
                self.is_lost = True
                return
            except SweepError as error:
                _log.warning("%s", error)


def _is_hopeless(trial: Trial) -> bool:
    """Whether the last workers all died, the run never coming further."""
    died = trial.attempts[-_TRIES:]
    steps = {row.user_attrs.get(STEP) for row in died}
    left = any(row.user_attrs.get(LEFT) for row in died)
    return len(died) == _TRIES and len(steps) == 1 and not left
