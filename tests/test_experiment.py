import dataclasses
from typing import Any

import pytest

from lstm_jax import Experiment, override
from lstm_jax.config.saved import from_json, to_json
from lstm_jax.data import TextWindows
from lstm_jax.errors import ConfigError
from lstm_jax.tasks import LanguageModeling


def experiment_of(**values: Any) -> Experiment:
    return Experiment(LanguageModeling(), TextWindows(), **values)


def test_a_task_and_data_must_be_named():
    with pytest.raises(TypeError, match=r"missing .*required .*'task'"):
        Experiment(epochs=1)
    with pytest.raises(ConfigError, match="task: Experiment needs a value for it"):
        from_json('{"class": "lstm_jax.Experiment", "epochs": 1}')


@pytest.mark.parametrize("lengths", [{}, {"epochs": 1, "steps": 10}])
def test_the_length_of_training_is_given_once(lengths):
    with pytest.raises(ConfigError, match="as epochs or as steps, one of the two"):
        experiment_of(**lengths)


@pytest.mark.parametrize(
    "name",
    [
        "epochs",
        "evaluate_every",
        "checkpoint_every",
        "log_every",
        "steps_per_dispatch",
        "patience",
        "keep",
    ],
)
def test_numbers_are_positive(name):
    for wrong in (0, -1):
        with pytest.raises(ConfigError, match=f"{name} must be positive, not {wrong}"):
            dataclasses.replace(experiment_of(epochs=1), **{name: wrong})
    with pytest.raises(ConfigError, match="steps must be positive"):
        experiment_of(steps=0)


def test_an_endless_run_is_refused():
    with pytest.raises(ConfigError, match="epochs must be positive, not inf"):
        experiment_of(epochs=float("inf"))


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_the_seed_has_32_bits(seed):
    with pytest.raises(ConfigError, match=f"seed lies in .* not {seed}"):
        experiment_of(epochs=1, seed=seed)
    assert experiment_of(epochs=1, seed=2**32 - 1).seed == 2**32 - 1


def test_it_is_saved_and_overridden_like_any_config():
    experiment = experiment_of(epochs=2.5)
    assert from_json(to_json(experiment)) == experiment
    changed = override(experiment, {"epochs": "3", "task.layers": "1", "patience": "none"})
    assert (changed.epochs, changed.task.layers, changed.patience) == (3, 1, None)
    assert set(Experiment.MAY_GROW) <= {field.name for field in dataclasses.fields(Experiment)}


def test_the_total_is_given_by_epochs_or_by_steps():
    for lengths, total in (
        ({"epochs": 3}, 300),
        ({"epochs": 0.5}, 50),
        ({"epochs": 1.006}, 101),
        ({"epochs": 1e-9}, 1),
        ({"steps": 7}, 7),
    ):
        assert experiment_of(**lengths).timetable(steps_per_epoch=100).total == total


def test_what_is_due_at_which_step():
    experiment = experiment_of(steps=25, evaluate_every=10, checkpoint_every=4, log_every=3)
    due = experiment.timetable(steps_per_epoch=100)

    def steps(is_due):
        return [step for step in range(1, 26) if is_due(step)]

    assert steps(due.evaluation) == [10, 20]
    assert steps(due.checkpoint) == [4, 8, 10, 12, 16, 20, 24]
    assert steps(due.log) == [3, 6, 9, 10, 12, 15, 18, 20, 21, 24]
    assert not due.evaluation(0)
    assert not due.checkpoint(0)
    unasked = experiment_of(epochs=3).timetable(steps_per_epoch=10)
    assert steps(unasked.evaluation) == steps(unasked.checkpoint) == [10, 20]


def test_a_run_ends_at_its_last_step_or_without_patience():
    due = experiment_of(steps=20, patience=3).timetable(steps_per_epoch=10)
    assert [due.end(step, 0) for step in (0, 19, 20)] == [False, False, True]
    assert [due.end(5, evaluations) for evaluations in (2, 3, 4)] == [False, True, True]
    assert not experiment_of(steps=20).timetable(10).end(5, 1000)


@pytest.mark.parametrize("name", ["evaluate_every", "log_every", "checkpoint_every"])
def test_a_dispatch_longer_than_an_interval_is_refused(name):
    intervals = {"evaluate_every": 8, "log_every": 8, "checkpoint_every": 8}
    experiment_of(steps=9, steps_per_dispatch=8, **intervals).timetable(100)
    experiment = experiment_of(steps=9, steps_per_dispatch=8, **(intervals | {name: 7}))
    with pytest.raises(ConfigError, match=rf"8, which is more than {name} \(7\)"):
        experiment.timetable(100)


@pytest.mark.parametrize("size", [1, 3, 4])
def test_no_dispatch_runs_past_a_step_at_which_something_is_due(size):
    experiment = experiment_of(
        steps=37, evaluate_every=12, checkpoint_every=10, log_every=7, steps_per_dispatch=size
    )
    due = experiment.timetable(steps_per_epoch=100)
    step, ends, counts = 0, set(), set()
    while step < due.total:
        count = due.dispatch(step)
        step += count
        ends.add(step)
        counts.add(count)
    assert step == 37
    assert {7, 10, 12, 14, 20, 21, 24, 28, 30, 35, 36} <= ends
    assert counts == {1, size}, "each other number would be one more program to compile"
