"""No two workers have the same trial, and none is lost, on each kind of database."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from lstm_jax.sweeps import Sweep, Uniform, desk
from lstm_jax.sweeps.desk import Desk, LostTrialError
from lstm_jax.sweeps.storage import Location, open_storage, patiently
from lstm_jax.sweeps.study import Study, define, open_study
from lstm_jax.sweeps.trials import SEEN, State, Trial, busy_seconds
from tests.runs import tiny

_HEARTBEAT = 1.0


@pytest.fixture
def open_desk(url: str | None, text: str, tmp_path: Path) -> Callable[..., Study]:
    """Another worker's view of one sweep."""
    location = Location(url, str(tmp_path))

    def call(trials: int | None = 20) -> Study:
        hours = 1.0 if trials is None else None
        sweep = Sweep({"task.dropout": Uniform(0.0, 0.5)}, trials=trials, hours=hours)
        return open_study(tmp_path, location, sweep, define(sweep, tiny(text)), _HEARTBEAT)

    return call


def take(study: Study) -> Trial:
    trial = study.desk.take()
    assert trial is not None
    return trial


def as_elsewhere(monkeypatch: pytest.MonkeyPatch, opened: Callable[..., Study]) -> Study:
    """A worker on another machine, which cannot look at the processes of this one."""
    with monkeypatch.context() as patch:
        patch.setattr(desk, "_host", lambda: "elsewhere")
        return opened()


def test_many_workers_share_a_budget(open_desk: Callable[..., Study]) -> None:
    taken: list[int] = []
    studies = [open_desk(trials=17) for _ in range(6)]

    def work(study: Study) -> None:
        while (trial := study.desk.take()) is not None:
            taken.append(trial.number)
            study.desk.finish(trial, State.COMPLETE, 1.0)

    threads = [threading.Thread(target=work, args=(study,)) for study in studies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(17))
    trials = open_desk(trials=17).desk.standing().trials
    assert [trial.number for trial in trials] == list(range(17))
    assert {trial.state for trial in trials} == {State.COMPLETE}


def test_what_is_handed_back_is_taken_by_one(open_desk: Callable[..., Study]) -> None:
    first = open_desk(trials=9)
    left = [take(first) for _ in range(9)]
    for trial in left:
        first.desk.release(trial)
    taken: list[int] = []
    studies = [open_desk(trials=9) for _ in range(4)]
    barrier = threading.Barrier(4)

    def work(study: Study) -> None:
        barrier.wait()
        while (trial := study.desk.take()) is not None:
            taken.append(trial.number)

    threads = [threading.Thread(target=work, args=(study,)) for study in studies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(9))


def test_values_and_seeds_that_are_done_go_along(open_desk: Callable[..., Study]) -> None:
    study = open_desk()
    trial = take(study)
    study.desk.set(trial, "metrics", {"0": 2.5})
    distribution = optuna.distributions.FloatDistribution(0.0, 0.5)
    identifier = trial.last._trial_id
    study.optuna._storage.set_trial_param(identifier, "task.dropout", 0.25, distribution)
    study.desk.release(study.desk.standing().trials[0])
    again = take(open_desk())
    assert again.number == trial.number
    assert again.values == {"task.dropout": 0.25}
    assert again.metrics == {0: 2.5}
    assert len(again.attempts) == 2


