"""Why a text was classified so."""

import dataclasses
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

import lstm_jax
from lstm_jax.data.text.tokenization import Span
from lstm_jax.errors import ConfigError
from lstm_jax.inference import explanation, integrated_gradients

TEXT = "the film was long and <b>great"


@pytest.fixture(scope="module")
def run(classifier: Path) -> lstm_jax.Run:
    return lstm_jax.load(classifier)


@pytest.fixture(scope="module")
def explained(run: lstm_jax.Run) -> lstm_jax.inference.explanation.Explanation:
    return run.explain("the film was great", tolerance=1e-4)


def test_integrated_gradients_add_up_to_the_change_of_the_logit(explained) -> None:
    change = explained.logit - explained.baseline_logit
    assert abs(change) > 0.1
    assert explained.integrated_gradients.sum() == pytest.approx(change, abs=1e-4 * max(1, change))
    assert explained.error == pytest.approx(explained.integrated_gradients.sum() - change)


def test_a_tolerance_is_kept_for_long_texts_and_every_class(run) -> None:
    for label in ("0", "1"):
        for text in ("dull", "film " * 50 + "great", "great dull " * 20):
            found = run.explain(text, label, tolerance=1e-3)
            change = abs(found.logit - found.baseline_logit)
            assert abs(found.error) <= 1e-3 * max(1, change)


def test_the_word_that_decides_contributes_most(explained) -> None:
    assert explained.label == "1"
    assert explained.words == ["the", "film", "was", "great"]
    for values in (explained.integrated_gradients, explained.leave_one_out):
        assert np.argmax(values) == 3
        assert values[3] > 0


def test_leaving_a_word_out_is_what_it_says(run, explained) -> None:
    def logit(text: str) -> float:
        probabilities = run.predict([text]).probabilities[0]
        return np.log(probabilities[1]) - np.log(probabilities[0])

    # Of a single logit nothing can be seen from outside; of the difference of both it can.
    other = run.explain("the film was great", "0")
    for place, words in enumerate(["film was great", "the was great", "the film great"]):
        difference = explained.leave_one_out[place] - other.leave_one_out[place]
        assert difference == pytest.approx(logit("the film was great") - logit(words), abs=1e-4)


def test_the_logits_are_those_of_the_prediction(run, explained) -> None:
    other = run.explain("the film was great", "0")
    probability = 1 / (1 + np.exp(other.logit - explained.logit))
    assert explained.probability == pytest.approx(probability, abs=1e-5)
    assert explained.probability + other.probability == pytest.approx(1)


def test_it_is_shown_as_text_in_colours(run) -> None:
    html = run.explain(TEXT)._repr_html_()
    assert "&lt;b&gt;great" in html
    assert "<b>great" not in html
    assert html.count("<span title=") == 2 * len(TEXT.split())
    assert "background: rgba(0, 160, 60, 0.800)" in html


def test_it_is_drawn(explained) -> None:
    (axes,) = explained.plot(most=3).axes
    assert len(axes.patches) == 2 * 3
    assert axes.get_yticklabels()[-1].get_text() == "great"
    assert "logit of 1" in axes.get_xlabel()


def test_it_is_data(explained) -> None:
    data = json.loads(json.dumps(explained.to_dict()))
    assert data["words"] == explained.words
    assert data["integrated_gradients"] == explained.integrated_gradients.tolist()
    assert data["spans"][1] == [4, 8]


def test_an_empty_text_has_no_contributions(run) -> None:
    found = run.explain("")
    assert found.words == []
    assert found.logit == found.baseline_logit
    assert "<span title" not in found._repr_html_()
    assert len(found.plot().axes) == 1


def test_words_that_are_not_read_contribute_nothing(classifier: Path, run) -> None:
    del classifier
    preprocessor = dataclasses.replace(run.preprocessor, max_length=3)
    parts = run.workdir, run.experiment, preprocessor, run.step, run._graph, run.params
    short = lstm_jax.Run(*parts)
    found = short.explain("great film was long")
    assert np.flatnonzero(found.integrated_gradients).tolist() == [0, 1]
    assert found.leave_one_out[2:].tolist() == [0, 0]


def test_mistakes(run) -> None:
    with pytest.raises(ConfigError, match="label: no class 'great'; there are 0, 1"):
        run.explain("great", "great")


def test_a_text_that_is_too_long_to_leave_each_word_out(run, monkeypatch) -> None:
    monkeypatch.setattr(explanation, "MOST_WORDS", 3)
    assert run.explain("the film was").words == ["the", "film", "was"]
    with pytest.raises(ConfigError, match="the text has 4 words and explain takes at most 3"):
        run.explain("the film was great")


def test_a_tolerance_that_cannot_be_kept_is_told(run, monkeypatch, caplog) -> None:
    monkeypatch.setattr(integrated_gradients, "_MOST_POINTS", 16)
    run.explain("the film was great", tolerance=1e-12)
    assert "miss the change of the logit" in caplog.text


def test_what_is_no_tolerance(run) -> None:
    with pytest.raises(ConfigError, match="tolerance must be positive"):
        run.explain("great", tolerance=0.0)


def test_tokens_within_one_character_show_it_once() -> None:
    spans = (Span(0, 1), Span(0, 1), Span(1, 2))
    shown = explanation._color("\u00e9!", spans, np.array([1.0, 2.0, 3.0]))
    assert re.sub("<.*?>", "", shown) == "\u00e9!"
    assert shown.count("<span") == 3


def test_a_word_that_looks_like_a_formula_is_drawn(run) -> None:
    run.explain(r"$\bad$ great").plot().savefig(io.BytesIO())
