"""When the launcher starts, replaces and dismisses workers, which train nothing here."""

import dataclasses
import importlib.metadata
import importlib.util
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lstm_jax.errors import SweepError
from lstm_jax.sweeps import desk, liveness
from lstm_jax.sweeps import launch as launching
from lstm_jax.sweeps.launch import _Crew, launch
from lstm_jax.sweeps.study import Study
from lstm_jax.sweeps.trials import Standing, State
from tests.sweeps.studies import add, begin
from tests.sweeps.sweeping import is_running

_VALUES = {
    "optimizer.learning_rate": 0.01,
    "task.dropout": 0.25,
    "task.cell": "GRU(hidden=4)",
    "task.layers": 2,
}


def test_a_worker_that_starts_is_not_taken_for_one_that_another_machine_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = begin(tmp_path / "sweep", trials=3)
    with monkeypatch.context() as patch:
        patch.setattr(liveness, "host", lambda: "elsewhere")
        for _ in range(2):
            add(study, _VALUES, state=State.RUNNING)
    add(study, _VALUES, state=State.WAITING)
    mine = _Crew(study, [], workers=2)
    assert mine._has_work()
    starting: Any = SimpleNamespace(pid=1)
    mine.processes[0] = starting
    assert not mine._has_work()


_REMEMBER = "import os, pathlib, signal, sys, time; path = pathlib.Path(sys.argv[1])\n"


def crew(study: Study, path: Path, code: str, workers: int = 1) -> None:
    """Launches workers that do nothing but what `code` says, with `path` to leave word at."""
    launch(study, [sys.executable, "-S", "-c", _REMEMBER + code, str(path)], workers)


def after(path: Path, act: Callable[[], None]) -> threading.Thread:
    """Acts once there is a file; the thread is to be joined."""

    def wait() -> None:
        limit = time.monotonic() + 60
        while not path.exists():
            assert time.monotonic() < limit
            time.sleep(0.01)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_each_worker_is_told_its_share_of_the_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launching, "cores", lambda: 7)
    code = f"path.write_text(' '.join(os.environ[name] for name in {launching._THREADS}))\n"
    code += "print('error: that was it'); sys.exit(2)"
    with pytest.raises(SweepError, match=r"^that was it$"):
        crew(begin(tmp_path / "sweep", trials=2), tmp_path / "told", code, workers=2)
    assert (tmp_path / "told").read_text() == "3 3 3 3"


def test_of_a_traceback_the_last_line_is_told_and_where_the_rest_is(tmp_path: Path) -> None:
    study = begin(tmp_path / "sweep", trials=2)
    with pytest.raises(SweepError, match=r"a worker failed: ValueError: odd; see .*-0\.log$"):
        crew(study, tmp_path / "told", "raise ValueError('odd')")


def test_workers_that_only_die_are_replaced_some_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trials that fail over it are no progress."""
    monkeypatch.setattr(launching, "_STILLBORN", 4)
    monkeypatch.setattr(desk, "_HOPELESS", 99)
    monkeypatch.setattr(launching, "_PAUSE", 0.01)
    study, look = begin(tmp_path / "sweep", trials=1000), _Crew._look

    def look_and_fail(self: _Crew) -> Standing:
        add(study, _VALUES, state=State.FAILED, error="died")
        return look(self)

    monkeypatch.setattr(_Crew, "_look", look_and_fail)
    code = "path.open('a').write('x'); os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(SweepError, match="4 workers in a row were killed, the last with exit code"):
        crew(study, tmp_path / "told", code)
    assert (tmp_path / "told").read_text() == "xxxx"


_LEAVES = """
def leave(*_): path.with_suffix(".left").touch(); sys.exit(143)
signal.signal(signal.SIGTERM, leave)
path.write_text(str(os.getpid()))
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_after_a_signal_workers_leave_in_good_order(
    number: signal.Signals, raised: type[BaseException], tmp_path: Path
) -> None:
    path = tmp_path / "told"
    thread = after(path, lambda: os.kill(os.getpid(), number))
    with pytest.raises(raised):
        crew(begin(tmp_path / "sweep", trials=1), path, _LEAVES)
    thread.join()
    assert path.with_suffix(".left").exists()


def test_after_a_second_interrupt_workers_that_stay_are_killed(tmp_path: Path) -> None:
    path = tmp_path / "told"
    code = "signal.signal(signal.SIGTERM, lambda *_: path.with_suffix('.asked').touch())\n"
    code += "path.write_text(str(os.getpid()))\nfor _ in range(600): time.sleep(0.1)"

    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    threads = [after(one, interrupt) for one in (path, path.with_suffix(".asked"))]
    with pytest.raises(KeyboardInterrupt):
        crew(begin(tmp_path / "sweep", trials=1), path, code)
    for thread in threads:
        thread.join()
    assert not is_running(int(path.read_text()))


def test_when_the_hours_are_used_up_workers_leave_in_good_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, look = tmp_path / "told", _Crew._look

    def late(self: _Crew) -> Standing:
        return dataclasses.replace(look(self), hours=0.0 if path.exists() else 1.0)

    monkeypatch.setattr(_Crew, "_look", late)
    crew(begin(tmp_path / "sweep", trials=1), path, _LEAVES)
    assert path.with_suffix(".left").exists()


@pytest.mark.parametrize(
    ("limits", "quota"),
    [
        ({}, None),
        ({"a/b": "max 100000"}, None),
        ({"a/b": "250000 100000"}, 2.5),
        ({"a/b": "800000 100000", "a": "150000 50000", "": "max 100000"}, 3.0),
        ({"a/b": "150000 50000", "a": "800000 100000"}, 3.0),
        ({"other": "100000 100000"}, None),
    ],
)
def test_the_time_that_control_groups_allow(
    limits: dict[str, str], quota: float | None, tmp_path: Path
) -> None:
    own, groups = tmp_path / "own", tmp_path / "groups"
    for name, limit in limits.items():
        (groups / name).mkdir(parents=True, exist_ok=True)
        (groups / name / "cpu.max").write_text(f"{limit}\n")
    own.write_text("1:cpuset:/x\n0::/a/b\n")
    assert launching._quota(groups, own) == (quota or 1 << 16)
    assert launching._quota(groups, tmp_path / "absent") == 1 << 16


def test_one_worker_is_started_for_each_core_or_on_an_accelerator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(12)), raising=False)
    monkeypatch.setattr(launching, "_quota", lambda: 7.6)
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    plugins = list[importlib.metadata.EntryPoint]()
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: plugins)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert launching.default_workers() == 8
    plugins += [importlib.metadata.EntryPoint("cuda", "jax_cuda12_plugin", "jax_plugins")]
    assert launching.default_workers() == 8
    monkeypatch.delenv("JAX_PLATFORMS")
    assert launching.default_workers() == 1
