"""Directories of any name that a file system allows."""

import json
import os
import shlex
import subprocess
import tempfile
from pathlib import Path

import jax
import numpy as np
import pytest
from orbax.checkpoint._src.serialization import ocdbt_utils

import lstm_jax
from lstm_jax.errors import CheckpointError
from lstm_jax.storage import checkpoints, harmless
from lstm_jax.sweeps import load_sweep
from lstm_jax.sweeps.report import describe, json_lines, write_report
from tests.runs import tiny
from tests.sweeps.studies import add, begin

NAMES = [
    "a[b]c",
    "[!a]",
    "back\\slash",
    "\\",
    "*",
    "**",
    "?",
    "100%20",
    "#'\"",
    "new\nline",
    " - ",
    "-x",
    ".x",
    "gs:",
    "{x}",
    "x" * 255,
    "\u00e9\u65e5",
    "\udcff\udcfe",  # bytes that are not UTF-8
]
WORST = "a[b]\\ *?%20#'\"\n\udcff\u65e5{x}"
STATE = {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "step": np.int32(4)}


@pytest.fixture(params=["as it is", "without /proc"])
def links(request, monkeypatch):
    """The ways in which a harmless path can be had."""
    if request.param == "without /proc":
        monkeypatch.setattr(harmless, "_DESCRIPTORS", Path("/no/such/descriptors"))


def make(path):
    """Makes a directory of a name that not every file system allows."""
    try:
        path.mkdir()
    except OSError as error:
        pytest.skip(f"this file system does not allow the name: {error.strerror}")
    return path


def assert_saved_and_restored(directory):
    """Saves two steps, the second twice; all is where it belongs, and comes back."""
    for step in (1, 2, 2):
        checkpoints.save(directory, step, STATE, {})
    assert sorted(os.listdir(directory)) == ["1", "2"]
    restored = checkpoints.restore_latest(directory, STATE)
    assert restored is not None
    jax.tree.map(np.testing.assert_array_equal, restored.state, STATE)
    checkpoints.verify(directory, 1)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_directory_of_any_name_has_checkpoints(name, tmp_path):
    assert_saved_and_restored(make(tmp_path / name) / "checkpoints")
    assert os.listdir(tmp_path) == [name]


def test_so_has_one_where_names_can_be_had_through_links_alone(links, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(make(tmp_path / WORST)))
    assert_saved_and_restored(tmp_path / WORST / "checkpoints")
    assert os.listdir(tmp_path / WORST) == ["checkpoints"]


def test_so_has_one_at_a_relative_path_and_behind_a_link(tmp_path, monkeypatch):
    make(tmp_path / WORST).joinpath("run").mkdir()
    monkeypatch.chdir(tmp_path / WORST)
    assert_saved_and_restored(Path("run"))
    (tmp_path / "link").symlink_to(WORST)
    assert_saved_and_restored(tmp_path / "link" / "other")
    assert sorted(os.listdir()) == ["other", "run"]


def test_neighbours_whose_names_are_patterns_of_each_other_keep_their_own(tmp_path):
    """Orbax would merge what it finds, and while both save it finds both."""
    abandoned = tmp_path / "a" / ".1.writing" / "arrays.orbax-checkpoint-tmp" / "ocdbt.process_0"
    checkpoints.save(tmp_path / "b", 1, STATE | {"step": np.int32(5)}, {})
    (tmp_path / "b" / "1" / "arrays" / "ocdbt.process_0").rename(make_parents(abandoned))
    assert_saved_and_restored(make(tmp_path / "?"))


def make_parents(path):
    path.parent.mkdir(parents=True)
    return path


def test_descriptors_are_closed(links, tmp_path):
    directory = make(tmp_path / WORST)
    opened = len(os.listdir("/dev/fd"))
    for _ in range(3):
        with harmless.harmless(directory) as path:
            (path / "file").touch()
    assert len(os.listdir("/dev/fd")) == opened
    assert os.listdir(directory) == ["file"]


def test_what_earlier_versions_left_unfinished_is_finished_as_the_error_says(tmp_path, monkeypatch):
    async def find_nothing(*arguments, **options):
        """Finds none of the files that it should merge."""

    with monkeypatch.context() as patch:
        patch.setattr(ocdbt_utils, "merge_ocdbt_per_process_files", find_nothing)
        patch.setattr(checkpoints, "_require_same", lambda *arguments: None)
        checkpoints.save(tmp_path / "a b", 1, STATE, {})
    with pytest.raises(
        CheckpointError, match=r"files unfinished: cp -R .* finishes them$"
    ) as error:
        checkpoints.restore_latest(tmp_path / "a b", STATE)
    command = str(error.value).rpartition(": ")[2].removesuffix(" finishes them")
    subprocess.run(shlex.split(command), check=True)
    found = checkpoints.restore(tmp_path / "a b", 1, STATE)
    jax.tree.map(np.testing.assert_array_equal, found, STATE)


def test_a_run_is_trained_and_gone_on_with_in_a_directory_of_any_name(text, tmp_path, monkeypatch):
    monkeypatch.chdir(make(tmp_path / WORST))
    for steps in (1, 2):
        assert lstm_jax.train(tiny(text, steps=steps), WORST).step == steps
    assert sorted(os.listdir(Path(WORST, "checkpoints"))) == ["1", "2"]
    assert sorted(os.listdir()) == [WORST]


def test_a_sweep_is_recorded_and_reported_in_a_directory_of_any_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for workdir in (make(tmp_path / WORST), make(Path("file:"))):
        study = begin(workdir, {"task.dropout": [0.1, 0.2]})
        add(study, {"task.dropout": 0.1}, 2.5)
        assert sorted(os.listdir(workdir)) == ["study.db", "sweep.json"]
    sweep = load_sweep(tmp_path / WORST)
    assert f"{tmp_path / WORST}: 1 complete" in describe(sweep, 200)
    assert json.loads(json_lines(sweep))["workdir"] == str(sweep.best().workdir)
    for path in (write_report(sweep), tmp_path / WORST / "report" / "trials.csv"):
        assert "\\udcff" in path.read_text("utf-8")
