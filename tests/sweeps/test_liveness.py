"""Who is dead, and who only seems to be."""

import subprocess
import sys
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from lstm_jax.sweeps import liveness
from lstm_jax.sweeps.liveness import GRACE, Liveness, begin_attempt, end_attempt, started
from lstm_jax.sweeps.trials import OWNER, SEEN


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of this process in seconds, to be changed."""
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def row(seen: float, **owner: Any) -> FrozenTrial:
    attributes = {OWNER: begin_attempt(10.0) | owner, SEEN: seen}
    made = create_trial(state=TrialState.RUNNING, user_attrs=attributes)
    made._trial_id = 7
    return made


def test_a_process_of_this_machine_that_lives_is_alive_however_silent(clock: list[float]) -> None:
    look = Liveness()
    for _ in range(3 * GRACE):
        clock[0] += 10.0
        assert look.dead([row(0.0)]) == []


def test_a_process_that_ended_and_one_whose_number_another_has_are_dead() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE)
    mark = started(process.pid)
    assert mark is not None
    process.communicate()
    assert started(process.pid) is None
    gone = row(0.0, process=process.pid, started=mark)
    assert Liveness().dead([gone]) == [gone]
    other = row(0.0, started="12")
    assert Liveness().dead([other]) == [other]


def test_another_machine_is_dead_after_six_heartbeats_of_silence(clock: list[float]) -> None:
    look, silent = Liveness(), row(5.0, host="elsewhere")
    for _ in range(GRACE + 1):
        assert look.dead([silent]) == []
        clock[0] += 10.0
    assert look.dead([silent]) == [silent]


def test_its_clock_does_not_matter(clock: list[float]) -> None:
    look = Liveness()
    for beat in range(3 * GRACE):
        clock[0] += 10.0
        assert look.dead([row(1e9 - beat, host="elsewhere")]) == []


def test_while_the_database_was_away_nobody_died(clock: list[float]) -> None:
    look, silent = Liveness(), row(5.0, host="elsewhere")
    assert look.dead([silent]) == []
    clock[0] += 3600.0  # neither could this process look
    assert look.dead([silent]) == []


def test_a_machine_that_was_started_again_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    text = liveness.Path.read_text
    boot = "/proc/sys/kernel/random/boot_id"
    before = liveness.host()
    monkeypatch.setattr(
        liveness.Path, "read_text", lambda path: "new" if str(path) == boot else text(path)
    )
    assert liveness.host() != before


def test_rows_that_no_worker_made_and_that_have_ended_are_not_dead() -> None:
    waiting = create_trial(state=TrialState.WAITING)
    ended = create_trial(
        state=TrialState.FAIL, user_attrs={OWNER: begin_attempt(1.0) | {"started": "1"}}
    )
    assert Liveness().dead([waiting, ended]) == []


def test_what_this_process_has_left_is_dead_although_it_lives() -> None:
    mine, other = row(0.0), row(0.0)
    end_attempt(other.user_attrs[OWNER])
    assert Liveness().dead([mine, other]) == [other]


def test_what_the_system_does_not_say_kills_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(process: int) -> str:
        raise OSError(24, "Too many open files")

    gone = row(0.0, started="12")
    monkeypatch.setattr(liveness, "started", refuse)
    assert Liveness().dead([gone]) == []
