"""What is printed can be typed."""

import sys

import pytest

from lstm_jax.runtime.command import command


@pytest.mark.parametrize(
    ("started", "expected"),
    [
        ("/clone/experiments/sweep.py", "python -m experiments.train"),
        ("/venv/bin/lstm-jax", "lstm-jax train"),
        ("/venv/lib/lstm_jax/programs/__main__.py", "lstm-jax train"),
        ("/venv/lib/ipykernel_launcher.py", "lstm-jax train"),
    ],
)
def test_a_program_is_started_as_this_one_was(started, expected, monkeypatch):
    monkeypatch.setattr(sys, "argv", [started, "--flag"])
    assert " ".join(command("train")) == expected
