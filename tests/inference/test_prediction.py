"""What a classifier says of texts."""

import codecs
import dataclasses
import functools
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import lstm_jax
from lstm_jax.errors import ConfigError
from lstm_jax.inference import prediction
from lstm_jax.inference.prediction import predict_classes
from lstm_jax.tasks import Use

TEXTS = [" ".join(["film"] * (i * 13 % 37)) + (" dull" if i % 2 else " great") for i in range(41)]


@pytest.fixture(scope="module")
def run(classifier: Path) -> lstm_jax.Run:
    return lstm_jax.load(classifier)


def unchecked(run: lstm_jax.Run) -> Any:
    """`run.predict` without the tests' own checks of types."""
    use = Use(run.model, run.preprocessor, run.experiment.data)
    return functools.partial(inspect.unwrap(predict_classes), run.experiment.task, use)


def test_predictions_agree_with_the_evaluation(run: lstm_jax.Run) -> None:
    score = run.evaluate("test")
    source = run.experiment.data.source
    examples = list(source.examples("test"))
    predicted = run.predict([example.inputs for example in examples])
    right = [a == example.target for a, example in zip(predicted.labels, examples, strict=True)]
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


def test_texts_that_can_be_gone_through_once_are_predicted(
    run: lstm_jax.Run, tmp_path: Path
) -> None:
    """An iterator gave no prediction: checking its texts had used it up."""
    expected = run.predict(TEXTS).probabilities
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    name = tmp_path / "texts.txt"
    with name.open(encoding="utf-8") as file, codecs.getreader("utf-8")(name.open("rb")) as wrapped:
        given = [iter(TEXTS), (text for text in TEXTS), dict.fromkeys(TEXTS).keys(), file, wrapped]
        given += [np.array(TEXTS), map(str, TEXTS), tuple(TEXTS), pandas.Series(TEXTS)]
        for texts in given:
            np.testing.assert_array_equal(run.predict(texts).probabilities, expected)


def test_what_is_no_list_of_texts_is_refused(run: lstm_jax.Run) -> None:
    table = "a list of texts is needed, not a {}: a column of it, for example"
    for given, message in [
        ("great", "a list of texts is needed, not one text: [text]"),
        ({"text": "great"}, table.format("dict")),
        (pandas.DataFrame({"text": ["great"]}), table.format("DataFrame")),
        (np.array([["great"]]), table.format("ndarray")),
        ({"great", "dull"}, "a list of texts is needed, not a set: in an order"),
        (7, "a list of texts is needed, not a int: in an order"),
        (iter(["great", b"dull"]), "a text must be a string, not bytes"),
    ]:
        with pytest.raises(ConfigError) as caught:
            unchecked(run)(given)
        assert str(caught.value) == message


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
    before = prediction._outputs._cache_size()
    run.predict(["film " * length for length in range(200)])
    assert prediction._outputs._cache_size() - before <= run.experiment.data.groups


def test_texts_of_nearby_lengths_find_their_program_compiled(run: lstm_jax.Run) -> None:
    run.predict(["film " * 40])
    before = prediction._outputs._cache_size()
    for length in (33, 50, 62):
        run.predict(["film " * length])
    assert prediction._outputs._cache_size() == before


@pytest.mark.parametrize("coarse", [False, True])
def test_lengths_are_rounded_up_by_little(coarse: bool) -> None:
    lengths = np.arange(1, 3000)
    rounded = prediction._rounded(lengths, coarse)
    assert (rounded >= lengths).all()
    assert (rounded <= np.maximum(lengths * (2 if coarse else 1.0625), 16)).all()
    assert len(set(rounded)) <= (10 if coarse else 140)


def test_what_is_cut_off_is_told(run: lstm_jax.Run, capfd: pytest.CaptureFixture[str]) -> None:
    preprocessor = dataclasses.replace(run.preprocessor, max_length=3)
    parts = run.workdir, run.experiment, preprocessor, run.step, run._graph, run.params
    short = lstm_jax.Run(*parts)
    short.predict(["great", "the film", "the film was great"])
    assert "2 tokens of 1 examples are dropped" in capfd.readouterr().err
    run.predict(["the film was great"])
    assert "dropped" not in capfd.readouterr().err
    assert run.evaluate("test")["dropped_tokens"] == 0
    changed = run.evaluate("test", changes={"data.max_length": 3})
    source = run.experiment.data.source
    lengths = [len(example.inputs.split()) for example in source.examples("test")]
    assert changed["dropped_tokens"] == sum(max(0, length - 2) for length in lengths) > 0


def test_mistakes(run: lstm_jax.Run, text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a list of texts is needed, not one text"):
        run.predict("great")
    with pytest.raises(ConfigError, match="a text must be a string, not bytes"):
        # Unwrapped: the tests' own type checks look at one element of a list, picked at random.
        unchecked(run)(["great", b"dull"])
    with pytest.raises(ConfigError, match="batch_size must be at least 1"):
        run.predict(["great"], batch_size=0)
