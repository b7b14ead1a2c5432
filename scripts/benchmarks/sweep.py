"""How many trials an hour a sweep trains, by workers and threads, and what the sweep itself costs.

    python -m scripts.benchmarks.sweep

A character model with hidden size 64 and batch 16 is trained with several seeds. Compared are, in
turn and each in processes of its own:

    side by side   a worker for each core, each with one thread; beside the seconds of the command
                   are those in which a worker was at work on a trial
    one by one     one worker with all threads
    alone          the same runs in one process, without a sweep
    swept          the same in one process, by a sweep; and how much of it is not the training
"""

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from absl import app, flags

import lstm_jax
from lstm_jax.sweeps import run_sweep, worker
from lstm_jax.sweeps.launch import cores
from lstm_jax.sweeps.storage import read_location
from lstm_jax.sweeps.study import load_study
from lstm_jax.sweeps.trials import busy_seconds
from scripts.benchmarks import sweep_trials

ROOT = Path(__file__).parents[2]

_TRIALS = flags.DEFINE_integer("trials", 4, "Trials of each measurement.", lower_bound=1)
_STEPS = flags.DEFINE_integer("steps", 1500, "Optimizer steps of a trial.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Measurements of each kind.", lower_bound=1)
_WHAT = flags.DEFINE_enum(
    "what", "all", ["all", "workers", "overhead", "alone", "swept"], "What is measured."
)


def main(argv: list[str]) -> None:
    """Measures and prints."""
    del argv
    if _WHAT.value in ("alone", "swept"):
        print(_seconds_here(_WHAT.value))
        return
    if _WHAT.value in ("all", "workers"):
        _compare("side by side", lambda: _launch(cores()), "one by one", lambda: _launch(1))
    if _WHAT.value in ("all", "overhead"):
        _compare("alone", lambda: _process("alone"), "swept", lambda: _process("swept"))


def _compare(first: str, one: Callable[[], float], second: str, other: Callable[[], float]) -> None:
    """Two kinds in turn: seconds of each, and the ratio of the medians."""
    times: dict[str, list[float]] = {first: [], second: []}
    for _ in range(_ROUNDS.value):
        for name, measure in ((first, one), (second, other)):
            times[name].append(measure())
            rate = _TRIALS.value * 3600 / times[name][-1]
            print(f"{name}: {times[name][-1]:.1f} s, {rate:.0f} trials an hour", flush=True)
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"{second} takes {medians[second] / medians[first]:.3f} times as long as {first}")


def _launch(workers: int) -> float:
    """Seconds of the whole command, the start of the processes and the report included."""
    here = sweep_trials.__file__
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        command = [sys.executable, "-m", "experiments.sweep", f"--config={here}", f"--sweep={here}"]
        options = [f"--workdir={folder}/sweep", f"--workers={workers}", f"--trials={_TRIALS.value}"]
        steps = [f"--config.steps={_STEPS.value}"]
        told = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        done = subprocess.run([*command, *options, *steps], cwd=ROOT, **told)
        seconds = time.perf_counter() - start
        if done.returncode:
            raise SystemExit(done.stdout)
        workdir = Path(folder, "sweep")
        _, study = load_study(workdir, read_location(workdir))
        busy = busy_seconds(study.get_trials())
        print(f"    {workers} workers: at work for {busy:.1f} s", flush=True)
        return seconds


def _process(what: str) -> float:
    """Seconds that a process of its own measures."""
    options = [f"--what={what}", f"--trials={_TRIALS.value}", f"--steps={_STEPS.value}"]
    command = [sys.executable, "-m", "scripts.benchmarks.sweep", *options]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    *told, seconds = done.stdout.splitlines()
    print("\n".join(told), flush=True)
    return float(seconds)


def _seconds_here(what: str) -> float:
    experiment = lstm_jax.override(sweep_trials.get_config(), {"steps": _STEPS.value})
    sweep = lstm_jax.override(sweep_trials.get_sweep(), {"trials": _TRIALS.value})
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        if what == "swept":
            training = _Stopwatch()
            worker.train = training.around_train(worker.train)
            run_sweep(sweep, experiment, f"{folder}/sweep")
            own = time.perf_counter() - start - training.seconds
            print(f"    swept: {own:.1f} s of them outside the training", flush=True)
        else:
            for seed in range(_TRIALS.value):
                changed = lstm_jax.override(experiment, {"seed": seed})
                lstm_jax.train(changed, f"{folder}/{seed}")
        return time.perf_counter() - start


class _Stopwatch:
    """The seconds inside of trainings, without those in which they ask the sweep."""

    def __init__(self):
        self.seconds = 0.0

    def around_train(self, train: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed."""

        def timed(experiment: Any, workdir: Any, should_stop: Callable[[], bool]) -> Any:
            with self._running(1):
                return train(experiment, workdir, asked(should_stop))

        def asked(should_stop: Callable[[], bool]) -> Callable[[], bool]:
            def answer() -> bool:
                with self._running(-1):
                    return should_stop()

            return answer

        return timed

    @contextlib.contextmanager
    def _running(self, sign: int) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += sign * (time.perf_counter() - start)


if __name__ == "__main__":
    app.run(main)
