"""What a worker does with a trial: trains it, ends it early, or hands it back.

What it does where training fails is in `test_failures.py`.
"""

import dataclasses
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

import lstm_jax
from lstm_jax.cells import LSTM
from lstm_jax.errors import SweepError
from lstm_jax.storage import checkpoints, run_directory
from lstm_jax.sweeps import Integer, Sweep, load_sweep, run_sweep, worker
from lstm_jax.sweeps.desk import Desk
from lstm_jax.sweeps.trials import LEFT, State
from tests.runs import assert_same_run, tiny
from tests.sweeps.studies import grid


def test_a_trial_is_the_run_that_train_makes(text: str, tmp_path: Path) -> None:
    experiment = tiny(text)
    (trial,) = run_sweep(grid("keep", 3), experiment, tmp_path / "sweep").trials
    lstm_jax.train(lstm_jax.override(experiment, {"keep": 3}), tmp_path / "run")
    assert_same_run(trial.workdir, tmp_path / "run")
    log = lstm_jax.load(tmp_path / "run").metrics["validation"]["nats_per_token"]
    assert trial.metric == log.min()
    assert list(trial.curve.values()) == log.tolist()


def test_a_bad_trial_is_pruned_and_can_be_loaded(text: str, tmp_path: Path) -> None:
    sweep = grid("optimizer.learning_rate", 0.05, 0.04, 1e-6, pruner="median", startup=1, warmup=2)
    good, other, bad = run_sweep(sweep, tiny(text, steps_per_dispatch=1), tmp_path / "sweep").trials
    assert good.state is State.COMPLETE
    assert other.state in (State.COMPLETE, State.PRUNED)
    assert bad.state is State.PRUNED
    assert list(bad.curve) == [1, 2]
    assert bad.load().step in (6, 12)
    assert checkpoints.steps(bad.workdir / "checkpoints")[-1] == 12
    # Whoever wants to know trains on.
    assert lstm_jax.train(bad.load().experiment, bad.workdir).steps[-1] == 24


def test_a_sweep_whose_runs_are_gone_is_refused(text: str, tmp_path: Path) -> None:
    """As where a directory is deleted and its database, on another machine, is not."""
    sweep, experiment = grid("keep", 3, 4), tiny(text, epochs=1)
    trials = run_sweep(sweep, experiment, tmp_path / "sweep").trials
    shutil.rmtree(trials[0].workdir)
    run_sweep(sweep, experiment, tmp_path / "sweep")
    shutil.rmtree(trials[1].workdir)
    with pytest.raises(SweepError, match=r"2 trials of the sweep are done, but .* has no run"):
        run_sweep(sweep, experiment, tmp_path / "sweep")


