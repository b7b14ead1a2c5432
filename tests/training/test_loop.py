"""What a run does from its first step to its last."""

import dataclasses
import math
import os
from pathlib import Path

import jax.monitoring
import pytest

import lstm_jax
from lstm_jax.metrics.means import Mean
from lstm_jax.optimization.schedules import Plateau
from lstm_jax.reporting import reporter as reporting
from lstm_jax.reporting.reporter import Reporter
from lstm_jax.storage import checkpoints
from lstm_jax.tasks import evaluation
from tests.runs import (
    arrays_of,
    assert_same_arrays,
    assert_same_run,
    evaluations_of,
    log_of,
    tiny,
    tiny_classifier,
)


def steps_logged(workdir, split):
    return [record["step"] for record in log_of(workdir) if record["split"] == split]


def give_scores(monkeypatch, scores):
    """Makes evaluations give these scores, one after the other."""
    remaining = iter(scores)

    def evaluate(*_):
        return evaluation.Evaluated({"nats_per_token": Mean(next(remaining), 1.0)}, {})

    monkeypatch.setattr(evaluation, "evaluate", evaluate)


# ---- what is done when --------------------------------------------------------------------------


def test_everything_is_done_at_the_steps_where_it_is_due(text, tmp_path, monkeypatch, capsys):
    saved, save = [], checkpoints.save

    def noted(directory, step, *rest):
        saved.append(step)
        return save(directory, step, *rest)

    monkeypatch.setattr(checkpoints, "save", noted)
    run = lstm_jax.train(tiny(text), tmp_path / "run")
    assert saved == [5, 6, 10, 12, 15, 18, 20, 24]
    assert steps_logged(tmp_path / "run", "train") == [4, 6, 8, 12, 16, 18, 20, 24]
    assert steps_logged(tmp_path / "run", "validation") == [6, 12, 18, 24]
    assert run.steps == [20, 24]
    assert run.step == 24
    record = log_of(tmp_path / "run")[3]
    assert (record["step"], record["epoch"], record["learning_rate"]) == (8, 8 / 12, 0.02)
    assert record["tokens"] == 2 * 20, "the two steps since the record before the evaluation"
    assert "epoch 1, step 12: validation nats_per_token" in capsys.readouterr().err
    names = os.listdir(tmp_path / "run")
    assert {"config.json", "preprocessor.json", "metrics.jsonl", "checkpoints"} <= set(names)
    assert sum(name.startswith("events.out.tfevents") for name in names) == 1


@pytest.mark.usefixtures("pictures")
def test_an_epoch_is_the_default_and_curves_are_drawn(text, tmp_path):
    run = lstm_jax.train(
        tiny(text, evaluate_every=None, checkpoint_every=None, log_every=100), tmp_path / "run"
    )
    assert steps_logged(run.workdir, "validation") == [12, 24]
    assert steps_logged(run.workdir, "train") == [12, 24]
    assert run.steps == [12, 24]
    picture = (run.workdir / reporting.CURVES).read_bytes()
    assert picture.startswith(b"\x89PNG")


def test_steps_in_one_dispatch_change_nothing(text, tmp_path):
    lstm_jax.train(tiny(text, steps_per_dispatch=1), tmp_path / "one")
    for size in (2, 4):
        lstm_jax.train(tiny(text, steps_per_dispatch=size), tmp_path / f"{size}")
        assert_same_run(tmp_path / f"{size}", tmp_path / "one")


def test_nothing_is_compiled_after_the_first_evaluation(text, tmp_path, monkeypatch):
    compiled = []

    def count(event, duration, **_):
        if "backend_compile" in event:
            compiled.append(event)

    counts = {}
    scalars = Reporter.scalars

    def noted(self, step, split, values):
        counts[step, split] = len(compiled)
        scalars(self, step, split, values)

    monkeypatch.setattr(Reporter, "scalars", noted)
    # A rate that no other test uses, so that nothing is compiled already.
    rate = {"optimizer__learning_rate": 0.0177}
    experiment = tiny(text, epochs=4, evaluate_every=12, checkpoint_every=12, **rate)
    jax.monitoring.register_event_duration_secs_listener(count)
    try:
        lstm_jax.train(experiment, tmp_path / "run")
    finally:
        jax.monitoring.unregister_event_duration_listener(count)
    assert counts[4, "train"] > 0, "compilations are counted"
    after_the_first = {n for (step, _), n in counts.items() if step > 12}
    assert len(after_the_first) == 1, counts
    assert {(24, "validation"), (36, "validation"), (48, "validation")} <= counts.keys()


def test_the_start_says_what_no_figure_would(text, reviews, tmp_path, capsys):
    """Which class has which weight, and that nothing is learned of unknown tokens."""
    weighted = tiny_classifier(reviews, epochs=1, task__class_weights={"1": 2.0, "0": 0.5})
    lstm_jax.train(weighted, tmp_path / "weighted")
    assert "class weights: 0 0.5, 1 2\n" in capsys.readouterr().err
    folder = tmp_path / "text"
    folder.mkdir()
    for path in Path(text).iterdir():
        (folder / path.name).write_text(path.read_text())
    (folder / "valid.txt").write_text((folder / "valid.txt").read_text()[:-9] + "123456789")
    unseen = tiny(folder, epochs=1)
    lstm_jax.train(unseen, tmp_path / "run")
    told = capsys.readouterr().err
    assert "warning: the training text has no unknown token" in told
    assert ", 10.00% unknown, in 4 columns" in told
    assert "tokens 90, unknown_share 0.1\n" in told
    # A run that has begun cannot change how it reads words.
    lstm_jax.train(tiny(folder, epochs=2), tmp_path / "run")
    assert "warning" not in capsys.readouterr().err