def test_a_dead_process_of_this_machine_is_seen_at_once(
    open_desk: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    started = desk._started(process.pid)
    assert started is not None
    identity = {"host": desk._host(), "process": process.pid, "started": started}
    with monkeypatch.context() as patch:
        patch.setattr(desk, "_identity", lambda: identity)
        mine = take(open_desk())
    other = open_desk()
    other.desk.release_dead()
    assert other.desk.standing().trials[0].state is State.RUNNING
    process.kill()
    process.wait()
    assert take(other).number == mine.number


def test_a_number_that_another_process_has_by_now_is_dead() -> None:
    identity = desk._identity()
    assert not desk._is_dead({"owner": identity, SEEN: 0.0})
    assert desk._is_dead({"owner": identity | {"started": "12"}, SEEN: time.time()})


def test_a_silent_machine_loses_its_trial(
    open_desk: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = as_elsewhere(monkeypatch, open_desk)
    trial = take(there)
    here = open_desk()
    with there.desk.beat(trial, 0.2) as heart:
        time.sleep(1.0)
        here.desk.release_dead()
        assert here.desk.standing().trials[0].state is State.RUNNING
    limit = time.monotonic() + 30
    while here.desk.standing().trials[0].state is State.RUNNING:
        assert time.monotonic() < limit
        time.sleep(0.5)
        here.desk.release_dead()
    again = take(here)
    assert again.number == trial.number
    # The first one was only suspended. What it says now does not count.
    with pytest.raises(LostTrialError):
        there.desk.sign(trial)
    with pytest.raises(LostTrialError):
        there.desk.finish(trial, State.COMPLETE, 1.0)
    there.desk.release(trial)
    here.desk.finish(again, State.COMPLETE, 2.0)
    (found,) = here.desk.standing().trials
    assert (found.state, found.last.value) == (State.COMPLETE, 2.0)
    assert not heart.is_lost


def test_a_machine_that_died_before_its_first_sign_of_life_is_dead_in_the_end(
    open_desk: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = take(as_elsewhere(monkeypatch, open_desk))
    here = open_desk()
    here.desk.release_dead()
    assert here.desk.standing().trials[0].state is State.RUNNING
    monkeypatch.setattr(desk, "_LOST", -1.0)
    assert take(here).number == trial.number


def test_two_that_go_on_from_the_same_attempt_agree_on_one(open_desk: Callable[..., Study]) -> None:
    study, other = open_desk(), open_desk()
    trial = take(study)
    study.desk.release(trial)
    (waiting,) = study.desk.standing().trials
    assert study.desk._add(waiting) is not None
    assert other.desk._add(waiting) is None
    (found,) = other.desk.standing().trials
    assert len(found.attempts) == 2
    assert found.state is State.RUNNING


def test_a_trial_over_which_workers_keep_dying_fails(
    open_desk: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = open_desk(trials=1)
    gone = desk._identity() | {"started": "long ago"}
    monkeypatch.setattr(desk, "_identity", lambda: gone)
    for _ in range(desk._TRIES):
        assert take(open_desk(trials=1)).number == 0
    assert open_desk(trials=1).desk.take() is None
    (trial,) = study.desk.standing().trials
    assert trial.state is State.FAILED
    assert "died" in trial.last.user_attrs["error"]


def test_a_trial_that_comes_further_each_time_does_not_fail(
    open_desk: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = desk._identity() | {"started": "long ago"}
    monkeypatch.setattr(desk, "_identity", lambda: gone)
    for step in range(2 * desk._TRIES):
        study = open_desk(trials=1)
        study.desk.set(take(study), "step", f"0: {step}")
    assert open_desk(trials=1).desk.take() is not None


def test_a_budget_may_grow(open_desk: Callable[..., Study]) -> None:
    for trials in (2, 3):
        study = open_desk(trials=trials)
        while (trial := study.desk.take()) is not None:
            study.desk.finish(trial, State.COMPLETE, 1.0)
        assert len(study.desk.standing().trials) == trials
    assert open_desk(trials=None).desk.take() is not None


def test_rows_beyond_the_budget_are_not_shown(open_desk: Callable[..., Study]) -> None:
    study = open_desk(trials=1)
    study.desk.finish(take(study), State.COMPLETE, 1.0)
    assert study.desk._add(None) is None
    assert len(study.desk.standing().trials) == 1
    # They count as begun and left when the budget grows.
    assert take(open_desk(trials=2)).number == 1


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (State.COMPLETE, TrialState.COMPLETE),
        (State.PRUNED, TrialState.PRUNED),
        (State.DIVERGED, TrialState.PRUNED),
        (State.FAILED, TrialState.FAIL),
    ],
)
def test_each_end_is_final(state: State, told: TrialState, open_desk: Callable[..., Study]) -> None:
    study = open_desk(trials=1)
    has_value = state in (State.COMPLETE, State.PRUNED)
    study.desk.finish(take(study), state, 1.0 if has_value else None, "" if has_value else "why")
    (trial,) = study.desk.standing().trials
    assert trial.state is state
    assert trial.state.is_final
    assert trial.last.state is told
    assert study.desk.take() is None


def test_hours_are_those_in_which_somebody_worked() -> None:
    def row(start: float, seen: float):
        made = create_trial(state=TrialState.RUNNING, user_attrs={SEEN: start + seen})
        made.datetime_start = type(made.datetime_start).fromtimestamp(start)
        return made

    # Two side by side, then nobody for a while, then one.
    rows = [row(1000.0, 50.0), row(1020.0, 60.0), row(5000.0, 10.0)]
    assert busy_seconds(rows) == pytest.approx(90.0)


def test_a_database_that_is_away_for_a_moment_is_waited_for(
    open_desk: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = open_desk()
    failures = iter([True, True, False])
    original = Desk.rows

    def rows(self: Desk):
        if next(failures, False):
            raise optuna.exceptions.StorageInternalError("gone")
        return original(self)

    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert patiently(lambda: rows(study.desk)) == []


def test_reading_changes_nothing(url: str | None, open_desk: Callable[..., Study], tmp_path: Path):
    take(open_desk())
    before = (tmp_path / "study.db").read_bytes() if url is None else b""
    storage = open_storage(tmp_path, Location(url, str(tmp_path)))
    assert len(storage.get_all_trials(storage.get_study_id_from_name(str(tmp_path)))) == 1
    assert before == ((tmp_path / "study.db").read_bytes() if url is None else b"")
