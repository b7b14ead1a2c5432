"""The programs, called in this process: one of its own costs seconds to start."""

import functools
import importlib
import signal
import sys
from typing import NamedTuple

import pytest
from absl import app, flags
from absl.testing import flagsaver

import lstm_jax
from lstm_jax.programs.program import run
from tests.runs import tiny

# The flags that every program of absl has; it defines them only once in a process.
app.define_help_flags()


class Finished(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def program(capsys, monkeypatch):
    """`program("train", "--workdir=x")` is `python -m experiments.train --workdir=x`.

    A function instead of a name is run as the `main` of a program.
    """

    def call(main, *arguments):
        saved = flagsaver.save_flag_values()
        handler = signal.getsignal(signal.SIGTERM)
        monkeypatch.setattr(sys, "argv", ["experiments/a_program.py", *map(str, arguments)])
        capsys.readouterr()
        if callable(main):
            start = functools.partial(run, main, flags.FlagValues())
        else:
            start = importlib.import_module(f"lstm_jax.programs.{main}").run
        try:
            with pytest.raises(SystemExit) as exited:
                start()
        finally:
            flagsaver.restore_flag_values(saved)
            flags.FLAGS.unparse_flags()
            signal.signal(signal.SIGTERM, handler)
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return Finished(exited.value.code or 0, printed.out, printed.err)

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
