"""What forecasts in an environment of its own, with a stand-in for the package there."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from scripts import rivals

SCRIPT = Path(rivals.__file__)
STAND_IN = """
import os, time
import numpy as np
class AutoETS:
    def __init__(self, **options):
        self.options = options
    def forecast(self, y, h):
        if mark := os.environ.get("MARK"):
            open(mark, "w").close()
            time.sleep(600)
        return {"mean": y[-1] + self.options["season_length"] * np.arange(1, h + 1)}
class AutoTheta(AutoETS):
    def forecast(self, y, h):
        raise NotImplementedError("tiny datasets")
"""
HISTORY = [float("nan"), 1.0, 2.0, float("nan"), 4.0, 5.0, 6.0]


def windows(path, history=HISTORY):
    columns = {
        "item": ["a", "b"],
        "value": ["y", "y"],
        "history": [history, [3.0, 5.0]],
        "origins": [[3, 4, 7], [2]],
        "windows": [["a3", "a4", "a7"], ["b2"]],
    }
    table = pa.table(columns, metadata={"horizon": "3", "season": "2"})
    pyarrow.parquet.write_table(table, path)
    return path


@pytest.fixture
def started(tmp_path):
    """Starts the script, which finds the stand-in."""
    package = tmp_path / "site" / "statsforecast"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "models.py").write_text(STAND_IN)
    facts = tmp_path / "site" / "statsforecast-9.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: statsforecast\nVersion: 9.0\n")

    processes = []

    def start(*flags, **environment):
        command = [sys.executable, str(SCRIPT), f"--windows={windows(tmp_path / 'w.parquet')}"]
        command += [f"--forecasts={tmp_path / 'f.jsonl'}", "--processes=1", *flags]
        environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")} | environment
        options = {"env": environment, "stderr": subprocess.PIPE, "text": True}
        processes.append(subprocess.Popen(command, start_new_session=True, **options))
        return processes[-1]

    yield start
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def tasks(path, models=("auto_ets",), done=frozenset()):
    return [*rivals.tasks_of(pyarrow.parquet.read_table(path), models, {*done})]


def test_a_method_is_given_what_lies_before_its_origin_and_no_more(tmp_path):
    found = tasks(windows(tmp_path / "w"), ["auto_ets", "auto_theta"])
    assert [(task.model, task.item, task.origin, task.window) for task in found] == [
        (model, *key)
        for model in ("auto_ets", "auto_theta")
        for key in (("a", 3, "a3"), ("a", 4, "a4"), ("a", 7, "a7"), ("b", 2, "b2"))
    ]
    for task in found[:3]:
        np.testing.assert_array_equal(task.history, HISTORY[: task.origin])
        assert (task.horizon, task.season) == (3, 2)
    done = {("auto_ets", "a", "y", 3, "a3"), ("auto_ets", "a", "y", 4, "of other values")}
    assert [task.window for task in tasks(tmp_path / "w", done=done)] == ["a4", "a7", "b2"]


def test_a_series_is_complete_from_its_first_value_on():
    np.testing.assert_array_equal(rivals.complete(np.array(HISTORY)), [1, 2, 2, 4, 5, 6])
    np.testing.assert_array_equal(rivals.complete(np.array(HISTORY[:4])), [1, 2, 2])
    np.testing.assert_array_equal(rivals.complete(np.full(3, np.nan)), [0])
    np.testing.assert_array_equal(rivals.complete(np.zeros(0)), [0])


@pytest.mark.parametrize(
    ("found", "failure"),
    [
        (NotImplementedError("tiny\ndatasets"), "NotImplementedError: tiny datasets"),
        (np.array([1, np.inf, 2]), "ArithmeticError: not all steps are finite numbers"),
        (np.ones(2), "ArithmeticError: not all steps are finite numbers"),
    ],
)
def test_where_a_method_fails_the_seasonal_naive_forecast_stands(
    tmp_path, monkeypatch, found, failure
):
    def fitted(task, series):
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(rivals, "fitted", fitted)
    first, *_, last = (rivals.forecast(task, "1") for task in tasks(windows(tmp_path / "w")))
    assert first["forecast"] == [1, 2, 1]
    assert last["forecast"] == [3, 5, 3]
    assert first["failure"] == failure


def test_what_is_not_installed_is_no_failure_of_a_method(tmp_path, monkeypatch):
    def fitted(task, series):
        raise ImportError

    monkeypatch.setattr(rivals, "fitted", fitted)
    with pytest.raises(ImportError):
        rivals.forecast(tasks(windows(tmp_path / "w"))[0], "1")


def test_how_long_it_takes_is_told_now_and_then(monkeypatch, capsys):
    clock = iter([0, 40, 50, 80, 200])
    monkeypatch.setattr(rivals.time, "monotonic", lambda: next(clock))
    progress = rivals.Progress({"auto_ets": 3, "auto_arima": 11})
    for model in ("auto_ets", "auto_ets", "auto_ets", "auto_arima"):
        progress.add({"model": model, "seconds": 1.5})
    progress.end()
    assert capsys.readouterr().err.splitlines() == [
        "auto_ets: 1 of 3 forecasts, 1 min left",
        "auto_ets: 3 of 3 forecasts, 0 min left",
        "auto_arima: 1 of 11 forecasts, 20 min left",
        "auto_ets: 3 forecasts, 4.5 s of a core",
        "auto_arima: 1 forecasts, 1.5 s of a core",
    ]


def test_it_goes_on_where_it_was_killed(tmp_path, started):
    def finished():
        process = started("--models=auto_ets,auto_theta")
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
        return said

    said, path = finished(), tmp_path / "f.jsonl"
    assert "auto_ets: 4 forecasts, " in said
    assert "4 by seasonal naive, where auto_theta: NotImplementedError: tiny datasets" in said
    whole, found = path.read_text(), lines(path)
    assert (found[0]["model"], found[0]["window"], found[0]["origin"]) == ("auto_ets", "a3", 3)
    assert found[0]["forecast"] == [4, 6, 8]
    assert found[0]["package"] == "statsforecast 9.0"
    assert ["failure" in line for line in found] == [False] * 4 + [True] * 4
    # A kill leaves a line that is not whole. Forecasts of another version are made again.
    half = whole[: len(whole) // 2].replace("statsforecast 9.0", "statsforecast 8.0", 1)
    path.write_text(half)
    assert f"f.jsonl: {9 - half.count(chr(10))} forecasts to be made" in finished()
    assert path.read_text().startswith(half.rpartition("\n")[0] + "\n")
    assert len(lines(path)) == 9
    key = "model", "window", "forecast"
    again = {str([line[name] for name in key]) for line in lines(path)[1:]}
    assert again == {str([line[name] for name in key]) for line in found}


def test_it_ends_at_once_with_all_its_processes(tmp_path, started):
    mark = tmp_path / "mark"
    for number, code in ((signal.SIGKILL, -9), (signal.SIGINT, 130)):
        process = started("--models=auto_ets", MARK=str(mark))
        while not mark.exists():
            assert process.poll() is None
            time.sleep(0.05)
        if number == signal.SIGINT:
            _, said = started().communicate(timeout=60)
            assert "is being written by another process" in said
        process.send_signal(number)
        # Its end is read once none of its processes holds the pipe any more.
        _, said = process.communicate(timeout=60)
        assert process.returncode == code
        assert "Traceback" not in said
        mark.unlink()
    assert said.endswith("\nstopped; the same command goes on\n")


def test_mistakes_are_named_in_a_line(tmp_path, capsys):
    path = windows(tmp_path / "w")
    other = tmp_path / "other"
    pyarrow.parquet.write_table(pa.table({"x": [1]}), other)
    (tmp_path / "text").write_text("{}\n")
    for flags, message in (
        (
            ("--models=auto_est",),
            "--models: there is no 'auto_est' here, only auto_ets, auto_theta",
        ),
        (("--processes=0",), "--processes must be at least 1, got 0"),
        ((f"--windows={tmp_path / 'none'}",), f"cannot read {tmp_path / 'none'}"),
        ((f"--windows={other}",), f"{other} is not what experiments.baseline writes"),
        ((), "statsforecast is not installed here: `make rivals` says where"),
    ):
        defaults = f"--windows={path}", f"--forecasts={tmp_path / 'f'}"
        assert rivals.main([*defaults, *flags]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"error: {message}"), said
        assert said.count("\n") == 1
    with (
        (tmp_path / "text").open("r+b") as file,
        pytest.raises(rivals.UserError, match=r"text, line 1: malformed, delete it"),
    ):
        rivals.read_done(file, "1")
