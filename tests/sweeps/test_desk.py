"""No two workers have the same trial, and none is lost, on each kind of database."""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from lstm_jax.errors import SweepError
from lstm_jax.sweeps import Sweep, Uniform, desk, liveness
from lstm_jax.sweeps.desk import Desk, LostTrialError, guard
from lstm_jax.sweeps.storage import Location, open_storage
from lstm_jax.sweeps.study import Study, define, open_study
from lstm_jax.sweeps.trials import OWNER, SEEN, STARTED, VERDICT, State, Trial, busy_seconds
from tests.runs import tiny
from tests.sweeps.studies import EACH_STORAGE

_HEARTBEAT = 0.2


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


def take_elsewhere(monkeypatch: pytest.MonkeyPatch, study: Study) -> Trial:
    """A trial for a worker on another machine, which cannot look at the processes of this one."""
    with monkeypatch.context() as patch:
        patch.setattr(liveness, "host", lambda: "elsewhere")
        return take(study)


@EACH_STORAGE
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


@EACH_STORAGE
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


@EACH_STORAGE
def test_an_attempt_ends_once(open_desk: Callable[..., Study]) -> None:
    studies = [open_desk() for _ in range(6)]
    for _ in range(10):
        trial, ended, barrier = take(studies[0]), list[int](), threading.Barrier(len(studies))

        def end(index: int, trial: Trial, ended: list[int], barrier: threading.Barrier) -> None:
            barrier.wait()
            with contextlib.suppress(LostTrialError):
                guard(
                    lambda: studies[index].desk._storage.set_trial_state_values(
                        trial.last._trial_id, TrialState.COMPLETE, [float(index)]
                    )
                )
                ended.append(index)

        threads = [
            threading.Thread(target=end, args=(index, trial, ended, barrier))
            for index in range(len(studies))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ended) == 1
        assert studies[0].desk.standing().trials[trial.number].last.value == ended[0]


def test_values_and_seeds_that_are_done_go_along(open_desk: Callable[..., Study]) -> None:
    study = open_desk()
    trial = take(study)
    study.desk.set(trial, "metrics", {"0": 2.5})
    distribution = optuna.distributions.FloatDistribution(0.0, 0.5)
    identifier = trial.last._trial_id
    storage = study.optuna._storage
    storage.set_trial_param(identifier, "task.dropout", 0.25, distribution)
    storage.set_trial_intermediate_value(identifier, 1, 3.0)
    storage.set_trial_system_attr(identifier, "completed_rung_0", 3.0)
    study.desk.release(study.desk.standing().trials[0])
    again = take(open_desk())
    assert again.number == trial.number
    assert again.values == {"task.dropout": 0.25}
    assert again.metrics == {0: 2.5}
    assert again.curve == {1: 3.0}
    assert again.last.system_attrs["completed_rung_0"] == 3.0
    assert len(again.attempts) == 2


