"""What the tests of the benchmarks share."""

import importlib.util
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[3]


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        not importlib.util.find_spec(package), reason=f"{package} is not installed"
    )
