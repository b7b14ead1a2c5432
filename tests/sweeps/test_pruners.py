"""Pruners over studies in memory, with invented curves: nothing is trained."""

from collections.abc import Callable
from typing import Any

import optuna
import pytest

from lstm_jax.sweeps.pruners import evaluations, pruner
from lstm_jax.sweeps.space import Uniform
from lstm_jax.sweeps.sweep import Sweep
from tests.runs import tiny

Curve = Callable[[int], float]


def make(**fields: Any) -> Sweep:
    return Sweep(space={"dropout": Uniform(0.0, 0.5)}, sampler="random", **fields)


def follow(sweep: Sweep, curves: list[Curve], total: int, direction: str) -> list[int | None]:
    """After which evaluation each trial was ended; None for those that came to their end."""
    sign = 1.0 if direction == "minimize" else -1.0
    study = optuna.create_study(
        pruner=pruner(sweep, total),
        sampler=optuna.samplers.RandomSampler(0),
        direction=direction,
        study_name="pruned",  # Hyperband deals its brackets by the name
    )
    ends: list[int | None] = []
    for curve in curves:
        trial, end = study.ask(), None
        for count in range(1, total + 1):
            trial.report(sign * curve(count), count)
            if trial.should_prune():
                end = count
                break
        pruned = optuna.trial.TrialState.PRUNED
        study.tell(trial, sign * curve(total)) if end is None else study.tell(trial, state=pruned)
        ends.append(end)
    return ends


def level(height: float) -> Curve:
    return lambda count: height + 1 / count


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("warmup", [1, 2, 4])
@pytest.mark.parametrize("stop", ["median", "successive_halving", "hyperband"])
def test_pruners_end_bad_trials_after_the_warmup_and_never_the_best(stop, warmup, direction):
    sweep = make(pruner=stop, warmup=warmup, startup=3, reduction=3)
    heights = [1.0, 1.1, 1.2, *[9.0, 0.9, 9.1, 0.8, 9.2, 0.7, 9.3, 0.6] * 2]
    heights = [height - 0.01 * place for place, height in enumerate(heights)]
    ends = follow(sweep, [level(height) for height in heights], 4 * warmup, direction)
    bad = [end for end, height in zip(ends, heights, strict=True) if height > 5]
    assert all(end is None or end >= warmup for end in ends)
    if stop == "hyperband":  # some of its brackets let every trial run for longer
        assert set(bad) == {warmup, 3 * warmup}
    else:
        assert set(bad) == {warmup}
    best = [min(heights[: place + 1]) == height for place, height in enumerate(heights)]
    assert all(end is None for end, is_best in zip(ends, best, strict=True) if is_best)


def test_a_trial_that_turns_bad_later_is_ended_later():
    curves: list[Curve] = [level(1.0 + 0.1 * place) for place in range(6)]
    curves += [lambda count: 0.5 if count < 6 else 20.0]
    assert follow(make(pruner="successive_halving"), curves, 9, "minimize")[-1] == 9
    # The median compares the best that a trial has reached.
    assert follow(make(pruner="median", startup=3), curves, 9, "minimize")[-1] is None


def test_the_median_waits_for_whole_trials():
    curves = [level(9.0), level(1.0), level(8.0), level(7.0), level(9.5)]
    ends = follow(make(pruner="median", startup=4), curves, 3, "minimize")
    assert ends == [None, None, None, None, 1]


def test_successive_halving_compares_at_powers_of_the_reduction():
    heights = [5.0, 4.0, 3.0, 2.0, 2.5, 2.4, 2.3, 1.0]
    sweep = make(pruner="successive_halving", reduction=2, warmup=2)
    ends = follow(
        sweep, [lambda count, height=height: height for height in heights], 16, "minimize"
    )
    assert ends[:4] == [None] * 4
    assert {end for end in ends if end is not None} <= {2, 4, 8, 16}
    assert ends[-1] is None


@pytest.mark.parametrize("stop", ["median", "successive_halving", "hyperband"])
def test_a_run_shorter_than_the_warmup_is_never_ended(stop):
    curves = [level(height) for height in (1.0, 2.0, 3.0, 9.0, 10.0, 11.0)]
    sweep = make(pruner=stop, warmup=5, startup=1)
    assert follow(sweep, curves, 3, "minimize") == [None] * 6


def test_hyperband_finds_the_length_of_runs_out_if_it_is_not_known():
    sweep = make(pruner="hyperband")
    study = optuna.create_study(pruner=pruner(sweep, None), study_name="pruned")
    trials = [study.ask() for _ in range(9)]
    for height, trial in enumerate(trials):
        for count in range(1, 10):
            trial.report(float(height), count)
            trial.should_prune()
        study.tell(trial, float(height))
    assert study.pruner._max_resource == 10


def test_without_a_pruner_every_trial_comes_to_its_end():
    assert follow(make(), [level(1.0), level(9.0)], 5, "minimize") == [None, None]


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ({"steps": 12, "evaluate_every": 6}, 2),
        ({"steps": 13, "evaluate_every": 6}, 3),
        ({"steps": 5, "evaluate_every": 6}, 1),
        ({"epochs": 3, "evaluate_every": None}, 3),
        ({"epochs": 2.5, "evaluate_every": None}, 3),
        ({"epochs": 0.5, "evaluate_every": None}, 1),
        ({"epochs": 3, "evaluate_every": 6}, None),
        ({"steps": 12, "evaluate_every": None}, None),
    ],
)
def test_evaluations_of_a_run(lengths, expected):
    experiment = tiny("here", **lengths)
    assert evaluations(experiment) == expected
    if expected is not None:
        due = experiment.timetable(steps_per_epoch=8)
        steps = range(1, due.total + 1)
        assert sum(due.evaluation(step) or step == due.total for step in steps) == expected
