"""A live table of a sweep in the terminal; elsewhere a line for each trial that ends."""

import datetime
import sys
import time
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lstm_jax.sweeps.pruners import evaluations
from lstm_jax.sweeps.space import describe_setting, short_names, show_value
from lstm_jax.sweeps.study import Study
from lstm_jax.sweeps.trials import ERROR, Standing, Trial, ranked

_FINISHED_SHOWN = 10
_LINE_INTERVAL = 60.0
"""Seconds after which a log gets a line even where no trial has ended."""


class Watch:
    """Shows how a sweep stands. Use it in a `with` block."""

    def __init__(self, study: Study):
        self._definition = study.definition
        self._names = short_names(study.definition.space)
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
            told = f"trial {trial.number}: {trial.state} {_metric(trial)}"
            error = trial.last.user_attrs.get(ERROR)
            why = f": {error}" if error else ""
            print(f"{told} ({describe_setting(trial.values)}){why}", file=sys.stderr)
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
        best = self._best(standing)
        # The first line and the names have to stay on the screen, and the best must.
        room = max(2, self._console.height - 6)
        running = standing.running[: room - 1]
        finished = standing.final[-min(_FINISHED_SHOWN, max(1, room - len(running))) :]
        shown = [*finished, *running]
        if best is not None and best not in shown:
            shown[0] = best
        for trial in shown:
            style = "bold green" if trial is best else "dim" if trial.state.is_final else ""
            drawn = trial.values
            values = [show_value(drawn[name]) if name in drawn else "" for name in self._names]
            count = len(trial.curve)
            whole = f"{count}/{self._evaluations}" if self._evaluations else str(count)
            state = "best so far" if trial is best else str(trial.state)
            table.add_row(str(trial.number), *values, _metric(trial), whole, state, style=style)
        parts: list[Any] = [Text(self._headline(standing)), table]
        if more := len(standing.running) - len(running):
            parts.append(Text(f"... and {more} more running"))
        return Group(*parts)

    def _headline(self, standing: Standing) -> str:
        done, hours = len(standing.final), standing.seconds / 3600
        parts = [f"{done}/{standing.budget}" if standing.budget else f"{done}"]
        parts[0] += f" trials done, {len(standing.running)} running"
        if best := self._best(standing):
            told = f"best {self._definition.metric} {_metric(best)} (trial {best.number})"
            parts.append(told)
        if done and hours:
            parts.append(f"{done / hours:.3g} trials/h")
        if (left := self._left(standing)) is not None:
            parts.append(f"{datetime.timedelta(seconds=round(left))} left")
        return ", ".join(parts)

    def _best(self, standing: Standing) -> Trial | None:
        return next(iter(ranked(standing.final, self._definition.direction)), None)

    def _left(self, standing: Standing) -> float | None:
        """Seconds to the end; None where nothing tells."""
        hours = standing.hours
        ends = [] if hours is None else [hours * 3600 - standing.seconds]
        if standing.budget is not None and standing.final:
            done = len(standing.final)
            ends.append((standing.budget - done) * standing.seconds / done)
        return max(0.0, min(ends)) if ends else None


def _metric(trial: Trial) -> str:
    return "-" if trial.metric is None else show_value(trial.metric)
