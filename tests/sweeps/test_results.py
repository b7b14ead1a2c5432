"""What a notebook asks of a sweep."""

from pathlib import Path

import numpy as np
import pytest

import lstm_jax
from lstm_jax.sweeps import Integer, LogUniform, SweepRun, Uniform, load_sweep
from lstm_jax.sweeps.trials import State
from tests.runs import tiny
from tests.sweeps.studies import add, add_many, begin

RATE, DROPOUT = "optimizer.learning_rate", "task.dropout"


@pytest.fixture
def decided(tmp_path: Path) -> SweepRun:
    """Forty trials whose metric the learning rate alone decides."""
    study = begin(tmp_path / "sweep", {DROPOUT: Uniform(0.0, 0.6), RATE: LogUniform(1e-3, 1.0)})
    random = np.random.default_rng(0)
    for _ in range(40):
        rate, dropout = float(10 ** random.uniform(-3, 0)), float(random.uniform(0, 0.6))
        add(study, {DROPOUT: dropout, RATE: rate}, abs(np.log10(rate) + 2.0).item() + 2.0)
    return load_sweep(study.workdir)


def test_the_name_that_decides_is_the_important_one(decided: SweepRun) -> None:
    shares = decided.importances()
    assert [*shares] == [RATE, DROPOUT]
    assert shares[RATE] > 0.7
    assert sum(shares.values()) == pytest.approx(1.0)


def test_of_few_trials_nothing_is_said_to_be_important(tmp_path: Path) -> None:
    study = begin(tmp_path / "sweep")
    add_many(study, 3)
    assert load_sweep(study.workdir).importances() == {}
    add_many(study, 4)
    assert load_sweep(study.workdir).importances()


def test_of_a_sweep_in_python_the_best_is_an_expression(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = begin(tmp_path / "sweep", config="", changes={})
    add_many(study, 2)
    sweep = load_sweep(study.workdir)
    trained = []
    monkeypatch.setattr(lstm_jax, "train", lambda *given: trained.append(given))
    experiment = tiny("data/tiny")
    exec(sweep.command(sweep.best()), {"lstm_jax": lstm_jax, "experiment": experiment})
    assert trained == [(lstm_jax.override(experiment, sweep.best().values), "runs/best")]


def test_the_table_tells_a_choice_of_none_from_a_name_that_is_inactive(tmp_path: Path) -> None:
    space = {"optimizer.clip_norm": [None, 0.25], RATE: LogUniform(1e-3, 1.0)}
    study = begin(tmp_path / "sweep", space)
    add(study, {"optimizer.clip_norm": None}, 2.0)
    add(study, {RATE: 0.5}, state=State.RUNNING)
    rows = load_sweep(study.workdir).table()
    assert [row["optimizer.clip_norm"] for row in rows] == ["none", None]
    assert [row[RATE] for row in rows] == [None, 0.5]


def test_how_it_was_searched_is_remembered(tmp_path: Path) -> None:
    begin(tmp_path / "sweep")
    study = begin(tmp_path / "sweep", sampler="qmc", pruner="median", startup=3, seed=5)
    assert load_sweep(study.workdir).searches == [
        "sampler tpe (seed 0, startup 10)",
        "sampler qmc (seed 5), pruner median (startup 3, warmup 1)",
    ]


def test_the_command_of_a_trial_names_the_backend_that_was_asked_for(tmp_path: Path) -> None:
    for backend in (None, "scan"):
        study = begin(tmp_path / str(backend), {"keep": Integer(1, 9)}, backend=backend)
        add(study, {"keep": 3}, 2.0)
        sweep = load_sweep(study.workdir)
        assert ("--backend=scan" in sweep.command(sweep.best()).split()) == (backend == "scan")
