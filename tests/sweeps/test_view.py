"""Samplers and pruners see a trial once, however many workers died over it."""

from pathlib import Path

import pytest

from lstm_jax.sweeps import Sweep, Uniform
from lstm_jax.sweeps.pruners import pruner
from lstm_jax.sweeps.search import sampler
from lstm_jax.sweeps.study import Study
from lstm_jax.sweeps.trials import State
from lstm_jax.sweeps.view import one_row_each
from tests.sweeps.studies import add, begin

_NAME = "task.dropout"


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Two trials, the first of which has had three workers."""
    study = begin(tmp_path / "sweep", {_NAME: Uniform(0.0, 0.5)})
    add(study, {_NAME: 0.25}, state=State.WAITING)
    for _ in range(2):
        trial = study.desk.take()
        assert trial is not None
        study.desk.release(trial)
    add(study, {_NAME: 0.5}, 2.0)
    return study


def test_there_is_a_row_for_each_trial(study: Study) -> None:
    assert len(study.optuna.get_trials()) == 4
    view = one_row_each(study.optuna)
    assert [row.params[_NAME] for row in view.get_trials()] == [0.25, 0.5]
    assert [row.params[_NAME] for row in view._get_trials(use_cache=True)] == [0.25, 0.5]
    assert [row.number for row in view.get_trials()] == [2, 3]
    assert view.study_name == study.optuna.study_name


def test_a_bracket_stays_that_of_the_first_row(study: Study) -> None:
    hyperband = pruner(Sweep({_NAME: [0.5]}, pruner="hyperband", reduction=2), 16)
    row = one_row_each(study.optuna).get_trials()[0]
    assert (
        hyperband.prune(one_row_each(study.optuna), row) is False
    )  # its first question makes brackets
    first = study.optuna.get_trials()[0]
    assert row.number != first.number
    brackets = {hyperband._get_bracket_id(study.optuna, one) for one in (first, row)}
    assert len(brackets) == 1
    same = hyperband._create_bracket_study(one_row_each(study.optuna), *brackets)
    assert row.number in [one.number for one in same.get_trials()]


def test_what_diverged_is_worst_to_tpe_however_far_it_came(tmp_path: Path) -> None:
    sweep = Sweep({_NAME: Uniform(0.0, 0.5)}, trials=99, startup=2)
    study = begin(tmp_path / "sweep", sweep.space, startup=2)
    # What is pruned early is mediocre, what diverges late looked best.
    for index in range(12):
        is_bad = index % 2 == 0
        number = add(study, {_NAME: 0.4 if is_bad else 0.1}, state=State.RUNNING)
        trial = study.desk.standing().trials[number]
        for count in range(1, 9 if is_bad else 3):
            value = 1.0 if is_bad else 2.0
            study.optuna._storage.set_trial_intermediate_value(trial.last._trial_id, count, value)
        end = (State.DIVERGED, None) if is_bad else (State.PRUNED, 2.0)
        study.desk.finish(trial, *end)
    seen = one_row_each(study.optuna)
    tpe = sampler(sweep, sweep.searched(), 12, None)
    drawn = []
    for _ in range(20):
        row = study.optuna.ask()._cached_frozen_trial
        space = tpe.infer_relative_search_space(seen, row)
        drawn.append(tpe.sample_relative(seen, row, space)[_NAME])
    assert sum(abs(one - 0.1) < abs(one - 0.4) for one in drawn) >= 14
