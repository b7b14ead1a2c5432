"""Forecasts by AutoETS, AutoTheta and AutoARIMA of statsforecast, from a file into a file.

    make rivals CONFIG=configs/forecast_m4_weekly.py

makes an environment for this script, which imports nothing of lstm_jax: statsforecast wants older
libraries. It also writes what is read here, and scores what is written (`lstm_jax/baselines/
forecast_files.py` says what stands in both files). Each forecast is added to the file as soon as it
is made: killed and started again, the script goes on, and what was forecast before from the same
values is not forecast again.

A method sees the values before its origin, each channel by itself. Where one is missing the last
before it stands, and a series begins with its first. Where a method fails, as on series of a few
values, the seasonal naive forecast stands and the line says why.
"""

import argparse
import fcntl
import importlib
import importlib.metadata
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import FrameType
from typing import IO, Any, NamedTuple, NoReturn

import numpy as np
import pyarrow.parquet

CLASSES = {"auto_ets": "AutoETS", "auto_theta": "AutoTheta", "auto_arima": "AutoARIMA"}
_COLUMNS = {"item", "value", "history", "origins", "windows"}
_KEY = "model", "item", "value", "origin", "window"
"""What tells a forecast from all others."""


class Task(NamedTuple):
    """A forecast to be made."""

    model: str
    item: str
    value: str
    """The channel."""
    origin: int
    """Steps that lie before the forecast."""
    window: str
    """Says what it is made from: a digest."""
    history: np.ndarray
    """float64 [origin]; NaN where there is no value."""
    horizon: int
    season: int


class UserError(Exception):
    """What the user can mend, in a line."""


def tasks_of(table: Any, models: Sequence[str], done: set[tuple[Any, ...]]) -> Iterator[Task]:
    """What of a table of series is left to forecast, one model after another."""
    facts = {name: int(table.schema.metadata[name.encode()]) for name in ("horizon", "season")}
    for model in models:
        for row in range(table.num_rows):
            series = {name: table[name][row] for name in _COLUMNS}
            item, value = series["item"].as_py(), series["value"].as_py()
            history = series["history"].values.to_numpy(zero_copy_only=False)
            pairs = zip(series["origins"].as_py(), series["windows"].as_py(), strict=True)
            for origin, window in pairs:
                key = model, item, value, origin, window
                if key not in done:
                    yield Task(*key, history[:origin], **facts)


def complete(history: np.ndarray) -> np.ndarray:
    """A series from its first value on, with the last one where there is none.

    >>> complete(np.array([np.nan, 2.0, np.nan, 3.0]))
    array([2., 2., 3.])
    """
    known = np.flatnonzero(np.isfinite(history))
    if not len(known):
        return np.zeros(1)
    places = np.searchsorted(known, np.arange(known[0], len(history)), side="right") - 1
    return history[known[places]]


def fitted(task: Task, series: np.ndarray) -> np.ndarray:
    """The forecast of a method of statsforecast."""
    options: dict[str, Any] = {"season_length": task.season}
    if task.model == "auto_arima":
        # As R's auto.arima does: without, a season of 24 takes a minute for each window.
        options["approximation"] = len(series) > 150 or task.season > 12
    method = getattr(importlib.import_module("statsforecast.models"), CLASSES[task.model])
    return np.asarray(method(**options).forecast(y=series, h=task.horizon)["mean"])


def forecast(task: Task, package: str) -> dict[str, Any]:
    """A line of the file."""
    begun, series, failure = time.process_time(), complete(task.history), None
    try:
        found = fitted(task, series)
        if found.shape != (task.horizon,) or not np.isfinite(found).all():
            raise ArithmeticError("not all steps are finite numbers")
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # whatever a method fails by
        failure = f"{type(error).__name__}: {error}".replace("\n", " ")
        last = series[-task.season :] if len(series) >= task.season else series[-1:]
        found = np.resize(last, task.horizon)
    line: dict[str, Any] = {name: getattr(task, name) for name in _KEY}
    line |= {"forecast": found.tolist(), "seconds": round(time.process_time() - begun, 3)}
    return line | {"package": package} | ({"failure": failure} if failure else {})


def read_done(file: IO[bytes], package: str) -> set[tuple[Any, ...]]:
    """What a file of forecasts holds already; what a kill left of a last line is cut off."""
    content = file.read()
    whole = content.rfind(b"\n") + 1
    file.truncate(whole)
    found = set[tuple[Any, ...]]()
    for number, text in enumerate(content[:whole].splitlines(), 1):
        try:
            line = json.loads(text)
            if line["package"] == package:
                found.add(tuple(line[name] for name in _KEY))
        except (ValueError, LookupError, TypeError):
            raise UserError(f"{file.name}, line {number}: malformed, delete it") from None
    return found


