"""What the tests of the benchmarks share."""

import importlib
import importlib.util
import pathlib
import subprocess
import sys
from typing import Any

import pytest

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        not importlib.util.find_spec(package), reason=f"{package} is not installed"
    )


def script(name: str) -> Any:
    """A module of the scripts; needs the fixture `scripts_importable`."""
    return importlib.import_module(name)


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / program), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)
