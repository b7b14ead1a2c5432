"""The training program as a process of its own, to be killed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
PATIENCE = 120.0
"""Seconds after which a process that does not do what a test waits for has failed it."""

_CONFIG = """
from tests import runs
from tests.cells.table import CELLS

runs.draw_pictures(False)


def get_config():
    return runs.tiny({text!r}, task__cell=CELLS[{cell!r}], {changes})
"""


class Training:
    """`python -m experiments.train`, killed at the latest when its `with` block ends."""

    def __init__(self, config: Path, workdir: Path):
        self.workdir = workdir
        command = [sys.executable, "-m", "experiments.train"]
        self.process = subprocess.Popen(
            [*command, f"--config={config}", f"--workdir={workdir}"],
            cwd=ROOT,
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait_for(self, happened: Callable[[], bool]) -> bool:
        """Looks every millisecond; False if the process ends before that happened."""
        limit = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            if happened():
                return True
            assert time.monotonic() < limit, "it did not happen"
            time.sleep(0.001)
        return False

    def has_begun(self) -> bool:
        """Whether `lstm_jax.train` has come so far as to lock the run directory."""
        try:
            return json.loads((self.workdir / "lock").read_bytes())["process"] == self.process.pid
        except (OSError, ValueError):
            return False

    def is_saving(self) -> bool:
        """Whether a checkpoint is being written."""
        return any((self.workdir / "checkpoints").glob(".*.writing"))

    def lines_logged(self) -> int:
        """The length of the metrics log."""
        log = self.workdir / "metrics.jsonl"
        return log.read_bytes().count(b"\n") if log.exists() else 0

    def end(self) -> tuple[int, str]:
        """Waits for the end: the exit code, and all that was printed."""
        printed = self.process.communicate(timeout=PATIENCE)[0]
        return self.process.returncode, printed

    def __enter__(self) -> "Training":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def write_config(path: Path, text: str, cell: str, **changes: object) -> Path:
    """A config file for `experiments.train`, with changes as `runs.tiny` takes them."""
    given = ", ".join(f"{name}={value!r}" for name, value in changes.items())
    path.write_text(_CONFIG.format(text=text, cell=cell, changes=given))
    return path
