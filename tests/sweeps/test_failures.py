"""Whose fault a failure is: that of one setting, which ends its trial, or that of the sweep."""

import signal
from pathlib import Path
from typing import Any

import pytest

from lstm_jax.errors import DataError, SweepError
from lstm_jax.sweeps import Integer, Sweep, load_sweep, run_sweep, worker
from lstm_jax.sweeps.desk import Desk
from lstm_jax.sweeps.trials import State
from tests.runs import tiny
from tests.sweeps.studies import add, begin, grid


def test_a_trial_that_diverges_is_told_as_such(text: str, tmp_path: Path) -> None:
    sweep = grid("optimizer.learning_rate", 3e38, 0.1)
    bad, good = run_sweep(sweep, tiny(text, steps_per_dispatch=1), tmp_path / "sweep").trials
    assert (bad.state, bad.metric) == (State.DIVERGED, None)
    assert bad.error
    assert good.state is State.COMPLETE
    assert load_sweep(tmp_path / "sweep").best().number == good.number


def test_values_that_are_refused_together_fail_alone(text: str, tmp_path: Path) -> None:
    sweep = grid("steps_per_dispatch", 50, 1)
    bad, good = run_sweep(sweep, tiny(text), tmp_path / "sweep").trials
    assert bad.state is State.FAILED
    assert "steps_per_dispatch" in (bad.error or "")
    assert good.state is State.COMPLETE


def test_a_sweep_all_of_whose_trials_fail_stops(text: str, tmp_path: Path) -> None:
    sweep = grid("steps_per_dispatch", *range(50, 70))
    with pytest.raises(SweepError, match="all of the first 5 trials failed"):
        run_sweep(sweep, tiny(text), tmp_path / "sweep")
    assert len(load_sweep(tmp_path / "sweep").trials) == 5


def test_running_trials_of_others_do_not_keep_a_sweep_whose_trials_fail(tmp_path: Path) -> None:
    study = begin(tmp_path / "sweep", {"keep": Integer(1, 9)})
    for _ in range(5):
        study.desk.stop_if_all_fail()
        add(study, {"keep": 3}, state=State.FAILED, error="refused")
    add(study, {"keep": 3}, state=State.RUNNING)
    with pytest.raises(SweepError, match="all of the first 5 trials failed, the last with: refus"):
        study.desk.stop_if_all_fail()
    add(study, {"keep": 3}, 2.0)
    study.desk.stop_if_all_fail()


def test_what_every_trial_would_meet_stops_the_sweep(text: str, tmp_path: Path) -> None:
    sweep = Sweep({"keep": Integer(1, 9)}, trials=2)
    missing = tiny(tmp_path / "gone")
    with pytest.raises(DataError):
        run_sweep(sweep, missing, tmp_path / "sweep")
    (trial,) = load_sweep(tmp_path / "sweep").trials
    assert trial.state is State.WAITING
    (tmp_path / "gone").symlink_to(text)
    trials = run_sweep(sweep, missing, tmp_path / "sweep").trials
    assert [one.state for one in trials] == [State.COMPLETE] * 2
    assert trials[0].values == trial.values


def crashes_at(monkeypatch: pytest.MonkeyPatch, *values: int) -> list[int]:
    """Lets training with these `keep` end in an error; returns all with which it was begun."""
    begun, train = list[int](), worker.train

    def crashing(experiment: Any, *rest: Any) -> Any:
        begun.append(experiment.keep)
        if experiment.keep in values:
            raise RuntimeError("RESOURCE_EXHAUSTED:\nout of memory")
        return train(experiment, *rest)

    monkeypatch.setattr(worker, "train", crashing)
    return begun


def test_an_error_that_only_one_setting_meets_ends_its_trial(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sweep, experiment = grid("keep", 3, 4, 5), tiny(text, epochs=1)
    begun = crashes_at(monkeypatch, 4)
    trials = run_sweep(sweep, experiment, tmp_path / "sweep").trials
    assert begun == [3, 4, 4, 5]
    assert [one.state for one in trials] == [State.COMPLETE, State.FAILED, State.COMPLETE]
    assert trials[1].error == "RuntimeError: RESOURCE_EXHAUSTED: out of memory"
    assert "trial 1 met an error" in caplog.text
    assert "Traceback" in caplog.text
    # On a larger machine it may have another try.
    monkeypatch.undo()
    assert run_sweep(sweep, experiment, tmp_path / "sweep")[1].state is State.FAILED
    found = run_sweep(sweep, experiment, tmp_path / "sweep", retry_failed=True)
    assert {one.state for one in found.trials} == {State.COMPLETE}
    assert found[1].error is None


def test_an_error_before_any_trial_has_trained_ends_the_sweep(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program is wrong, not a setting. Whoever insists comes past the setting."""
    sweep, experiment = grid("keep", 3, 4), tiny(text, epochs=1)
    begun = crashes_at(monkeypatch, 3)
    with pytest.raises(RuntimeError, match="RESOURCE_EXHAUSTED"):
        run_sweep(sweep, experiment, tmp_path / "sweep")
    (trial,) = load_sweep(tmp_path / "sweep").trials
    assert (trial.state, begun) == (State.WAITING, [3])
    trials = run_sweep(sweep, experiment, tmp_path / "sweep").trials
    assert [one.state for one in trials] == [State.FAILED, State.COMPLETE]


def test_a_sweep_in_which_one_trial_after_another_meets_an_error_stops(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine is broken, not five settings."""
    monkeypatch.setattr("lstm_jax.sweeps.local._PAUSE", 0.0)
    monkeypatch.setattr("lstm_jax.sweeps.desk._HOPELESS", 3)
    sweep, experiment = grid("keep", *range(3, 20)), tiny(text, epochs=1)
    begun = crashes_at(monkeypatch, *range(4, 20))
    for first in (4, 7):  # whoever insists comes past them
        with pytest.raises(SweepError, match="the last 3 trials failed, the last with: RuntimeErr"):
            run_sweep(sweep, experiment, tmp_path / "sweep")
        assert begun[-6:] == [one for one in range(first, first + 3) for _ in range(2)]


def test_a_signal_while_a_trial_is_handed_back_after_an_error_ends_the_worker(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = Desk.release

    def signalled(self: Any, trial: Any) -> None:
        signal.raise_signal(signal.SIGTERM)
        release(self, trial)

    begun = crashes_at(monkeypatch, 4)
    monkeypatch.setattr(Desk, "release", signalled)
    with pytest.raises(SystemExit):
        run_sweep(grid("keep", 3, 4, 5), tiny(text, epochs=1), tmp_path / "sweep")
    assert begun == [3, 4]
