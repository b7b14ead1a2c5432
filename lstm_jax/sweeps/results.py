"""What came of a sweep, to be looked at in a notebook or a report."""

import dataclasses
import html
import shlex
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from lstm_jax.errors import ConfigError, SweepError
from lstm_jax.files import expand_user
from lstm_jax.run import Run, load
from lstm_jax.runtime.command import command
from lstm_jax.storage.run_directory import CONFIG, read_metrics
from lstm_jax.sweeps.space import show_value
from lstm_jax.sweeps.statistics import Comparison, Summary, compare, summarize
from lstm_jax.sweeps.storage import READING, patiently, read_location
from lstm_jax.sweeps.study import SEARCHES, Definition, load_study
from lstm_jax.sweeps.trials import ERROR, State, Trial, ranked, read_trials
from lstm_jax.sweeps.worker import workdir_of
from lstm_jax.tasks.base import Score

_FEWEST = 4
"""Complete trials from which importances are computed."""


@dataclasses.dataclass(frozen=True)
class SeedResult:
    """One run of a setting."""

    seed: int
    metric: float | None
    """The best value of the metric; None if the run is not done."""
    workdir: Path
    """The run directory, for `lstm_jax.load`; it is there once the run has begun."""


@dataclasses.dataclass(frozen=True)
class TrialResult:
    """One setting of a sweep and what came of it."""

    number: int
    state: State
    values: Mapping[str, Any]
    """By dotted name. Of objects the text of a command line: `GRU(hidden=200)`."""
    metric: float | None
    """The mean over the seeds that are done; of a run under way what it last logged."""
    runs: tuple[SeedResult, ...]
    """One for each seed."""
    curve: Mapping[int, float]
    """The metric of the first seed after each evaluation, counted from 1."""
    seconds: float
    """What workers spent on it."""
    error: str | None
    """Why it diverged or failed; of a trial that waits, what its last worker met."""
    trust: tuple[str, ...] = dataclasses.field(repr=False)

    @property
    def workdir(self) -> Path:
        """The directory of its (first) run."""
        return self.runs[0].workdir

    @property
    def summary(self) -> Summary | None:
        """Mean, standard deviation and interval over the seeds that are done; None if none is."""
        done = [run.metric for run in self.runs if run.metric is not None]
        return summarize(done) if done else None

    def load(self, seed: int | None = None) -> Run:
        """Its run, or that of another seed than the first.

        Raises:
            ConfigError: it has no run with this seed.
            RunDirectoryError, CheckpointError: the run has not come so far.
        """
        runs = {run.seed: run for run in self.runs}
        if seed is not None and seed not in runs:
            raise ConfigError(f"trial {self.number} has no seed {seed}; it has {sorted(runs)}")
        return load((self.runs[0] if seed is None else runs[seed]).workdir, trust=self.trust)

    @property
    def metrics(self) -> dict[str, dict[str, np.ndarray]]:
        """The log of its (first) run, as `Run.metrics`; empty before the run has begun."""
        return read_metrics(self.workdir) if (self.workdir / CONFIG).exists() else {}


