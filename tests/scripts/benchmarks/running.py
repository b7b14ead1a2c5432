"""What the tests of the benchmarks share."""

import importlib.util
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[3]


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        not importlib.util.find_spec(package), reason=f"{package} is not installed"
    )


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A benchmark in a process of its own, as one runs it from the root of the checkout."""
    command = [sys.executable, "-m", f"scripts.benchmarks.{program}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
