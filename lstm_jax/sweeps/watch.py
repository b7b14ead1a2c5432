"""A live table of a sweep in the terminal; elsewhere a line for each trial that ends."""

import dataclasses
import datetime
import sys
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lstm_jax.sweeps.plots import short_names
from lstm_jax.sweeps.search import evaluations
from lstm_jax.sweeps.study import Study
from lstm_jax.sweeps.trials import State, Trial
from lstm_jax.tasks.base import Score

_FINISHED_SHOWN = 10
_LINE_INTERVAL = 60.0
"""Seconds after which a log gets a line even where no trial has ended."""


@dataclasses.dataclass(frozen=True)
class Standing:
    """How a sweep stands."""

    trials: Sequence[Trial]
    seconds: float
    """For how long at least one worker was at work."""
    budget: int | None
    hours: float | None

    @property
    def is_late(self) -> bool:
        """Whether the hours are used up."""
        return self.hours is not None and self.seconds >= self.hours * 3600

    @property
    def final(self) -> list[Trial]:
        """Those that no worker will touch again."""
        return [trial for trial in self.trials if trial.state.is_final]

    @property
    def running(self) -> list[Trial]:
        """Those that a worker has."""
        return [trial for trial in self.trials if trial.state is State.RUNNING]

    def open(self, starting: int) -> bool:
        """Whether there is a trial for one more worker, when so many have none yet."""
        free = sum(
            trial.state is State.WAITING and (self.budget is None or trial.number < self.budget)
            for trial in self.trials
        )
        unbegun = 0 if self.budget is None else max(0, self.budget - len(self.trials))
        return self.budget is None or free + unbegun > starting


class Watch:
    """Shows how a sweep stands. Use it in a `with` block."""

    def __init__(self, study: Study):
        self._definition = study.definition
        self._names = short_names(study.definition.space)
        metric, direction = study.definition.metric, study.definition.direction
        self._score = Score(metric.partition("/")[2], direction)
        self._evaluations = evaluations(study.definition.experiment)
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=False)
        self._told: set[int] = set()
        self._line = time.monotonic()

    def show(self, standing: Standing) -> None:
        """Shows the present state."""
        if self._console.is_terminal:
            self._live.update(self._render(standing), refresh=True)
            return
        news = [trial for trial in standing.final if trial.number not in self._told]
        for trial in news:
            values = ", ".join(f"{name}={_show(one)}" for name, one in trial.values.items())
            told = _show(metric_of(trial, self._score))
            print(f"trial {trial.number}: {trial.state} {told} ({values})", file=sys.stderr)
        self._told |= {trial.number for trial in news}
        if news or time.monotonic() - self._line > _LINE_INTERVAL:
            self._line = time.monotonic()
            print(self._headline(standing), file=sys.stderr, flush=True)

    def __enter__(self) -> "Watch":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def _render(self, standing: Standing) -> Group:
        table = Table(box=None, pad_edge=False, header_style="bold")
        metric = self._definition.metric
        for name in ("trial", *self._names.values(), metric, "evaluations", "state"):
            table.add_column(name, overflow="fold")
        best = best_of(standing.final, self._score)
        shown = [*standing.final[-_FINISHED_SHOWN:], *standing.running]
        if best is not None and best not in shown:
            shown.insert(0, best)
        for trial in shown:
            style = "bold green" if trial is best else "dim" if trial.state.is_final else ""
            values = [_show(trial.values.get(name)) for name in self._names]
            count = len(trial.last.intermediate_values)
            whole = f"{count}/{self._evaluations}" if self._evaluations else str(count)
            figure = _show(metric_of(trial, self._score))
            state = "best so far" if trial is best else str(trial.state)
            table.add_row(str(trial.number), *values, figure, whole, state, style=style)
        return Group(table, Text(self._headline(standing)))

    def _headline(self, standing: Standing) -> str:
        done, hours = len(standing.final), standing.seconds / 3600
        parts = [f"{done}/{standing.budget}" if standing.budget else f"{done}"]
        parts[0] += f" trials done, {len(standing.running)} running"
        if best := best_of(standing.final, self._score):
            figure = _show(metric_of(best, self._score))
            parts.append(f"best {self._definition.metric} {figure} (trial {best.number})")
        if done and hours:
            parts.append(f"{done / hours:.3g} trials/h")
        if (left := self._left(standing)) is not None:
            parts.append(f"{datetime.timedelta(seconds=round(left))} left")
        return ", ".join(parts)

    def _left(self, standing: Standing) -> float | None:
        """Seconds to the end; None where nothing tells."""
        hours = standing.hours
        ends = [] if hours is None else [hours * 3600 - standing.seconds]
        if standing.budget is not None and standing.final:
            done = len(standing.final)
            ends.append((standing.budget - done) * standing.seconds / done)
        return max(0.0, min(ends)) if ends else None


def metric_of(trial: Trial, score: Score) -> float | None:
    """The mean over the seeds that are done, or the best evaluation of the one under way."""
    done = list(trial.metrics.values()) or list(trial.last.intermediate_values.values())
    if not done:
        return None
    if trial.metrics:
        return sum(done) / len(done)
    return min(done) if score.direction == "min" else max(done)


def best_of(trials: Sequence[Trial], score: Score) -> Trial | None:
    """The complete trial with the best metric."""
    best: Trial | None = None
    for trial in trials:
        value = metric_of(trial, score)
        if trial.state is State.COMPLETE and value is not None:
            held = metric_of(best, score) if best else None
            if held is None or score.improves(value, held):
                best = trial
    return best


def _show(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