def test_a_dead_process_of_this_machine_is_seen_at_once(
    open_desk: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    started = liveness.started(process.pid)
    assert started is not None
    owner = liveness.begin_attempt(_HEARTBEAT) | {"process": process.pid, "started": started}
    with monkeypatch.context() as patch:
        patch.setattr(desk, "begin_attempt", lambda heartbeat: owner)
        mine = take(open_desk())
    other = open_desk()
    other.desk.release_dead()
    assert other.desk.standing().trials[0].state is State.RUNNING
    process.kill()
    process.wait()
    assert take(other).number == mine.number


@EACH_STORAGE
def test_a_silent_machine_loses_its_trial(
    open_desk: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    there, here = open_desk(), open_desk()
    trial = take_elsewhere(monkeypatch, there)

    def watch(seconds: float) -> bool:
        """Whether it is taken for running all the time."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            here.desk.release_dead()
            if here.desk.standing().running == []:
                return False
            time.sleep(_HEARTBEAT / 2)
        return True

    with there.desk.heartbeat(trial) as heartbeat:
        assert watch(2 * liveness.GRACE * _HEARTBEAT)
        assert not heartbeat.is_lost
    assert not watch(60.0)
    again = take(here)
    assert again.number == trial.number
    # The first one was only suspended. What it says now does not count.
    with there.desk.heartbeat(trial) as heartbeat:
        limit = time.monotonic() + 30
        while not heartbeat.is_lost:
            assert time.monotonic() < limit
            time.sleep(0.05)
    with pytest.raises(LostTrialError):
        there.desk.finish(trial, State.COMPLETE, 1.0)
    there.desk.release(trial)
    here.desk.finish(again, State.COMPLETE, 2.0)
    (found,) = here.desk.standing().trials
    assert (found.state, found.last.value) == (State.COMPLETE, 2.0)


def test_what_nobody_took_is_left_out(open_desk: Callable[..., Study]) -> None:
    study = open_desk(trials=1)
    study.optuna.enqueue_trial({"task.dropout": 0.25})  # as optuna-dashboard does
    trial = take(study)
    assert trial.number == 0
    study.desk.finish(trial, State.COMPLETE, 1.0)
    assert study.desk.take() is None
    assert [one.state for one in study.desk.standing().trials] == [State.COMPLETE]


def test_a_worker_that_was_interrupted_over_taking_a_trial_does_not_keep_it(
    open_desk: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process may live on: a notebook would wait for itself."""
    study = open_desk(trials=1)
    rows, asked = Desk.rows, list[int]()

    def interrupted(self: Desk) -> list[FrozenTrial]:
        found = rows(self)
        if found and not asked:
            asked.append(1)
            raise KeyboardInterrupt
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Desk, "rows", interrupted)
        with pytest.raises(KeyboardInterrupt):
            study.desk.take()
    assert take(open_desk(trials=1)).number == 0


@pytest.mark.parametrize(
    ("verdict", "told"), [(State.PRUNED, TrialState.PRUNED), (State.FAILED, TrialState.FAIL)]
)
def test_a_worker_that_dies_after_its_verdict_leaves_no_row_running(
    verdict: State, told: TrialState, open_desk: Callable[..., Study]
) -> None:
    study = open_desk(trials=1)
    trial = take(study)
    study.desk.set(trial, VERDICT, str(verdict))
    standing = study.desk.standing()
    assert (len(standing.held), standing.running) == (1, [])
    liveness.end_attempt(trial.last.user_attrs[OWNER])
    study.desk.release_dead()
    (found,) = study.desk.standing().trials
    assert (found.state, found.last.state) == (verdict, told)
    assert study.desk.take() is None


@EACH_STORAGE
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
    gone = liveness.begin_attempt(_HEARTBEAT) | {"started": "long ago"}
    monkeypatch.setattr(desk, "begin_attempt", lambda heartbeat: gone)
    for _ in range(desk._TRIES):
        assert take(open_desk(trials=1)).number == 0
    assert open_desk(trials=1).desk.take() is None
    (trial,) = study.desk.standing().trials
    assert trial.state is State.FAILED
    assert "died" in trial.last.user_attrs["error"]


def test_a_trial_that_comes_further_each_time_does_not_fail(
    open_desk: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = liveness.begin_attempt(_HEARTBEAT) | {"started": "long ago"}
    monkeypatch.setattr(desk, "begin_attempt", lambda heartbeat: gone)
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
        noted = {OWNER: {}, STARTED: start, SEEN: start + seen}
        return create_trial(state=TrialState.RUNNING, user_attrs=noted)

    # Two side by side, then nobody for a while, then one.
    rows = [row(1000.0, 50.0), row(1020.0, 60.0), row(5000.0, 10.0)]
    assert busy_seconds(rows) == pytest.approx(90.0)


@EACH_STORAGE
def test_reading_changes_nothing(url: str | None, open_desk: Callable[..., Study], tmp_path: Path):
    study = open_desk()
    take(study)
    rows, written = study.desk.rows(), (tmp_path / "study.db").stat() if url is None else None
    storage = open_storage(tmp_path, Location(url, str(tmp_path)), reading=True)
    assert storage.get_all_trials(storage.get_study_id_from_name(str(tmp_path))) == rows
    assert study.desk.rows() == rows
    assert written is None or (tmp_path / "study.db").stat().st_mtime_ns == written.st_mtime_ns


def test_failed_trials_are_given_another_try(open_desk: Callable[..., Study]) -> None:
    study = open_desk(trials=3)
    for state in (State.FAILED, State.COMPLETE, State.FAILED):
        study.desk.finish(take(study), state, 1.0 if state is State.COMPLETE else None, "why")
    assert study.desk.take() is None
    study.desk.retry_failed()
    states = [one.state for one in study.desk.standing().trials]
    assert states == [State.WAITING, State.COMPLETE, State.WAITING]
    assert [take(open_desk(trials=3)).number for _ in range(2)] == [0, 2]
    assert study.desk.take() is None


def test_a_sweep_over_each_of_whose_trials_workers_die_stops(
    open_desk: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = liveness.begin_attempt(_HEARTBEAT) | {"started": "long ago"}
    monkeypatch.setattr(desk, "begin_attempt", lambda heartbeat: gone)
    monkeypatch.setattr(desk, "_TRIES", 1)
    monkeypatch.setattr(desk, "_HOPELESS", 2)
    study = open_desk(trials=9)
    assert [take(study).number for _ in range(2)] == [0, 1]
    with pytest.raises(SweepError, match="all of the first 2 trials failed, the last with: 1 work"):
        study.desk.take()
    assert [one.state for one in study.desk.standing().trials] == [State.FAILED] * 2
