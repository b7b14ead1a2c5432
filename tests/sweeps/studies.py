"""Sweeps for tests in which nothing is trained: trials with the results that one wants."""

import copy
import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState, create_trial

from lstm_jax.cells import GRU, LSTM
from lstm_jax.storage.metrics_log import render
from lstm_jax.sweeps import Choice, Integer, LogUniform, Sweep, SweepRun, Uniform
from lstm_jax.sweeps.liveness import begin_attempt
from lstm_jax.sweeps.results import SeedResult, TrialResult
from lstm_jax.sweeps.search import optuna_space
from lstm_jax.sweeps.storage import open_directory
from lstm_jax.sweeps.study import Study, define, open_study
from lstm_jax.sweeps.trials import METRICS, OWNER, SEEN, STARTED, State, read_trials
from lstm_jax.sweeps.worker import workdir_of
from tests.runs import tiny

SPACE = {
    "optimizer.learning_rate": LogUniform(1e-3, 1.0),
    "task.dropout": Uniform(0.0, 0.6),
    "task.cell": [LSTM(hidden=4), GRU(hidden=4)],
    "task.cell.forget_bias": Choice([0.0, 1.0], when={"task.cell": LSTM}),
    "task.layers": Integer(1, 3),
}


EACH_STORAGE = pytest.mark.parametrize("url", ["sqlite", "postgresql", "mysql"], indirect=True)


def grid(name: str, *values: Any, **options: Any) -> Sweep:
    """A sweep that runs each of these values."""
    return Sweep({name: list(values)}, sampler="grid", **options)


def begin(
    workdir: Path,
    space: Mapping[str, Any] = SPACE,
    config: str = "configs/tiny.py",
    changes: Mapping[str, str] | None = None,
    backend: str | None = None,
    **options: Any,
) -> Study:
    """A sweep without trials, started by a program or, without a config, in Python.

    Options are those of `Sweep`.
    """
    sweep = Sweep(space=space, **({"trials": 1000} | options))
    location = open_directory(workdir, None, None)
    changes = {"epochs": "3"} if changes is None else changes
    definition = define(sweep, tiny("data/tiny"), config, changes, backend)
    return open_study(workdir, location, sweep, definition, heartbeat=60.0)


def add(
    study: Study,
    values: Mapping[str, Any],
    metric: float | Sequence[float] | None = None,
    state: State = State.COMPLETE,
    error: str = "",
    curve: Sequence[float] = (),
) -> int:
    """Adds a trial to a sweep, and its runs where it has a curve.

    Args:
        study: the sweep.
        values: as a storage holds them; the names of the space that are left out are inactive.
        metric: of each seed that is done.
        state: of the trial.
        error: why it failed.
        curve: what its first run logged of the metric.

    Returns:
        Its number.
    """
    space = optuna_space(study.space)
    distributions = {name: space[name] for name in values}
    done = [metric] if isinstance(metric, int | float) else list(metric or ())
    first = study.definition.experiment.seed
    noted = {str(first + index): value for index, value in enumerate(done)}
    row = create_trial(
        state=TrialState.RUNNING,
        params=dict(values),
        distributions=distributions,
        user_attrs={METRICS: noted, OWNER: begin_attempt(60.0), STARTED: 1000.0, SEEN: 1060.0},
    )
    study.optuna.add_trial(row)
    trial = read_trials(study.desk.rows())[-1]
    if curve:
        write_run(study, trial.number, curve)
    if state is State.WAITING:
        study.desk.release(trial)
    elif state is not State.RUNNING:
        mean = sum(done) / len(done) if done else None
        study.desk.finish(trial, state, mean, error)
    return trial.number


def add_many(study: Study, count: int) -> None:
    """Adds complete trials of `SPACE`, all unlike, the last the best."""
    cells = itertools.cycle(["LSTM(hidden=4)", "GRU(hidden=4)", "LSTM(hidden=4)"])
    for index, cell in zip(range(count), cells, strict=False):
        values = {
            "optimizer.learning_rate": 10 ** (-3 + 3 * (index * 7 % count) / count),
            "task.dropout": 0.6 * (index * 5 % count) / count,
            "task.cell": cell,
            "task.layers": 1 + index % 3,
        }
        if cell.startswith("LSTM"):
            values["task.cell.forget_bias"] = float(index % 2)
        metric = 2.0 + (count - index) / count
        seeds = study.definition.seeds
        metrics = [metric + 0.01 * seed for seed in range(seeds)]
        add(study, values, metrics, curve=[metric + 1.0, metric + 0.3, metric])


def write_run(study: Study, number: int, curve: Sequence[float]) -> Path:
    """Writes the log of a trial's first run, with an evaluation every ten steps."""
    workdir = workdir_of(study.workdir, number, 0, study.definition.seeds)
    workdir.mkdir(parents=True)
    (workdir / "config.json").write_text("{}")
    split, _, name = study.definition.metric.partition("/")
    records = [
        {"step": 10 * (index + 1), "split": split, name: value} for index, value in enumerate(curve)
    ]
    lines = "".join(f"{render(record)}\n" for record in records)
    (workdir / "metrics.jsonl").write_text(lines)
    return workdir


def invent(
    sweep: SweepRun,
    space: Mapping[str, str],
    trials: Sequence[tuple[Mapping[str, Any], Any]],
    **changes: Any,
) -> SweepRun:
    """The sweep as if it had other trials, whose values no experiment has to accept.

    Args:
        sweep: the sweep, which stays as it is.
        space: what stands in its definition: each name with the text of its distribution.
        trials: the values of each, and its metric: of one seed, of each seed, or None of a trial
            that diverged.
        changes: of its definition.
    """
    invented = copy.copy(sweep)
    invented.definition = dataclasses.replace(sweep.definition, space=dict(space), **changes)
    invented.trials = []
    for number, (values, metric) in enumerate(trials):
        metrics = metric if isinstance(metric, list) else [metric]
        runs = tuple(
            SeedResult(seed, one, sweep.workdir / f"{number}-{seed}")
            for seed, one in enumerate(metrics)
        )
        state = State.DIVERGED if metric is None else State.COMPLETE
        mean = None if metric is None else sum(metrics) / len(metrics)
        one = TrialResult(number, state, values, mean, runs, {}, 1.0, None, ())
        invented.trials.append(one)
    return invented
