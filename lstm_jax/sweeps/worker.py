"""A worker: takes trials one after another and trains them."""

import contextlib
import logging
import statistics
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import optuna

from lstm_jax.config.tree import override
from lstm_jax.config.values import suggestion
from lstm_jax.errors import (
    ConfigError,
    NonFiniteError,
    RunDirectoryInUseError,
    StorageError,
    SweepError,
    UserError,
)
from lstm_jax.experiment import Experiment
from lstm_jax.reporting.reporter import say
from lstm_jax.runtime.interruption import Interruption
from lstm_jax.storage import checkpoints
from lstm_jax.storage.run_directory import CHECKPOINTS, read_metrics
from lstm_jax.sweeps.desk import Heartbeat, LostTrialError, guard
from lstm_jax.sweeps.hparams import write_hparams
from lstm_jax.sweeps.search import sampler, suggest
from lstm_jax.sweeps.space import Setting, describe_setting
from lstm_jax.sweeps.study import Study
from lstm_jax.sweeps.trials import ERROR, METRICS, STEP, VERDICT, State, Trial
from lstm_jax.sweeps.view import one_row_each
from lstm_jax.tasks.base import Score
from lstm_jax.training.loop import train

_log = logging.getLogger(__name__)

TRIALS = "trials"
_PAUSE = 2.0
"""Seconds between two looks at a directory that is in use."""


def work(study: Study) -> bool:
    """Takes trials until there are no more for this worker.

    What one setting alone brings about, numbers that are not finite or values that the experiment
    refuses together, ends the trial. So does an error that nobody foresaw, too little memory for
    this size perhaps, if it comes twice in a row; the second time in another process, if there is
    one, as the first may be left with a device that is of no use any more. Anything else, data that
    are missing or a full disk, ends the worker, and its trial is handed back.

    Returns:
        Whether the worker ended over an error, so that another is to go on.

    Raises:
        UserError, StorageError: the sweep cannot go on before somebody mends it.
        Exception: what nobody foresaw, and no other trial has come as far as an evaluation, so that
            the setting is hardly at fault.
        KeyboardInterrupt, SystemExit: after a signal; the trial is saved and handed back.
    """
    while (trial := study.desk.take()) is not None:
        try:
            with study.desk.heartbeat(trial) as heartbeat:
                _Attempt(study, trial, heartbeat).run()
        except LostTrialError as lost:
            say(f"trial {trial.number}: {lost}")
        except BaseException as error:
            with Interruption() as interruption:  # a signal waits, or another one
                may_go_on = _hand_back(study, trial, error)
            if not may_go_on:
                raise
            if interruption:
                raise interruption.exception() from error
            study.desk.stop_if_all_fail()
            return True
        study.desk.stop_if_all_fail()
    return False


def workdir_of(workdir: Path, number: int, index: int, seeds: int) -> Path:
    """The run directory of a trial, for its seed number `index`."""
    return workdir / TRIALS / (f"{number:04d}" if seeds == 1 else f"{number:04d}-seed{index}")


def check_runs(study: Study) -> None:
    """Makes sure that the runs of a sweep are in its directory.

    A database may hold an equal sweep under the same name, whose directory is another one or gone.

    Raises:
        SweepError: trials are done, and none of their runs is there.
    """
    trials = study.desk.standing().trials
    done = [one.number for one in trials if one.state in (State.COMPLETE, State.PRUNED)]
    seeds = study.definition.seeds
    if done and not any(workdir_of(study.workdir, one, 0, seeds).is_dir() for one in done):
        raise SweepError(
            f"{len(done)} trials of the sweep are done, but {study.workdir / TRIALS} has no run of "
            "them: the storage holds the sweep of another directory, or of one that was deleted; "
            "begin a new one in another directory, or with another --study"
        )