class SweepRun:
    """A sweep as it stands. Made by `load_sweep`.

    Attributes:
        workdir: its directory.
        definition: what is searched: the experiment, the space, the metric, its direction, seeds.
        trials: all of them, by number.
    """

    def __init__(
        self, workdir: Path, definition: Definition, study: optuna.Study, trust: Collection[str]
    ):
        self.workdir, self.definition = workdir, definition
        self._study, self._trust = study, tuple(trust)
        self.trials: list[TrialResult] = []
        self.reload()

    def reload(self) -> None:
        """Reads the trials from the storage again, as they stand now."""
        rows = patiently(lambda: self._study.get_trials(deepcopy=False), READING)
        trials = [one for one in read_trials(rows) if one.values]
        self.trials = [self._result(trial) for trial in trials]

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {state}" for state, count in self.counts().items())
        return f"SweepRun({str(self.workdir)!r}: {counts or 'no trials yet'})"

    def __getitem__(self, number: int) -> TrialResult:
        """The trial with this number.

        Raises:
            SweepError: there is none.
        """
        found = {trial.number: trial for trial in self.trials}
        if number not in found:
            raise SweepError(f"the sweep in {self.workdir} has no trial {number}")
        return found[number]

    @property
    def metric(self) -> str:
        """The name of the metric, as TensorBoard has it."""
        return self.definition.metric

    @property
    def score(self) -> Score:
        """The metric and its direction."""
        return self.definition.score

    def counts(self) -> dict[State, int]:
        """How many trials there are in each state that occurs."""
        counts = {state: sum(one.state is state for one in self.trials) for state in State}
        return {state: count for state, count in counts.items() if count}

    def ranked(self) -> list[TrialResult]:
        """The trials that are complete, the best first."""
        return ranked(self.trials, self.definition.direction)

    def best(self) -> TrialResult:
        """The trial with the best metric, in the mean over its seeds, of those that are complete.

        Raises:
            SweepError: none is complete yet.
        """
        if not (complete := self.ranked()):
            raise SweepError(f"no trial of the sweep in {self.workdir} is complete yet")
        return complete[0]

    def compare(self, first: int, second: int) -> Comparison:
        """Whether two trials, by their numbers, differ by more than noise.

        Raises:
            SweepError: no such trial.
            ConfigError: one of them is not complete, or there are fewer than two seeds.
        """
        done = []
        for trial in (self[first], self[second]):
            if trial.state is not State.COMPLETE:  # the seeds that did not diverge flatter it
                raise ConfigError(
                    f"a comparison needs complete trials, and trial {trial.number} is {trial.state}"
                )
            done.append([run.metric for run in trial.runs if run.metric is not None])
            if len(done[-1]) < 2:
                hint = "" if self.definition.seeds > 1 else "; sweep with --seeds"
                raise ConfigError(
                    f"a comparison needs two seeds of each trial, and trial {trial.number} "
                    f"has {len(done[-1])}{hint}"
                )
        return compare(*done)

    def importances(self) -> dict[str, float]:
        """How much each name has to do with a trial being among the best tenth, the largest first.

        Shares of one, by PED-ANOVA (Watanabe et al. 2023, section 4) over the trials that are
        complete: how unlike the values of the best tenth, at least two, are to those of all. Of
        some dozens of trials take them as a hint. Empty of fewer than four, or if all are alike.
        """
        complete = [one for one in self.trials if one.state is State.COMPLETE]
        varied = [
            name
            for name in self.definition.space
            if len({one.values.get(name) for one in complete}) > 1
        ]
        is_flat = len({one.metric for one in complete}) < 2
        if len(complete) < _FEWEST or not varied or is_flat:
            return {}
        with warnings.catch_warnings():
            # Optuna warns where a value of a choice occurs once; few trials tell little, we say.
            warnings.simplefilter("ignore", UserWarning)
            return patiently(
                lambda: optuna.importance.get_param_importances(self._study, params=varied),
                READING,
            )

    def table(self) -> list[dict[str, Any]]:
        """One dict for each trial, as `pandas.DataFrame` takes them: number, state, metric, ...

        A choice that is None is "none" as on a command line; a name that is inactive is None.
        """
        seeds = self.definition.seeds > 1
        return [
            {"number": one.number, "state": str(one.state), self.metric: one.metric}
            | ({"std": one.summary.std if one.summary else None} if seeds else {})
            | dict.fromkeys(self.definition.space)
            | {name: "none" if value is None else value for name, value in one.values.items()}
            | {"seconds": round(one.seconds, 1), "workdir": str(one.workdir)}
            for one in self.trials
        ]

    @property
    def searches(self) -> list[str]:
        """How it was searched: samplers and pruners, one after another where they were changed."""
        return patiently(lambda: self._study.user_attrs, READING).get(SEARCHES, [])

    def command(self, trial: TrialResult, workdir: str = "runs/best") -> str:
        """What trains the setting of a trial once more.

        A command line or, of a sweep that was started in Python, an expression.
        """
        values = {
            name: "none" if value is None else str(value) for name, value in trial.values.items()
        }
        if not self.definition.config:
            told = ", ".join(f"{name!r}: {value!r}" for name, value in trial.values.items())
            changed = f"lstm_jax.override(experiment, {{{told}}})"
            return f"lstm_jax.train({changed}, {workdir!r})"
        # What the command line changed inside of what a trial has replaced, has gone with it.
        changes = {
            name: text
            for name, text in self.definition.changes.items()
            if not any(name.startswith(f"{other}.") for other in values)
        } | values
        flags = [f"--config={self.definition.config}", f"--workdir={workdir}"]
        if self.definition.backend:
            flags.append(f"--backend={self.definition.backend}")
        flags += [f"--config.{name}={value}" for name, value in changes.items()]
        return shlex.join([*command("train"), *flags])

    def _repr_html_(self) -> str:
        """The table, as notebooks show it."""
        return html_table(self.table())

    def _result(self, trial: Trial) -> TrialResult:
        count, first = self.definition.seeds, self.definition.experiment.seed
        # The metrics are noted by these. Where the seed is searched, the run has that one.
        seeds = [first + index for index in range(count)]
        runs = tuple(
            SeedResult(
                trial.values.get("seed", seed),
                trial.metrics.get(seed),
                workdir_of(self.workdir, trial.number, index, count),
            )
            for index, seed in enumerate(seeds)
        )
        what = trial.number, trial.state, trial.values, trial.metric, runs, trial.curve
        return TrialResult(*what, trial.seconds, trial.last.user_attrs.get(ERROR), self._trust)


def load_sweep(workdir: str | Path, trust: Collection[str] = ()) -> SweepRun:
    """Loads a sweep, finished or not, without changing anything.

        sweep = lstm_jax.load_sweep("runs/lr")
        sweep                                   # a table of trials
        sweep.best().values, sweep.best().load().evaluate("test")

    Args:
        workdir: the directory of the sweep.
        trust: packages, beside `lstm_jax`, whose classes the experiment may use.

    Raises:
        RunDirectoryError: it is not a sweep.
        SweepError: its storage does not answer.
        ConfigError: its experiment names a class that is not trusted.
    """
    path = expand_user(workdir)
    return SweepRun(path, *load_study(path, read_location(path), trust), trust)


def html_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as an HTML table, in which None is empty."""
    if not rows:
        return "<p>no trials yet</p>"

    def line(kind: str, texts: Iterable[str]) -> str:
        cells = "".join(f"<{kind}>{html.escape(text)}</{kind}>" for text in texts)
        return f"<tr>{cells}</tr>"

    shown = [["" if one is None else show_value(one) for one in row.values()] for row in rows]
    body = "".join(line("td", texts) for texts in shown)
    return f"<table><thead>{line('th', rows[0])}</thead><tbody>{body}</tbody></table>"
