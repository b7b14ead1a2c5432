"""Programs called in this process: one of its own costs seconds to start."""

import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest
from absl import app, flags
from absl.testing import flagsaver

# The flags that every program of absl has; it defines them only once in a process.
app.define_help_flags()


class Finished(NamedTuple):
    code: int
    out: str
    err: str


def call(
    start: Callable[[], Any],
    arguments: Sequence[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Finished:
    """What a program does that `start` runs to its end; its flags are as before afterwards."""
    monkeypatch.setattr(sys, "argv", list(arguments))
    saved, others = flagsaver.save_flag_values(), set(flags.FLAGS)
    capsys.readouterr()
    try:
        with pytest.raises(SystemExit) as exited:
            start()
    finally:
        # Programs may have flags of the same names.
        for own in set(flags.FLAGS) - others:
            delattr(flags.FLAGS, own)
        flagsaver.restore_flag_values(saved)
        flags.FLAGS.unparse_flags()
    printed = capsys.readouterr()
    code = exited.value.code or 0
    assert isinstance(code, int), code
    return Finished(code, printed.out, printed.err)
