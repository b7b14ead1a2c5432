"""Starting from another model's parameters."""

import dataclasses
import json
import re
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import lstm_jax
from lstm_jax import Experiment, override
from lstm_jax.cells import LSTM
from lstm_jax.data import TextWindows
from lstm_jax.errors import ConfigError, DataError, RunDirectoryError
from lstm_jax.optimization.optimizers import Optimizer
from lstm_jax.tasks import LanguageModeling
from lstm_jax.training.origin import open_origin
from tests.runs import arrays_of, assert_same_run, tiny, tiny_classifier


@pytest.fixture(scope="module")
def language_model(reviews: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language model of the same texts."""
    workdir = tmp_path_factory.mktemp("runs") / "lm"
    experiment = Experiment(
        task=LanguageModeling(cell=LSTM(hidden=4), layers=1, embedding=3),
        data=TextWindows(
            source=tiny_classifier(reviews).data.source, tokens="words", batch_size=2, window=5
        ),
        optimizer=Optimizer("adam", learning_rate=0.05),
        steps=3,
    )
    lstm_jax.train(experiment, workdir)
    return workdir


def started(language_model: Path, reviews: str, **changes: Any) -> Experiment:
    given = {"task__pretrained": str(language_model), "task__bidirectional": False}
    return tiny_classifier(reviews, **given | changes)


@pytest.fixture(scope="module")
def untrained(language_model: Path, reviews: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that starts from the language model and does not learn."""
    workdir = tmp_path_factory.mktemp("runs") / "untrained"
    lstm_jax.train(started(language_model, reviews, optimizer__learning_rate=0.0), workdir)
    return workdir


def test_embedding_and_layers_are_taken(untrained: Path, language_model: Path) -> None:
    old, new = arrays_of(language_model), arrays_of(untrained)
    taken = [name for name in new if re.match(r"\.params\['(embedding|stack)'\]", name)]
    assert len(taken) == 4
    for name in taken:
        np.testing.assert_array_equal(new[name], old[name])


def test_the_vocabulary_is_taken(untrained: Path, language_model: Path) -> None:
    run, origin = lstm_jax.load(untrained), lstm_jax.load(language_model)
    assert run.preprocessor.vocabulary == origin.preprocessor.vocabulary
    assert run.preprocessor.classes == ("0", "1")


def test_it_says_what_it_took(language_model: Path, reviews: str, tmp_path: Path, capfd) -> None:
    lstm_jax.train(started(language_model, reviews, epochs=1), tmp_path)
    said = capfd.readouterr().err.splitlines()[0]
    tokens = len(lstm_jax.load(language_model).preprocessor.vocabulary)
    assert said == (
        f"started from {language_model}, step 3: took embedding ({3 * tokens} parameters), stack "
        "(128 parameters); new head (26); left behind softmax"
    )


def test_a_run_goes_on_without_its_origin(
    language_model: Path, reviews: str, tmp_path: Path
) -> None:
    origin = tmp_path / "lm"
    shutil.copytree(language_model, origin)
    whole, cut = (tmp_path / name for name in ("whole", "cut"))
    lstm_jax.train(started(origin, reviews), whole)
    lstm_jax.train(started(origin, reviews, epochs=2), cut)
    shutil.rmtree(origin)
    lstm_jax.train(started(origin, reviews), cut)
    assert_same_run(cut, whole)
    assert lstm_jax.load(cut).predict(["great"]).labels == ["1"]


def test_a_language_model_can_start_from_one(language_model: Path, tmp_path: Path) -> None:
    experiment = lstm_jax.load(language_model).experiment
    changes = {"task.pretrained": str(language_model), "optimizer.learning_rate": 0.0}
    lstm_jax.train(override(experiment, changes), tmp_path)
    jax.tree.map(
        np.testing.assert_array_equal,
        lstm_jax.load(tmp_path).params,
        lstm_jax.load(language_model).params,
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"task__cell__hidden": 5},
            r"stack\.layers\.0\.bias is \[16\] in .*lm, step 3 and \[20\] here; give this task",
        ),
        ({"task__embedding": 2}, r"embedding\.table is \[\d+, 3\] in .* and \[\d+, 2\] here"),
        ({"task__layers": 2}, r"stack\.layers\.1\.bias is missing in .* here"),
        ({"task__bidirectional": True}, r"stack\.layers\.0\.backward\.bias is missing in"),
        ({"task__cell": "GRU(hidden=4)"}, r"stack\.layers\.0\."),
    ],
    ids=["hidden", "embedding", "layers", "direction", "cell"],
)
def test_what_does_not_fit_is_one_error(
    language_model: Path, reviews: str, tmp_path: Path, changes: Any, message: str
) -> None:
    with pytest.raises(ConfigError, match=rf"^task\.pretrained: {message}") as error:
        lstm_jax.train(started(language_model, reviews, **changes), tmp_path)
    assert "\n" not in str(error.value)


def test_other_tokens_are_one_error(language_model: Path, reviews: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="tokens are prose, but the vocabulary is of words"):
        lstm_jax.train(started(language_model, reviews, data__tokens="prose"), tmp_path)


def test_no_such_origin(reviews: str, tmp_path: Path) -> None:
    experiment = started(tmp_path / "nowhere", reviews)
    with pytest.raises(RunDirectoryError, match=r"^task\.pretrained: .*nowhere: no such directory"):
        lstm_jax.train(experiment, tmp_path / "run")


def test_a_run_killed_before_its_first_checkpoint_starts_from_the_same_step(
    language_model: Path, reviews: str, tmp_path: Path
) -> None:
    origin, workdir = tmp_path / "lm", tmp_path / "run"
    shutil.copytree(language_model, origin)
    experiment = started(origin, reviews, epochs=1)
    workdir.mkdir()
    first = open_origin(experiment, workdir)
    assert first is not None
    assert json.loads((workdir / "origin.json").read_text())["step"] == 3
    # The language model goes on and has another best step when the run is started again.
    lstm_jax.train(override(lstm_jax.load(origin).experiment, {"steps": 6}), origin)
    assert lstm_jax.load(origin, step="latest").step == 6
    second = open_origin(experiment, workdir)
    assert second is not None
    assert second.name == first.name
    jax.tree.map(np.testing.assert_array_equal, second.params, first.params)


def test_an_origin_that_was_trained_anew_is_refused(
    language_model: Path, reviews: str, tmp_path: Path
) -> None:
    experiment = started(language_model, reviews)
    open_origin(experiment, tmp_path)
    record = json.loads((tmp_path / "origin.json").read_text())
    (tmp_path / "origin.json").write_text(json.dumps(record | {"parameters": "another"}))
    with pytest.raises(RunDirectoryError, match="was trained anew since"):
        open_origin(experiment, tmp_path)


def test_sizes_of_the_vocabulary_are_refused(
    language_model: Path, reviews: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="max_vocabulary and min_count have no say"):
        lstm_jax.train(started(language_model, reviews, data__max_vocabulary=5), tmp_path)


def test_data_of_another_task(reviews: str, text: str, tmp_path: Path) -> None:
    wrong = dataclasses.replace(tiny_classifier(reviews), data=tiny(text).data)
    with pytest.raises(ConfigError, match="learns from batches of PaddedBatch, and TextWindows"):
        lstm_jax.train(wrong, tmp_path / "a")
    wrong = dataclasses.replace(tiny(text), data=tiny_classifier(reviews).data)
    with pytest.raises(ConfigError, match="learns from batches of WindowBatch, and LabelledTexts"):
        lstm_jax.train(wrong, tmp_path / "b")
