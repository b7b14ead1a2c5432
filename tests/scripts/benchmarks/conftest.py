"""The benchmarks, called in this process: one of its own costs seconds to start."""

import functools
import pickle
import runpy
import sys
from collections.abc import Callable
from typing import Any

import pytest

from scripts.benchmarks import measuring
from tests import called


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., called.Finished]:
    """`run("training", "--json")` is `python -m scripts.benchmarks.training --json`.

    What it measures runs in processes of their own, unless a test wants them `in_this_process`.
    """

    def call(program: str, *arguments: str) -> called.Finished:
        name = f"scripts.benchmarks.{program}"
        monkeypatch.delitem(sys.modules, name, raising=False)
        start = functools.partial(runpy.run_module, name, run_name="__main__", alter_sys=True)
        return called.call(start, [name, *arguments], capsys, monkeypatch)

    return call


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measures here, with what another process would be sent."""

    def call(function: Callable[..., Any], *args: Any) -> Any:
        function, args = pickle.loads(pickle.dumps((function, args)))
        return pickle.loads(pickle.dumps(function(*args)))

    monkeypatch.setattr(measuring, "in_own_process", call)
