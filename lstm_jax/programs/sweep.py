r"""Sweeps hyperparameters: many trials of an experiment, by many workers, none lost.

    python -m experiments.sweep --config=configs/lm_ptb_small.py \
        --sweep=configs/sweeps/learning_rate.py --workdir=runs/lr

Stopped or killed, the same command goes on; `--trials` and `--hours` may grow. With the same
`--storage` and the same directory it can run on any number of machines at once. How it stands, at
any time:

    python -m experiments.sweep --report --workdir=runs/lr          # --json: one object a trial
"""

import dataclasses
import os
import shutil
import signal
import sys
import threading
from pathlib import Path

from absl import flags

from lstm_jax.config.tree import override
from lstm_jax.config.values import field_types, type_name
from lstm_jax.errors import ConfigError
from lstm_jax.files import expand_user
from lstm_jax.programs import program
from lstm_jax.programs.config_files import load_object
from lstm_jax.sweeps import Sweep, SweepRun, load_sweep
from lstm_jax.sweeps.launch import default_workers, launch
from lstm_jax.sweeps.local import HEARTBEAT
from lstm_jax.sweeps.report import describe, describe_comparison, json_lines, write_report
from lstm_jax.sweeps.storage import OUTAGE, READING, open_directory
from lstm_jax.sweeps.study import Study, define, open_study
from lstm_jax.sweeps.worker import check_runs, work

_FLAGS = flags.FlagValues()
_CONFIG = flags.DEFINE_string(
    "config", None, "Python file with a function get_config().", flag_values=_FLAGS
)
_SWEEP = flags.DEFINE_string(
    "sweep", None, "Python file with a function get_sweep().", flag_values=_FLAGS
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Directory of the sweep; made if absent.", flag_values=_FLAGS
)
_WORKERS = flags.DEFINE_integer(
    "workers",
    None,
    "Processes on this machine; if not given, one for each core, or one where JAX has a plugin for "
    "an accelerator and JAX_PLATFORMS is not cpu.",
    lower_bound=1,
    flag_values=_FLAGS,
)
_STORAGE = flags.DEFINE_string(
    "storage",
    None,
    "Database for many machines, as postgresql+psycopg://user@host/name; $VARIABLE is replaced. "
    "If not given, a file in --workdir.",
    flag_values=_FLAGS,
)
_STUDY = flags.DEFINE_string(
    "study", None, "Name in the database; that of the directory, if not given.", flag_values=_FLAGS
)
_HEARTBEAT = flags.DEFINE_float(
    "heartbeat",
    HEARTBEAT,
    "Seconds between signs of life; a worker of another machine is dead after six without one.",
    lower_bound=1.0,
    flag_values=_FLAGS,
)
_REPORT = flags.DEFINE_bool(
    "report", False, "Say how the sweep in --workdir stands, and end.", flag_values=_FLAGS
)
_JSON = flags.DEFINE_bool(
    "json", False, "With --report: print one JSON object a trial.", flag_values=_FLAGS
)
_COMPARE = flags.DEFINE_list(
    "compare",
    None,
    "With --report: two trials by number; do they differ by more than noise?",
    flag_values=_FLAGS,
)
_TRUST = flags.DEFINE_list(
    "trust",
    [],
    "With --report: packages, beside lstm_jax, whose classes the trials may use.",
    flag_values=_FLAGS,
)
_RETRY = flags.DEFINE_bool(
    "retry_failed",
    False,
    "Give the trials that failed another try: memory lacked, for example.",
    flag_values=_FLAGS,
)
_WORKER = flags.DEFINE_bool(
    "worker", False, "Be one of the workers; used by the program itself.", flag_values=_FLAGS
)

_FIELDS = {
    one.name: flags.DEFINE_string(
        one.name,
        None,
        f"Overrides the sweep file's {one.name}, {type_name(kind)}: see lstm_jax/sweeps/sweep.py.",
        flag_values=_FLAGS,
    )
    for one, kind in zip(dataclasses.fields(Sweep), field_types(Sweep).values(), strict=True)
    if one.name not in ("space", "grids")
}


def main() -> None:
    """Searches, or says how a sweep stands."""
    if _WORKDIR.value is None:
        raise ConfigError("--workdir is missing: give a directory, such as runs/lr")
    workdir = expand_user(_WORKDIR.value)
    if _REPORT.value:
        _report(load_sweep(workdir, _TRUST.value))
        return
    if _JSON.value or _COMPARE.value:
        raise ConfigError("--json and --compare go with --report")
    study = _open(workdir)
    if _WORKER.value:
        threading.Thread(target=_leave_with_parent, daemon=True).start()
        work(study)
        return
    check_runs(study)
    if _RETRY.value:
        study.desk.retry_failed()
    workers = _WORKERS.value or default_workers()
    command = [sys.executable, "-m", "lstm_jax.programs", "sweep", *sys.argv[1:], "--worker"]
    launch(study, command, workers)
    _report(load_sweep(workdir, study.packages))


def _open(workdir: Path) -> Study:
    """The sweep that the flags say, begun or gone on with."""
    if _CONFIG.value is None:
        raise ConfigError("--config is missing: give a file, such as configs/lm_ptb_small.py")
    if _SWEEP.value is None:
        raise ConfigError("--sweep is missing: give a file as configs/sweeps/learning_rate.py")
    experiment = program.load_experiment(_CONFIG.value)
    sweep = load_object("sweep", _SWEEP.value, Sweep)
    given = {name: flag.value for name, flag in _FIELDS.items() if flag.value is not None}
    sweep = override(sweep, given)
    given_backend = program.chosen_backend()
    definition = define(sweep, experiment, _CONFIG.value, program.config_changes(), given_backend)
    location = open_directory(workdir, _STORAGE.value, _STUDY.value)
    patience = OUTAGE if _WORKER.value else READING
    return open_study(workdir, location, sweep, definition, _HEARTBEAT.value, patience)


def _report(sweep: SweepRun) -> None:
    """Prints how the sweep stands, and writes its report."""
    if _COMPARE.value and _JSON.value:
        raise ConfigError("--compare and --json: choose one")
    if _COMPARE.value:
        print(describe_comparison(sweep, *_two_numbers(_COMPARE.value)))
    elif _JSON.value:
        print(json_lines(sweep), end="")
    else:
        page = write_report(sweep)
        print(describe(sweep, shutil.get_terminal_size().columns))
        print(f"report: {page}")


def _two_numbers(given: list[str]) -> tuple[int, int]:
    if len(given) != 2 or not all(one.isdecimal() for one in given):
        raise ConfigError(f"--compare: expected two numbers of trials, got {','.join(given)}")
    return int(given[0]), int(given[1])


def _leave_with_parent() -> None:
    """Saves and leaves as after SIGTERM when the process that started this one is gone."""
    os.read(sys.stdin.fileno(), 1)  # not sys.stdin.read, which a process cannot end in
    os.kill(os.getpid(), signal.SIGTERM)


def run() -> None:
    """Runs the program on the flags of the command line."""
    program.run(main, _FLAGS)
