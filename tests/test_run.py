"""What can be done with a run that was trained."""

import copy
import dataclasses
import functools
import inspect
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

import lstm_jax
from lstm_jax.cells import SimpleRNN
from lstm_jax.errors import CheckpointError, ConfigError, DataError, RunDirectoryError
from lstm_jax.metrics.means import Mean
from lstm_jax.storage import checkpoints
from lstm_jax.tasks import LanguageModeling, Score, evaluation
from tests.cells.table import CELLS
from tests.compiled import devices
from tests.runs import arrays_of, evaluations_of, log_of, tiny, write_text

ROOT = Path(__file__).parent.parent
LENGTH = 70
"""Tokens of the test text."""


@pytest.fixture(scope="module")
def workdir(text, tmp_path_factory):
    """A run whose best step is not its last."""
    workdir = tmp_path_factory.mktemp("runs") / "tiny"
    experiment = tiny(text, keep=3)
    with pytest.MonkeyPatch.context() as patch:
        scores, evaluate = iter([0.0, 0.0, 1.0, 2.0]), evaluation.evaluate

        def worse_and_worse(*arguments):
            sums, rows = evaluate(*arguments)
            extra = next(scores)
            worse = {
                name: Mean(mean.total + extra * mean.count, mean.count)
                for name, mean in sums.items()
            }
            return evaluation.Evaluated(worse, rows)

        patch.setattr(evaluation, "evaluate", worse_and_worse)
        lstm_jax.train(experiment, workdir)
    return workdir


def test_the_best_step_is_loaded_by_default_and_any_that_is_kept(workdir):
    scores = evaluations_of(workdir)
    assert min(scores, key=scores.__getitem__) == 12
    assert lstm_jax.load(workdir).step == 12
    assert lstm_jax.load(str(workdir)).steps == [12, 18, 20, 24]
    for step, expected in ((18, 18), ("latest", 24), (24, 24)):
        run = lstm_jax.load(workdir, step=step)
        assert run.step == expected
        saved = arrays_of(workdir, expected)[".params['softmax']['kernel']"]
        np.testing.assert_array_equal(run.params["softmax"]["kernel"], saved)
    assert repr(run) == f"Run({str(workdir)!r}, step=24, task=LanguageModeling)"


def test_a_run_that_was_never_evaluated_loads_its_latest_step(text, tmp_path):
    lstm_jax.train(tiny(text, steps=2), tmp_path)
    (tmp_path / "metrics.jsonl").write_text("")
    assert lstm_jax.load(tmp_path).step == 2


def test_a_score_that_the_run_has_not_logged_is_told(workdir, monkeypatch):
    monkeypatch.setattr(LanguageModeling, "score", Score("macro", "max"))
    with pytest.raises(ConfigError) as caught:
        lstm_jax.load(workdir)
    assert str(caught.value) == (
        f"LanguageModeling.score is 'macro', which {workdir} has not logged of its validation, but "
        "nats_per_token, perplexity, bits_per_character, tokens: undo the change, or name a step "
        "to load, one of 12, 18, 20, 24"
    )
    assert lstm_jax.load(workdir, step=18).step == 18


def test_it_says_what_it_was_trained_with_and_how_it_went(workdir, text):
    run = lstm_jax.load(workdir)
    assert run.experiment == tiny(text, keep=3)
    assert run.preprocessor.vocabulary.unit == "characters"
    validation = run.metrics["validation"]
    assert validation["step"].tolist() == [6, 12, 18, 24]
    assert validation["nats_per_token"].tolist() == list(evaluations_of(workdir).values())
    assert run.metrics["train"]["tokens"].dtype == np.int64
    assert all(isinstance(column, np.ndarray) for column in run.metrics["train"].values())


def test_evaluation_gives_the_score_of_the_log(workdir):
    logged = {r["step"]: r for r in log_of(workdir) if r["split"] == "validation"}
    metrics = lstm_jax.load(workdir).evaluate("validation")
    assert metrics.pop("unknown_share") == 0.0
    assert metrics == {name: logged[12][name] for name in metrics}
    assert metrics.keys() == {"nats_per_token", "perplexity", "bits_per_character", "tokens"}


def test_evaluation_on_other_splits_batches_and_data(workdir, tmp_path):
    run = lstm_jax.load(workdir)
    test = run.evaluate()
    assert test["tokens"] == run.evaluate("test", batch_size=3)["tokens"] == LENGTH
    assert test != run.evaluate("test", batch_size=3), "less context"
    for window in (1, 7, 1000):
        changed = run.evaluate(changes={"data.evaluation_window": window})
        assert changed["perplexity"] == pytest.approx(test["perplexity"], rel=1e-5)
    other = write_text(tmp_path / "other", validation=41)
    assert run.evaluate("validation", changes={"data.source.directory": other})["tokens"] == 41


def test_wrong_evaluations_are_refused(workdir):
    run = lstm_jax.load(workdir)
    rarer = dataclasses.replace(run.experiment.data, min_count=2)
    for changes, error, message in (
        ({"data.source.directory": "nowhere"}, DataError, "there is no folder nowhere"),
        ({"task.layers": 2}, ConfigError, "task.layers: an evaluation can only change fields of"),
        ({"data.windo": 2}, ConfigError, "did you mean 'window'"),
        ({"data.min_count": 2}, ConfigError, "data.min_count: what was learned of the data stays"),
        ({"data": rarer}, ConfigError, "data: what was learned of the data stays"),
    ):
        with pytest.raises(error, match=message):
            run.evaluate(changes=changes)