class _Attempt:
    """One worker's attempt at one trial."""

    def __init__(self, study: Study, trial: Trial, heartbeat: Heartbeat):
        self.study, self.trial, self.heartbeat = study, trial, heartbeat
        definition = study.definition
        self.experiment, self.seeds = definition.experiment, definition.seeds
        self.split, self.score = definition.split, definition.score
        point = study.points[trial.number] if study.points is not None else None
        study.optuna.sampler = sampler(study.sweep, study.space, trial.number, point)
        seen = cast(Any, one_row_each(study.optuna))
        self.row = guard(lambda: optuna.Trial(seen, trial.last._trial_id))
        self.setting = guard(lambda: suggest(self.row, study.space))
        self.reported = set(trial.curve)
        self.pruned = False

    def run(self) -> None:
        """Trains the setting with each seed, and ends the trial."""
        say(f"trial {self.trial.number}: {describe_setting(self.setting)}")
        done = self.trial.metrics
        try:
            for index in range(self.seeds):
                seed = self.experiment.seed + index
                if seed not in done:
                    value = self._train(index, seed)
                    if value is None:
                        raise NonFiniteError(f"{self.study.definition.metric} was never finite")
                    done[seed] = value
                    noted = {str(one): value for one, value in done.items()}
                    self.study.desk.set(self.trial, METRICS, noted)
                if self.pruned:
                    return self._end(State.PRUNED, done[seed])
            self._end(State.COMPLETE, statistics.fmean(done.values()))
        except NonFiniteError as error:
            self._end(State.DIVERGED, None, str(error))
        except ConfigError as error:
            self._end(State.FAILED, None, str(error))

    def _end(self, state: State, value: float | None, error: str = "") -> None:
        _end(self.study, self.trial, self.setting, state, value, error)

    def _train(self, index: int, seed: int) -> float | None:
        """The best value of the metric in a run, which is gone on with if it was begun."""
        workdir = workdir_of(self.study.workdir, self.trial.number, index, self.seeds)
        steps = checkpoints.steps(workdir / CHECKPOINTS)
        self.study.desk.set(self.trial, STEP, f"{index}: {steps[-1] if steps else 0}")
        seeded = {} if "seed" in self.setting else {"seed": seed}
        experiment: Experiment = override(self.experiment, self.setting | seeded)
        self._wait_and_train(experiment, workdir, is_first=index == 0)
        if self.heartbeat.is_lost:
            raise LostTrialError
        if index == 0:
            self._report(workdir)  # what came after the last question
        found = self._columns(workdir)
        return None if found is None else _best(found[1], self.score)

    def _wait_and_train(self, experiment: Experiment, workdir: Path, *, is_first: bool) -> None:
        """Trains, once nobody else writes to the directory.

        A worker that has lost the trial may still be there until its next evaluation, and a file
        server may hold the lock of a dead one for some minutes.
        """
        has_told = False
        while not self.heartbeat.is_lost:
            try:
                train(
                    experiment,
                    workdir,
                    lambda: self.heartbeat.is_lost or (is_first and self._should_prune(workdir)),
                )
                return
            except RunDirectoryInUseError as error:
                if not has_told:
                    say(f"trial {self.trial.number} waits: {error}")
                has_told = True
            time.sleep(_PAUSE)

    def _should_prune(self, workdir: Path) -> bool:
        """Whether the pruner ends the run."""
        self._report(workdir)
        self.pruned = bool(guard(self.row.should_prune))
        if self.pruned:  # at once: asked again, a pruner may answer otherwise
            self.study.desk.set(self.trial, VERDICT, str(State.PRUNED))
        return self.pruned

    def _report(self, workdir: Path) -> None:
        """Tells the storage of the evaluations since the last time."""
        evaluated = read_metrics(workdir).get("validation", {}).get("step", np.array([], int))
        found = self._columns(workdir)
        for count, step in enumerate(evaluated.tolist(), start=1):
            if found is None or count in self.reported:
                continue
            until = found[1][(found[0] <= step) & np.isfinite(found[1])]
            if len(until):
                guard(lambda value=float(until[-1]), count=count: self.row.report(value, count))
                self.reported.add(count)

    def _columns(self, workdir: Path) -> tuple[np.ndarray, np.ndarray] | None:
        """The steps and values of the metric in the log of a run; None if there are none yet."""
        columns = read_metrics(workdir).get(self.split)
        if columns is None:
            return None
        if self.score.metric not in columns:
            names = [f"{self.split}/{name}" for name in columns if name not in ("step", "epoch")]
            metric = self.study.definition.metric
            raise SweepError(f"the runs log no metric {metric}{suggestion(metric, names)}")
        return columns["step"], columns[self.score.metric]


def _end(
    study: Study, trial: Trial, setting: Setting, state: State, value: float | None, error: str
) -> None:
    """Ends a trial, and fills TensorBoard's HParams view."""
    seeds = study.definition.seeds
    for index in range(seeds):
        workdir = workdir_of(study.workdir, trial.number, index, seeds)
        if workdir.is_dir():
            write_hparams(workdir, setting, succeeded=value is not None)
    study.desk.finish(trial, state, value, error)
    told = error if value is None else f"{study.definition.metric} {value:.6g}"
    say(f"trial {trial.number}: {state}, {told}")


def _best(values: np.ndarray, score: Score) -> float | None:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    return float(finite.min() if score.direction == "min" else finite.max())


def _hand_back(study: Study, trial: Trial, error: BaseException) -> bool:
    """Hands a trial back, or ends it, after an error; returns whether others may go on."""
    if not isinstance(error, Exception) or isinstance(error, UserError | StorageError):
        study.desk.release(trial)
        return False
    told = f"{type(error).__name__}: {' '.join(str(error).split())}"
    _log.warning("trial %d met an error", trial.number, exc_info=error)
    if _met_an_error(trial):
        with contextlib.suppress(LostTrialError):
            _end(study, trial, trial.values, State.FAILED, None, told)
        return True
    with contextlib.suppress(LostTrialError):
        study.desk.set(trial, ERROR, told)
    study.desk.release(trial)
    return any(one.curve for one in study.desk.standing().trials if one.number != trial.number)


def _met_an_error(trial: Trial) -> bool:
    """Whether the attempt before the last one ended so, too."""
    noted = trial.attempts[-2].user_attrs if len(trial.attempts) > 1 else {}
    return ERROR in noted and VERDICT not in noted