class Progress:
    """Tells now and then how many forecasts are made, and at the end how long they took."""

    def __init__(self, totals: Mapping[str, int]):
        """So many forecasts of each model are to be made."""
        self._totals, self._is_terminal = totals, sys.stderr.isatty()
        self._shown = self._last = time.monotonic()
        self._begun: dict[str, float] = {}
        self._counts, self._seconds = Counter[str](), Counter[str]()
        self._failures = Counter[str]()

    def add(self, line: dict[str, Any]) -> None:
        """One more is made."""
        model, now = line["model"], time.monotonic()
        begun, self._last = self._begun.setdefault(model, self._last), now
        self._counts[model] += 1
        self._seconds[model] += line["seconds"]
        if "failure" in line:
            self._failures[f"{model}: {line['failure']}"] += 1
        if now - self._shown < (0.5 if self._is_terminal else 30):
            return
        self._shown, made, total = now, self._counts[model], self._totals[model]
        minutes = (now - begun) / made * (total - made) / 60
        text = f"{model}: {made:,} of {total:,} forecasts, {minutes:.0f} min left"
        begin, end = ("\r", "\033[K") if self._is_terminal else ("", "\n")
        print(begin + text, end=end, file=sys.stderr, flush=True)

    def end(self) -> None:
        """All are made."""
        print(end="\r\033[K" if self._is_terminal else "", file=sys.stderr)
        for model, count in self._counts.items():
            seconds = self._seconds[model]
            print(f"{model}: {count:,} forecasts, {seconds:,.1f} s of a core", file=sys.stderr)
        for failure, count in self._failures.items():
            print(f"{count:,} by seasonal naive, where {failure}", file=sys.stderr)


def in_processes(tasks: Iterable[Task], package: str, processes: int) -> Iterator[dict[str, Any]]:
    """The forecasts, as they come.

    Raises:
        BrokenProcessPool: a process has died.
    """
    # A method works on one series in one process, and the threads of BLAS get in the way. Warnings
    # are of series that are hard to fit, and of semaphores that Ctrl-C leaves behind.
    variables = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    os.environ.update(variables)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _start_worker) as pool:
        waiting = set[Future[dict[str, Any]]]()
        for task in tasks:
            waiting.add(pool.submit(forecast, task, package))
            # Not all at once: each carries its history along.
            if len(waiting) > 2 * processes:
                made, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in made)
        yield from (one.result() for one in as_completed(waiting))


def _start_worker() -> None:
    """A worker ends with the process that started it, which Ctrl-C is for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    importlib.import_module("statsforecast.models")  # in seconds that no forecast takes
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def run(windows: Path, forecasts: Path, models: Sequence[str], processes: int) -> None:
    """Makes what is left to be made.

    Raises:
        UserError: a file cannot be read, or another process writes it.
        OSError: the disk is full, or refuses to be written.
    """
    try:
        table = pyarrow.parquet.read_table(windows)
    except (OSError, pyarrow.ArrowException) as error:
        raise UserError(f"cannot read {windows}: {str(error).splitlines()[0]}") from None
    if not {*table.column_names} >= _COLUMNS or b"horizon" not in (table.schema.metadata or {}):
        raise UserError(f"{windows} is not what experiments.baseline writes by --write_windows")
    try:
        package = f"statsforecast {importlib.metadata.version('statsforecast')}"
    except importlib.metadata.PackageNotFoundError:
        raise UserError("statsforecast is not installed here: `make rivals` says where") from None
    with forecasts.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{forecasts} is being written by another process") from None
        file.seek(0)
        done = read_done(file, package)
        totals = Counter(task.model for task in tasks_of(table, models, done))
        print(f"{forecasts}: {totals.total():,} forecasts to be made", file=sys.stderr)
        progress = Progress(totals)
        for line in in_processes(tasks_of(table, models, done), package, processes):
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            progress.add(line)
        progress.end()


def main(arguments: Sequence[str] | None = None) -> int:
    """Parses, runs, says what was wrong in a line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--windows", type=Path, required=True, help="written by lstm_jax")
    parser.add_argument("--forecasts", type=Path, required=True, help="to be made or gone on with")
    parser.add_argument("--models", default=",".join(CLASSES), help="of these")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="side by side")
    given = parser.parse_args(arguments)
    try:
        models = given.models.split(",")
        if unknown := {*models} - {*CLASSES}:
            known = ", ".join(CLASSES)
            raise UserError(f"--models: there is no {sorted(unknown)[0]!r} here, only {known}")
        if given.processes < 1:
            raise UserError(f"--processes must be at least 1, got {given.processes}")
        run(given.windows, given.forecasts, models, given.processes)
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UserError) else 1
    except BrokenProcessPool:
        print("error: a process died, of too little memory perhaps: --processes=1", file=sys.stderr)
        return 1
    return 0


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    print("\nstopped; the same command goes on", file=sys.stderr, flush=True)
    os._exit(128 + number)  # what is made is in the file, and nobody waits for the rest


if __name__ == "__main__":
    signal.signal(signal.SIGINT, _stop)
    sys.exit(main())
