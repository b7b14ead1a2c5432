"""What a classifier says of texts."""

from pathlib import Path

import numpy as np
import pytest

import lstm_jax
from lstm_jax import prediction
from lstm_jax.errors import ConfigError

TEXTS = [" ".join(["film"] * (i * 13 % 37)) + (" dull" if i % 2 else " great") for i in range(41)]


@pytest.fixture(scope="module")
def run(classifier: Path) -> lstm_jax.Run:
    return lstm_jax.load(classifier)


def test_predictions_agree_with_the_evaluation(run: lstm_jax.Run) -> None:
    score = run.evaluate("test")
    source = run.experiment.data.source
    examples = list(source.examples("test"))
    predicted = run.predict([example.text for example in examples])
    right = [a == example.label for a, example in zip(predicted.labels, examples, strict=True)]
    assert np.mean(right) == score["accuracy"] > 0.9
    assert score["examples"] == len(examples) == np.sum(score["confusion_matrix"])
    assert score["classes"] == ["0", "1"]


def test_a_prediction_does_not_depend_on_its_neighbours(run: lstm_jax.Run) -> None:
    expected = run.predict(TEXTS, batch_size=1)
    assert len(expected) == len(TEXTS)
    for size in (7, 64):
        found = run.predict(TEXTS, batch_size=size)
        assert found.labels == expected.labels
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-6)
    backwards = run.predict(TEXTS[::-1])
    np.testing.assert_allclose(backwards.probabilities[::-1], expected.probabilities, atol=1e-6)


def test_what_a_prediction_holds(run: lstm_jax.Run) -> None:
    found = run.predict(["great", "dull"])
    assert found.labels == ["1", "0"]
    first = found[0]
    assert first.label == "1"
    assert first.probabilities.keys() == {"0", "1"}
    assert sum(first.probabilities.values()) == pytest.approx(1)
    assert found[1:].labels == ["0"]
    assert [one.label for one in found] == found.labels


def test_no_texts_an_empty_one_and_a_very_long_one(run: lstm_jax.Run) -> None:
    assert len(run.predict([])) == 0
    assert run.predict([]).labels == []
    predicted = run.predict(["", "film " * 100_000 + "great"])
    assert np.isfinite(predicted.probabilities).all()
    assert predicted.labels[1] == "1"


def test_few_programs_are_compiled_whatever_the_lengths(run: lstm_jax.Run) -> None:
    before = prediction._logits._cache_size()
    run.predict(["film " * length for length in range(200)])
    assert prediction._logits._cache_size() - before <= run.experiment.data.groups


def test_mistakes(run: lstm_jax.Run, text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a list of texts, not one text"):
        run.predict("great")
    with pytest.raises(ConfigError, match="batch_size must be at least 1"):
        run.predict(["great"], batch_size=0)
