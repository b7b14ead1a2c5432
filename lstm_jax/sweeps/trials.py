"""The trials of a sweep, read from the rows of its storage.

A row is one attempt at a trial. Where a worker dies or leaves, its row ends as FAIL without a
verdict, and the next worker makes a row that says which one it goes on from. Rows are only added
and only end once, so that any number of processes, reading at any time, see the same trials:

    number   of a trial: its place among the rows that go on from no other
    attempt  after attempt: the first row that goes on from the last one
"""

import dataclasses
import enum
import statistics
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

from optuna.trial import FrozenTrial, TrialState

from lstm_jax.sweeps.sweep import Direction

AFTER = "after"
"""Attribute of a row: the number of the row which it goes on from."""
FIRST = "first"
"""The number of the trial's first row, where it is not the row itself."""
OWNER = "owner"
"""The worker: see `liveness.begin_attempt`. A row without one was not made by a worker, and is left
out."""
STARTED = "started"
"""When it was made, in seconds since 1970 by the clock of its worker's machine."""
SEEN = "seen"
"""When its worker was last seen, by the same clock."""
STEP = "step"
"""The optimizer step from which the worker went on."""
LEFT = "left"
"""Whether the worker handed the trial back itself."""
VERDICT = "verdict"
ERROR = "error"
"""Why it ended as failed or diverged; without a verdict, what the worker met that left it."""
METRICS = "metrics"
"""The metric of each seed that is done, by the seed as text."""


class State(enum.StrEnum):
    """How a trial stands."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    """Ended early, by the pruner."""
    DIVERGED = "diverged"
    """A loss, a gradient or a parameter became NaN or infinite."""
    FAILED = "failed"
    """The experiment refuses its values, or all that tried it met an error or died."""
    RUNNING = "running"
    WAITING = "waiting"
    """Begun and left: the next worker goes on with it."""

    @property
    def is_final(self) -> bool:
        """Whether no worker takes the trial by itself any more."""
        return self not in (State.RUNNING, State.WAITING)


@dataclasses.dataclass(frozen=True)
class Trial:
    """A setting and all attempts at it."""

    number: int
    attempts: tuple[FrozenTrial, ...]

    @property
    def last(self) -> FrozenTrial:
        """The row that says how the trial stands."""
        return self.attempts[-1]

    @property
    def state(self) -> State:
        """How the trial stands."""
        if verdict := self.last.user_attrs.get(VERDICT):
            return State(verdict)
        return {
            TrialState.COMPLETE: State.COMPLETE,
            TrialState.PRUNED: State.PRUNED,
            TrialState.FAIL: State.WAITING,
        }.get(self.last.state, State.RUNNING)

    @property
    def values(self) -> dict[str, Any]:
        """The values by dotted name; empty where a worker died before it drew them."""
        return dict(self.last.params)

    @property
    def metrics(self) -> dict[int, float]:
        """The metric of each seed that is done."""
        return {int(seed): value for seed, value in self.last.user_attrs.get(METRICS, {}).items()}

    @property
    def curve(self) -> dict[int, float]:
        """The metric of the first seed after each evaluation, counted from 1."""
        return dict(sorted(self.last.intermediate_values.items()))

    @property
    def metric(self) -> float | None:
        """The mean over the seeds that are done; of a first run under way what it last logged."""
        done = self.metrics.values()
        return statistics.fmean(done) if done else next(reversed(self.curve.values()), None)

    @property
    def seconds(self) -> float:
        """The time that workers spent on it."""
        return sum(end - start for start, end in map(span, self.attempts))


@runtime_checkable
class _Ranked(Protocol):
    """A trial, or what is told of it."""

    @property
    def state(self) -> State: ...
    @property
    def metric(self) -> float | None: ...


T = TypeVar("T", bound=_Ranked)


def ranked(trials: Iterable[T], direction: Direction) -> list[T]:
    """Those that are complete, the best first."""
    sign = 1 if direction == "min" else -1
    complete = [one for one in trials if one.state is State.COMPLETE]
    with_metric = [(sign * one.metric, one) for one in complete if one.metric is not None]
    return [one for _, one in sorted(with_metric, key=lambda pair: pair[0])]


@dataclasses.dataclass(frozen=True)
class Standing:
    """How a sweep stands."""

    trials: Sequence[Trial]
    seconds: float
    """For how long at least one worker was at work."""
    budget: int | None
    """The number of trials that may be begun."""
    hours: float | None

    @property
    def is_late(self) -> bool:
        """Whether the hours are used up."""
        return self.hours is not None and self.seconds >= self.hours * 3600

    @property
    def final(self) -> list[Trial]:
        """Those that no worker takes by itself any more."""
        return [trial for trial in self.trials if trial.state.is_final]

    @property
    def running(self) -> list[Trial]:
        """Those that a worker has."""
        return [trial for trial in self.trials if trial.state is State.RUNNING]

    @property
    def held(self) -> list[Trial]:
        """Those whose last attempt has not ended, be it that there is a verdict already."""
        return [trial for trial in self.trials if trial.last.state is TrialState.RUNNING]

    @property
    def waiting(self) -> list[Trial]:
        """Those that the next workers go on with."""
        waiting = [trial for trial in self.trials if trial.state is State.WAITING]
        return [one for one in waiting if self.budget is None or one.number < self.budget]

    @property
    def may_begin(self) -> bool:
        """Whether the budget holds another trial."""
        return self.budget is None or len(self.trials) < self.budget

    def is_open(self, starting: int) -> bool:
        """Whether there is a trial for one more worker, when so many have none yet."""
        if self.budget is None:
            return True
        return len(self.waiting) + max(0, self.budget - len(self.trials)) > starting


def read_trials(rows: Sequence[FrozenTrial]) -> list[Trial]:
    """The trials that the rows of a storage stand for, by number."""
    rows = sorted((row for row in rows if OWNER in row.user_attrs), key=lambda row: row.number)
    following: dict[int, FrozenTrial] = {}
    for row in rows:
        # Two workers may both have gone on from a row: the first counts.
        if AFTER in row.user_attrs:
            following.setdefault(row.user_attrs[AFTER], row)
    trials = []
    for first in (row for row in rows if AFTER not in row.user_attrs):
        attempts = [first]
        while attempts[-1].number in following:
            attempts.append(following[attempts[-1].number])
        trials.append(Trial(len(trials), tuple(attempts)))
    return trials


def span(row: FrozenTrial) -> tuple[float, float]:
    """From when to when a worker was at work on a row, in seconds since 1970."""
    start = row.user_attrs[STARTED]
    return start, max(start, row.user_attrs[SEEN])


def busy_seconds(rows: Sequence[FrozenTrial]) -> float:
    """For how long at least one worker was at work."""
    total, until = 0.0, 0.0
    for start, end in sorted(span(row) for row in rows if OWNER in row.user_attrs):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total
