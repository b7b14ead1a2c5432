"""The examples in docstrings do what they show."""

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lstm_jax

ROOT = Path(__file__).parents[1]
MODULES = ["lstm_jax", *(m.name for m in pkgutil.walk_packages(lstm_jax.__path__, "lstm_jax."))]


def examples_in(path: Path) -> int:
    return sum(line.lstrip().startswith(">>> ") for line in path.read_text().splitlines())


@pytest.mark.parametrize("name", MODULES)
def test_library(name: str) -> None:
    module = importlib.import_module(name)
    results = doctest.testmod(module)
    assert results.failed == 0  # pytest shows which, as captured output
    # An example under a field is in no docstring that doctest knows of, and would never run.
    assert results.attempted == examples_in(Path(str(module.__file__)))


@pytest.mark.parametrize(
    "path",
    [path for path in sorted((ROOT / "scripts").rglob("*.py")) if examples_in(path)],
    ids=lambda path: path.stem,
)
def test_scripts(path: Path) -> None:
    # A process for each, as two scripts may define the same flag.
    command = [sys.executable, "-m", "doctest", "-v", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^{examples_in(path)} passed", done.stdout, re.MULTILINE), done.stdout
