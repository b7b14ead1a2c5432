"""The benchmarks, called in this process: one of its own costs seconds to start."""

import pickle
import runpy
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from absl import app, flags
from absl.testing import flagsaver

from scripts.benchmarks import measuring

# The flags that every program of absl has; it defines them only once in a process.
app.define_help_flags()


class Finished(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Finished]:
    """`run("training", "--json")` is `python -m scripts.benchmarks.training --json`.

    What it measures runs in processes of their own, unless a test wants them `in_this_process`.
    """

    def call(program: str, *arguments: str) -> Finished:
        name = f"scripts.benchmarks.{program}"
        monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        saved, others = flagsaver.save_flag_values(), set(flags.FLAGS)
        capsys.readouterr()
        try:
            with pytest.raises(SystemExit) as exited:
                runpy.run_module(name, run_name="__main__", alter_sys=True)
        finally:
            # The benchmarks have flags of the same names.
            for own in set(flags.FLAGS) - others:
                delattr(flags.FLAGS, own)
            flagsaver.restore_flag_values(saved)
            flags.FLAGS.unparse_flags()
        printed = capsys.readouterr()
        code = exited.value.code or 0
        assert isinstance(code, int), code
        return Finished(code, printed.out, printed.err)

    return call


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measures here, with what another process would be sent."""

    def call(function: Callable[..., Any], *args: Any) -> Any:
        function, args = pickle.loads(pickle.dumps((function, args)))
        return pickle.loads(pickle.dumps(function(*args)))

    monkeypatch.setattr(measuring, "in_own_process", call)
