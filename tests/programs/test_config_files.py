"""Configs in Python files: found, run, and named with the line that fails."""

import sys

import pytest

from lstm_jax.config.saved import check
from lstm_jax.errors import ConfigError
from lstm_jax.programs.program import load_experiment


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "import nothing_of_this_name",
            r"line 1: ModuleNotFoundError: No module named 'nothing_of",
        ),
        ("x = 1\ndef get_config(:", r"line 2: SyntaxError: "),
        ("x = 1\n\ndef get_config():\n    return y", r"line 4: NameError: name 'y' is not defined"),
        (
            "from lstm_jax import Experiment as E\ndef get_config():\n    return E(1, 2, epoch=1)",
            r"line 3: TypeError: .*unexpected keyword argument 'epoch'",
        ),
        ("x = 1", r"needs a function get_config\(\) that returns an Experiment"),
        (
            "def get_config(): return 1",
            r"needs a function get_config\(\) that returns an Experiment",
        ),
    ],
)
def test_a_config_file_that_fails_is_named_with_its_line(content, message, tmp_path):
    path = tmp_path / "config.py"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message) as error:
        load_experiment(str(path))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_config_is_a_python_file(tmp_path):
    (tmp_path / "config.txt").touch()
    with pytest.raises(ConfigError, match=r"config\.txt is not a Python file"):
        load_experiment(str(tmp_path / "config.txt"))
    with pytest.raises(ConfigError, match="there is no file"):
        load_experiment(str(tmp_path))


_OWN = """
from __future__ import annotations

import dataclasses

from lstm_jax.cells import LSTM
from tests import runs


@dataclasses.dataclass(frozen=True)
class Cell(LSTM):
    size: int = 1


def get_config():
    return runs.tiny("text", task__cell=Cell(hidden=3))
"""


def test_a_class_in_a_config_file_is_that_of_every_later_run_if_it_can_be_imported(
    tmp_path, monkeypatch
):
    """The file was run a second time under its name, and a run could not be gone on with."""
    (tmp_path / "own_cell.py").write_text(_OWN)
    path = str(tmp_path / "own_cell.py")
    with pytest.raises(ConfigError, match=r"own_cell.Cell cannot be imported.*; define the class"):
        load_experiment(path)
    assert "own_cell" not in sys.modules
    monkeypatch.syspath_prepend(tmp_path)
    experiment = load_experiment(path)
    try:
        assert type(experiment.task.cell) is sys.modules["own_cell"].Cell
        assert check(experiment) == experiment
    finally:
        del sys.modules["own_cell"]


@pytest.mark.parametrize("name", ["json", "a.b"])
def test_a_config_file_may_have_any_name_and_takes_none_from_a_module(name, tmp_path):
    """A config called json.py was what every import of json got while it was run."""
    path = tmp_path / f"{name}.py"
    path.write_text(
        "import json\nfrom tests import runs\n\n"
        "def get_config():\n    return runs.tiny(json.loads('\"text\"'))\n"
    )
    before = sys.modules["json"]
    assert load_experiment(str(path)).data.source.directory == "text"
    assert sys.modules["json"] is before