def test_a_signal_saves_the_run_and_hands_the_trial_back(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = worker._Attempt._should_prune

    def interrupted(self: Any, workdir: Path) -> bool:
        signal.raise_signal(signal.SIGTERM)
        return asked(self, workdir)

    sweep, experiment = grid("keep", 3), tiny(text)
    with monkeypatch.context() as patch:
        patch.setattr(worker._Attempt, "_should_prune", interrupted)
        with pytest.raises(SystemExit):
            run_sweep(sweep, experiment, tmp_path / "sweep")
    (trial,) = load_sweep(tmp_path / "sweep").trials
    assert trial.state is State.WAITING
    assert checkpoints.steps(trial.workdir / "checkpoints")[-1] == 6
    (trial,) = run_sweep(sweep, experiment, tmp_path / "sweep").trials
    assert trial.state is State.COMPLETE
    lstm_jax.train(lstm_jax.override(experiment, {"keep": 3}), tmp_path / "run")
    assert_same_run(trial.workdir, tmp_path / "run")


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_trial_that_another_worker_was_given_is_left_to_it(
    seeds: int, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At an evaluation of the first seed, and in the second, where no pruner looks."""
    taken, train = list[str](), worker.train

    def robbed(experiment: Any, workdir: Path, should_stop: Callable[[], bool]) -> Any:
        taken.append(workdir.name)
        if len(taken) == seeds:
            study = load_sweep(tmp_path / "sweep")._study
            (row,) = [one for one in study.get_trials() if not one.state.is_finished()]
            study._storage.set_trial_state_values(row._trial_id, TrialState.FAIL)
            limit = time.monotonic() + 30
            while seeds == 2 and not should_stop():  # the heartbeat notices
                assert time.monotonic() < limit
                time.sleep(0.05)
        return train(experiment, workdir, should_stop)

    monkeypatch.setattr(worker, "train", robbed)
    monkeypatch.setattr("lstm_jax.sweeps.local.HEARTBEAT", 0.1)
    sweep = grid("keep", 3, seeds=seeds)
    (trial,) = run_sweep(sweep, tiny(text, epochs=1), tmp_path / "sweep").trials
    # This worker is the next one, too.
    assert trial.state is State.COMPLETE
    assert len(taken) == seeds + 1
    assert taken[-1] == taken[-2]


@pytest.mark.parametrize("when", ["before it reports", "before it asks the pruner"])
def test_a_trial_lost_just_before_an_evaluation_ends_no_sweep(
    when: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No heartbeat has told the worker yet."""
    report, robbed = worker._Attempt._report, list[int]()

    def rob(self: Any, workdir: Path) -> None:
        if when == "before it asks the pruner":
            report(self, workdir)
        if not robbed:
            robbed.append(self.row._trial_id)
            self.study.optuna._storage.set_trial_state_values(robbed[0], TrialState.FAIL)
        report(self, workdir)

    monkeypatch.setattr(worker._Attempt, "_report", rob)
    sweep = grid("keep", 3, pruner="successive_halving")
    (trial,) = run_sweep(sweep, tiny(text, epochs=1), tmp_path / "sweep").trials
    assert trial.state is State.COMPLETE
    assert list(trial.curve) == [1, 2]


def test_a_directory_that_another_worker_has_not_left_yet_is_waited_for(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_PAUSE", 0.1)
    experiment, train, waits = tiny(text, epochs=1), worker.train, list[float]()
    left, held = threading.Event(), threading.Event()
    seeded = lstm_jax.override(experiment, {"keep": 3})

    def hold() -> None:
        with run_directory.open_for_writing(tmp_path / "sweep" / "trials" / "0000", seeded):
            held.set()
            assert left.wait(60)

    holder = threading.Thread(target=hold)

    def counted(*given: Any) -> Any:
        if not waits:
            holder.start()
            assert held.wait(60)
        waits.append(time.monotonic())
        if len(waits) == 3:
            left.set()
        return train(*given)

    monkeypatch.setattr(worker, "train", counted)
    (trial,) = run_sweep(grid("keep", 3), experiment, tmp_path / "sweep").trials
    holder.join()
    assert trial.state is State.COMPLETE
    assert len(waits) >= 3


def test_a_trial_whose_worker_dies_over_ending_it_stays_pruned(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = grid("optimizer.learning_rate", 0.05, 1e-6, pruner="median", startup=1, warmup=2)
    experiment, finish = tiny(text, steps_per_dispatch=1), Desk.finish

    def die(self: Any, trial: Any, state: State, *rest: Any) -> None:
        if state is State.PRUNED:
            raise KeyboardInterrupt
        finish(self, trial, state, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Desk, "finish", die)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(sweep, experiment, tmp_path / "sweep")
    trials = run_sweep(sweep, experiment, tmp_path / "sweep").trials
    assert [trial.state for trial in trials] == [State.COMPLETE, State.PRUNED]
    assert list(trials[1].curve) == [1, 2]


def test_a_second_signal_does_not_break_off_the_handing_back(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note, before = Desk.set, signal.getsignal(signal.SIGTERM)

    def signalled(self: Any, trial: Any, name: str, value: Any) -> None:
        if name == LEFT:
            signal.raise_signal(signal.SIGTERM)
        note(self, trial, name, value)

    def leave(*given: Any) -> None:
        raise SystemExit(7)

    monkeypatch.setattr(Desk, "set", signalled)
    monkeypatch.setattr(worker, "train", leave)
    signal.signal(signal.SIGTERM, leave)
    try:
        with pytest.raises(SystemExit):
            run_sweep(grid("keep", 3), tiny(text), tmp_path / "sweep")
    finally:
        signal.signal(signal.SIGTERM, before)
    (trial,) = load_sweep(tmp_path / "sweep")._study.get_trials()
    assert trial.user_attrs[LEFT]
    assert trial.state is TrialState.FAIL


@dataclasses.dataclass(frozen=True)
class Own(LSTM):
    """A cell of somebody's own package."""


@pytest.mark.parametrize("where", ["experiment", "space"])
def test_own_classes_need_no_word_of_trust_from_who_has_imported_them(
    where: str, text: str, tmp_path: Path
) -> None:
    experiment = tiny(text, epochs=1, steps_per_dispatch=1)
    if where == "experiment":
        experiment = lstm_jax.override(experiment, {"task.cell": Own(hidden=3)})
        sweep = run_sweep(grid("keep", 3), experiment, tmp_path / "sweep")
    else:
        sweep = run_sweep(grid("task.cell", Own(hidden=3)), experiment, tmp_path / "sweep")
    assert isinstance(sweep.best().load().experiment.task.cell, Own)


def test_a_seed_that_is_searched_is_that_of_the_run(text: str, tmp_path: Path) -> None:
    (trial,) = run_sweep(grid("seed", 5), tiny(text, epochs=1), tmp_path / "sweep").trials
    assert [run.seed for run in trial.runs] == [5]
    assert trial.load(seed=5).experiment.seed == 5


def test_seeds_that_are_done_are_not_trained_again(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep, trained = grid("keep", 3, seeds=3), list[int]()
    train = worker.train

    def counted(experiment: Any, *rest: Any) -> Any:
        if len(trained) == 2:
            trained.append(-1)
            raise KeyboardInterrupt
        trained.append(experiment.seed)
        return train(experiment, *rest)

    monkeypatch.setattr(worker, "train", counted)
    experiment = tiny(text, seed=7, epochs=1)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(sweep, experiment, tmp_path / "sweep")
    (trial,) = run_sweep(sweep, experiment, tmp_path / "sweep").trials
    assert trained == [7, 8, -1, 9]
    assert [run.seed for run in trial.runs] == [7, 8, 9]
    values = [run.metric for run in trial.runs]
    assert len(set(values)) == 3
    assert trial.metric == pytest.approx(sum(value or 0 for value in values) / 3)
    assert trial.summary is not None
    assert trial.summary.interval is not None
    low, high = trial.summary.interval
    assert low <= trial.metric <= high


def test_hours_that_are_used_up_begin_no_other_trial(text: str, tmp_path: Path) -> None:
    sweep = Sweep({"keep": Integer(1, 9)}, hours=1e-6)
    found = run_sweep(sweep, tiny(text, epochs=1), tmp_path / "sweep")
    assert [trial.state for trial in found.trials] == [State.COMPLETE]


@pytest.fixture
def attempt(text: str, tmp_path: Path) -> Callable[..., Any]:
    def call(metric: str, direction: str) -> Any:
        options: dict[str, Any] = {"metric": metric, "direction": direction}
        sweep = grid("keep", 3, **options)
        (trial,) = run_sweep(sweep, tiny(text), tmp_path / metric.replace("/", "_")).trials
        return trial

    return call


@pytest.mark.parametrize(
    ("metric", "direction"), [("train/nats_per_token", "max"), ("validation/perplexity", "min")]
)
def test_any_metric_in_either_direction(
    metric: str, direction: str, attempt: Callable[..., Any]
) -> None:
    trial = attempt(metric, direction)
    split, _, name = metric.partition("/")
    values = trial.metrics[split][name]
    assert trial.metric == (values.max() if direction == "max" else values.min())
    assert len(trial.curve) == 4