# ---- best, plateau, patience --------------------------------------------------------------------


def test_the_best_checkpoint_and_the_latest_are_kept(text, tmp_path, monkeypatch):
    for keep, steps in ((1, [12, 24]), (3, [12, 18, 20, 24])):
        give_scores(monkeypatch, [3.0, 2.0, 2.5, 2.25])
        run = lstm_jax.train(tiny(text, keep=keep), tmp_path / f"{keep}")
        assert run.steps == steps
        assert run.step == 12
        assert int(arrays_of(run.workdir)[".progress.best_step"]) == 12


@pytest.mark.parametrize(
    ("scores", "steps"),
    [
        ([3.0, 2.0, 2.0, 2.5], [12, 20, 24]),
        ([3.0, 0.3, 0.29999999999, 0.3], [12, 20, 24]),
        ([math.nan, math.inf, math.nan, math.inf], [20, 24]),
    ],
    ids=["equal", "equal in float32", "none"],
)
def test_what_is_kept_as_the_best_is_what_is_loaded(text, tmp_path, monkeypatch, scores, steps):
    """Of equal scores the loop kept the earlier step, and `load` took the later one."""
    give_scores(monkeypatch, scores)
    run = lstm_jax.train(tiny(text, keep=2), tmp_path)
    best = int(arrays_of(tmp_path)[".progress.best_step"])
    assert run.steps == steps
    assert run.step == lstm_jax.load(tmp_path).step == (best or 24)


def test_the_learning_rate_is_halved_when_validation_does_not_improve(text, tmp_path, monkeypatch):
    give_scores(monkeypatch, [3.0, 3.0, 2.0, 2.5])
    experiment = tiny(text, optimizer__schedule=Plateau(0.5), log_every=6)
    lstm_jax.train(experiment, tmp_path)
    rates = {
        record["step"]: record["learning_rate"]
        for record in log_of(tmp_path)
        if record["split"] == "train"
    }
    assert rates == {6: 0.02, 12: 0.02, 18: 0.01, 24: 0.01}
    assert arrays_of(tmp_path)[".progress.learning_rate_scale"] == 0.25


def test_a_run_without_patience_left_ends_and_may_be_given_more(text, tmp_path, monkeypatch):
    scores = [3.0, 2.0, 2.5, 2.25, 2.125, 2.5]
    experiment = tiny(text, epochs=3, patience=2)
    give_scores(monkeypatch, scores)
    run = lstm_jax.train(experiment, tmp_path / "grown")
    assert steps_logged(run.workdir, "validation") == [6, 12, 18, 24]
    assert (run.step, run.steps) == (12, [12, 20, 24])

    give_scores(monkeypatch, scores[4:])
    lstm_jax.train(dataclasses.replace(experiment, patience=4), tmp_path / "grown")
    give_scores(monkeypatch, scores)
    lstm_jax.train(dataclasses.replace(experiment, patience=4), tmp_path / "whole")
    assert steps_logged(tmp_path / "whole", "validation") == [6, 12, 18, 24, 30, 36]
    assert_same_run(tmp_path / "grown", tmp_path / "whole")


# ---- going on -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lengths",
    [
        ({"epochs": 1}, {"epochs": 2}),
        ({"steps": 12}, {"steps": 17}, {"steps": 24}),
        ({"steps": 1}, {"steps": 13}, {"steps": 14}, {"steps": 22}),
    ],
)
def test_a_run_that_grows_equals_one_of_that_length(text, tmp_path, lengths):
    for length in lengths:
        run = lstm_jax.train(tiny(text, **length), tmp_path / "grown")
        last = run.steps[-1]
        assert list(evaluations_of(run.workdir))[-1] == last, "the last step is evaluated"
    lstm_jax.train(tiny(text, **lengths[-1]), tmp_path / "whole")
    assert_same_run(tmp_path / "grown", tmp_path / "whole")


def test_a_run_that_has_ended_stays_as_it_is(text, tmp_path):
    for steps in (12, 15):
        workdir = tmp_path / f"{steps}"
        lstm_jax.train(tiny(text, steps=steps), workdir)
        arrays, log = arrays_of(workdir), (workdir / "metrics.jsonl").read_bytes()
        run = lstm_jax.train(tiny(text, steps=steps), workdir)
        assert run.steps[-1] == steps
        assert_same_arrays(arrays_of(workdir), arrays)
        assert (workdir / "metrics.jsonl").read_bytes() == log


def test_a_last_step_between_evaluations_can_be_the_best(text, tmp_path, monkeypatch):
    give_scores(monkeypatch, [3.0, 2.0, 1.0])
    run = lstm_jax.train(tiny(text, steps=15), tmp_path)
    assert evaluations_of(tmp_path) == {6: 3.0, 12: 2.0, 15: 1.0}
    assert run.step == 15