def test_the_model_is_a_module_with_the_parameters(workdir):
    run = lstm_jax.load(workdir)
    assert isinstance(run.model, nnx.Module)
    np.testing.assert_array_equal(run.model.softmax.kernel[...], run.params["softmax"]["kernel"])
    ids = run.preprocessor.vocabulary.encode("boats")[:, None]
    carry = run.model.initial_carry(1)
    logits, _ = run.model(jax.numpy.asarray(ids), carry)
    assert logits.shape == (5, 1, len(run.preprocessor.vocabulary))


def test_text_is_generated(workdir):
    run = lstm_jax.load(workdir)
    text = run.generate("boats ", length=12, seed=1)
    assert text.startswith("boats ")
    assert len(text) == len("boats ") + 12
    assert run.generate("boats ", length=12, seed=1) == text
    assert run.generate("boats ", length=12, seed=2) != text
    with pytest.raises(ConfigError, match="length must not be negative"):
        run.generate(length=-1)


def test_a_run_can_what_its_task_can_and_says_so(workdir, classifier):
    run, other = lstm_jax.load(workdir), lstm_jax.load(classifier)
    assert {"generate"} == {*dir(run)} & {"generate", "predict", "explain"}
    assert {"explain", "predict"} == {*dir(other)} & {"generate", "predict", "explain"}
    # Signatures and documentation are those of the task, without what the run gives by itself.
    assert list(inspect.signature(run.generate).parameters)[:2] == ["prompt", "length"]
    assert list(inspect.signature(other.predict).parameters) == ["given", "batch_size"]
    assert "What a classifier says of any number of examples" in str(inspect.getdoc(other.predict))
    for wrong, name, can in ((run, "predict", "generate"), (other, "generate", "explain, predict")):
        with pytest.raises(ConfigError) as caught:
            getattr(wrong, name)("boats")
        task = type(wrong.experiment.task).__name__
        assert str(caught.value) == f"{task} has no {name!r}; a run of it can {can}"
        assert not hasattr(wrong, name)
    assert copy.copy(run).step == run.step


def test_wrong_loads_are_refused(workdir, tmp_path):
    for path, step, error, message in (
        (tmp_path / "nowhere", None, RunDirectoryError, "no such directory"),
        (workdir.parent, None, RunDirectoryError, "not a run directory"),
        (workdir, 13, CheckpointError, "has no checkpoint of step 13; it has 12, 18, 20, 24"),
        (workdir, "first", CheckpointError, "has no checkpoint of step first"),
    ):
        with pytest.raises(error, match=message) as raised:
            lstm_jax.load(path, step=step)
        assert "\n" not in str(raised.value)


def test_a_run_without_a_checkpoint_says_so(text, tmp_path, monkeypatch):
    def full(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "save", full)
    with pytest.raises(KeyboardInterrupt):
        lstm_jax.train(tiny(text, steps=1), tmp_path)
    with pytest.raises(CheckpointError, match="holds no checkpoint yet: train the run first"):
        lstm_jax.load(tmp_path)


def test_classes_of_others_are_loaded_only_if_trusted(text, tmp_path):
    experiment = tiny(text, steps=1, task__cell=CELLS["matrix_memory"])
    trained = lstm_jax.train(experiment, tmp_path)
    with pytest.raises(ConfigError, match=r"tests\.cells\.table\.MatrixMemory is not trusted"):
        lstm_jax.load(tmp_path)
    run = lstm_jax.load(tmp_path, trust=["tests"])
    assert run.experiment == experiment
    assert run.evaluate() == trained.evaluate()


def test_a_checkpoint_of_another_model_is_refused(workdir):
    other = tiny("", task__cell=SimpleRNN(hidden=4))
    open_run = functools.partial(lstm_jax.run.open_run, workdir)
    with pytest.raises(CheckpointError, match=r"does not fit the experiment: .*float32"):
        open_run(other)


FOUR_DEVICES = """
import pathlib, sys
import jax
import lstm_jax
from tests.runs import draw_pictures, tiny

draw_pictures(False)
text, one, four = sys.argv[1:]
assert jax.device_count() == 4
print(lstm_jax.load(one).evaluate()["nats_per_token"])
print(lstm_jax.train(tiny(text, steps=2), four).evaluate()["nats_per_token"])
"""


def test_runs_move_between_machines_with_other_numbers_of_devices(workdir, text, tmp_path):
    assert jax.device_count() == 1
    printed = subprocess.run(
        [sys.executable, "-c", FOUR_DEVICES, text, str(workdir), str(tmp_path / "four")],
        cwd=ROOT,
        env=devices(4),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    there = [float(line) for line in printed.split()]
    here = [
        lstm_jax.load(path).evaluate()["nats_per_token"] for path in (workdir, tmp_path / "four")
    ]
    assert here == pytest.approx(there, rel=1e-6)
    # And it goes on here.
    assert lstm_jax.train(tiny(text, steps=4), tmp_path / "four").steps[-1] == 4
