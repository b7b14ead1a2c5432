"""The sweep program as a process of its own, whose workers are to be killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.processes import ROOT

PATIENCE = 600.0
"""Seconds after which a sweep that does not do what a test waits for has failed it."""

_CONFIG = """
from tests import runs

runs.draw_pictures(False)


def get_config():
    return runs.tiny({text!r}, {changes})
"""

_SWEEP = """
from lstm_jax.cells import GRU, LSTM
from lstm_jax.sweeps import Choice, Integer, LogUniform, Sweep, Uniform


def get_sweep():
    return Sweep({space}, {options})
"""


def write_files(
    folder: Path, text: str, space: str, options: str = "", changes: str = ""
) -> list[str]:
    """A config and a sweep file; returns the flags that name them and a directory."""
    (folder / "config.py").write_text(_CONFIG.format(text=text, changes=changes))
    (folder / "space.py").write_text(_SWEEP.format(space=space, options=options))
    files = f"--config={folder / 'config.py'}", f"--sweep={folder / 'space.py'}"
    return [*files, f"--workdir={folder / 'sweep'}"]


class Sweeping:
    """`python -m experiments.sweep`, killed with its workers when its `with` block ends."""

    def __init__(self, flags: list[str], log: Path, **environment: str):
        self.log = log
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "experiments.sweep", *flags],
                cwd=ROOT,
                env=os.environ | {"JAX_PLATFORMS": "cpu"} | environment,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def workers(self) -> list[int]:
        """The numbers of its worker processes."""
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == self.process.pid and fields[0] != "Z":
                found.append(int(path.parent.name))
        return sorted(found)

    def wait_for(self, happened: Callable[[], bool], patience: float = PATIENCE) -> bool:
        """Looks often; False if the process ends before that happened."""
        limit = time.monotonic() + patience
        while self.process.poll() is None:
            if happened():
                return True
            assert time.monotonic() < limit, f"it did not happen: {self.printed()}"
            time.sleep(0.01)
        return False

    def printed(self) -> str:
        """All that was printed so far."""
        return self.log.read_text(errors="replace")

    def end(self, patience: float = PATIENCE) -> int:
        """Waits for the end: the exit code."""
        return self.process.wait(timeout=patience)

    def __enter__(self) -> "Sweeping":
        return self

    def __exit__(self, *_: object) -> None:
        workers = self.workers()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for worker in workers:
            kill(worker)


def kill(process: int) -> None:
    """SIGKILL, where it is not too late."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def is_running(process: int) -> bool:
    """Whether there is such a process that has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
