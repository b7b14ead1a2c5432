"""A sweep in this process, for notebooks."""

import time
from pathlib import Path

from lstm_jax.experiment import Experiment
from lstm_jax.files import expand_user
from lstm_jax.sweeps.results import SweepRun, load_sweep
from lstm_jax.sweeps.storage import open_directory
from lstm_jax.sweeps.study import define, open_study
from lstm_jax.sweeps.sweep import Sweep
from lstm_jax.sweeps.worker import check_runs, work

_PAUSE = 1.0
"""Seconds between two looks at trials that another process has, and after an error."""
HEARTBEAT = 10.0
"""Seconds between signs of life, where nobody says otherwise."""


def run_sweep(
    sweep: Sweep, experiment: Experiment, workdir: str | Path, *, retry_failed: bool = False
) -> SweepRun:
    """Trains the trials of a sweep one after another, or goes on with it where it was stopped.

        sweep = Sweep({"optimizer.learning_rate": LogUniform(1e-3, 1e-1)}, trials=8)
        lstm_jax.sweeps.run_sweep(sweep, experiment, "runs/lr").best()

    `python -m experiments.sweep` does the same with several processes.

    Args:
        sweep: what is searched, and for how long. Of hours, the last trial may take more.
        experiment: what each trial is a variant of.
        workdir: the directory of the sweep; made if absent.
        retry_failed: whether trials that failed before are tried again.

    Raises:
        ConfigError: the space does not fit the experiment, or the sweep has no end.
        RunDirectoryError, SweepError: the directory or its storage holds another sweep.
        UserError, StorageError: what every trial would meet; mended, the sweep goes on.
        KeyboardInterrupt, SystemExit: after Ctrl-C or SIGTERM; the trial is saved.
    """
    definition = define(sweep, experiment)
    path = expand_user(workdir)
    study = open_study(path, open_directory(path, None, None), sweep, definition, HEARTBEAT)
    check_runs(study)
    if retry_failed:
        study.desk.retry_failed()
    while work(study) or study.desk.standing().held:  # by another process
        time.sleep(_PAUSE)
    return load_sweep(path, study.packages)
