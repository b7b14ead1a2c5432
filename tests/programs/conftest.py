"""The programs, called in this process: one of its own costs seconds to start."""

import functools
import importlib
import signal

import pytest
from absl import flags

import lstm_jax
from lstm_jax.programs.program import run
from tests import called
from tests.runs import tiny


@pytest.fixture
def program(capsys, monkeypatch):
    """`program("train", "--workdir=x")` is `python -m experiments.train --workdir=x`.

    A function instead of a name is run as the `main` of a program.
    """

    def call(main, *arguments):
        handler = signal.getsignal(signal.SIGTERM)
        if callable(main):
            start = functools.partial(run, main, flags.FlagValues())
        else:
            start = importlib.import_module(f"lstm_jax.programs.{main}").run
        command = ["experiments/a_program.py", *map(str, arguments)]
        try:
            finished = called.call(start, command, capsys, monkeypatch)
        finally:
            signal.signal(signal.SIGTERM, handler)
        assert "Traceback" not in finished.err
        return finished

    return call


@pytest.fixture
def mistake(program):
    """The one line with which a program refuses its arguments, exit code 2."""

    def call(name, *arguments):
        code, out, err = program(name, *arguments)
        assert (code, out) == (2, "")
        assert err.count("\n") == 1, err
        assert err.startswith("error: ")
        return err.removeprefix("error: ").strip()

    return call


@pytest.fixture(scope="session")
def trained(text, tmp_path_factory):
    """The directory of a run."""
    workdir = tmp_path_factory.mktemp("runs") / "tiny"
    lstm_jax.train(tiny(text, epochs=1), workdir)
    return workdir


@pytest.fixture
def config(text, tmp_path):
    """A config file of the tiny experiment."""
    path = tmp_path / "lm_tiny.py"
    path.write_text(
        f"from tests import runs\n\ndef get_config():\n    return runs.tiny({text!r})\n"
    )
    return path
