"""Logistic regression on TF-IDF: on the splits of a classifier, by its own figures."""

import dataclasses
import sys
from typing import Any

import numpy as np
import pytest

from lstm_jax.baselines import texts
from lstm_jax.baselines.texts import STRENGTHS, classification_figures
from lstm_jax.data import Data, LabelledTexts, PaddedSequences, Split
from lstm_jax.errors import ConfigError, DataError
from lstm_jax.tasks import Classification
from tests.baselines.test_summaries import AsTheyAre, Waves
from tests.data.sources import LabelledDocuments
from tests.runs import tiny_classifier

TASK = Classification()
TRAIN = (
    ("a fine film", "good"),
    ("fine, fine!", "good"),
    ("such a bore", "bad"),
    ("a bore to see", "bad"),
    ("it is a film", "neither"),
    ("see it", "neither"),
)
HELD_OUT = (("Fine film", "good"), ("a bore", "bad"), ("it is", "neither"), ("fine", "bad"))


@dataclasses.dataclass(frozen=True)
class FourClasses(LabelledDocuments):
    """With a class that has no text in training."""

    def class_names(self) -> tuple[str, ...]:
        return ("bad", "good", "neither", "never")


class Sourceless(Data):
    """Data that come from nowhere."""

    def fit(self, given: Any = None) -> Any:
        raise NotImplementedError

    def open(self, preprocessor: Any, seed: int = 0) -> Any:
        raise NotImplementedError


def data_of(train: Any = TRAIN, held_out: Any = HELD_OUT, kind: Any = LabelledDocuments) -> Any:
    return LabelledTexts(kind(train, held_out, held_out), tokens="words")


def figures(data: Any, split: Split = "test") -> tuple[dict[str, Any], float]:
    return classification_figures(TASK, data, data.fit(), split)


@pytest.fixture(name="scikit_learn", scope="module")
def installed() -> None:
    for module in ("feature_extraction.text", "linear_model"):
        pytest.importorskip(f"sklearn.{module}", reason="scikit-learn is not installed")


@pytest.mark.usefixtures("scikit_learn")
def test_it_learns_what_the_classifier_learns(reviews: str):
    experiment = tiny_classifier(reviews)
    found, strength = figures(experiment.data)
    assert strength in STRENGTHS
    assert found["accuracy"] == 1
    assert found["examples"] == 17
    assert [*found] == ["accuracy", "macro_f1", "nats", "calibration_error", "examples"]
    assert 0 < found["nats"] < 0.5


@pytest.mark.usefixtures("scikit_learn")
@pytest.mark.parametrize("train", [TRAIN, TRAIN[:4]], ids=["three classes", "two classes"])
def test_the_figures_are_those_of_scikit_learn(train: Any):
    from sklearn import feature_extraction, linear_model, pipeline

    known = {label for _, label in train}
    held_out = tuple(pair for pair in HELD_OUT if pair[1] in known)
    found, strength = figures(data_of(train, held_out))
    model = pipeline.make_pipeline(
        feature_extraction.text.TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        linear_model.LogisticRegression(C=strength, max_iter=10_000, tol=1e-9),
    )
    model.fit(*zip(*train, strict=True))
    given, labels = zip(*held_out, strict=True)
    columns = [model.classes_.tolist().index(label) for label in labels]
    logarithms = model.predict_log_proba(given)[range(len(labels)), columns]
    assert found["nats"] == pytest.approx(-logarithms.mean(), abs=1e-4)
    assert found["accuracy"] == model.score(given, labels)


@pytest.mark.usefixtures("scikit_learn")
def test_a_class_without_a_text_in_training_is_never_predicted():
    data = data_of(kind=FourClasses)
    assert figures(data)[0] == figures(data_of())[0]
    found, _ = figures(data_of(held_out=(*HELD_OUT[:3], ("fine", "never")), kind=FourClasses))
    assert found["nats"] == np.inf
    assert found["accuracy"] == 3 / 4


@pytest.mark.usefixtures("scikit_learn")
def test_the_strength_is_chosen_on_validation_texts(monkeypatch: pytest.MonkeyPatch):
    seen: list[Any] = []

    def first(task: Any, found: dict[float, Any]) -> float:
        seen.append(found)
        return STRENGTHS[0]

    source = LabelledDocuments(TRAIN, HELD_OUT[:3], HELD_OUT)
    data = LabelledTexts(source, tokens="words")
    monkeypatch.setattr(texts, "best", first)
    found, strength = figures(data)
    assert strength == STRENGTHS[0]
    assert [*seen[0]] == [*STRENGTHS]
    assert {x["examples"] for x in seen[0].values()} == {3}
    assert found["examples"] == 4
    assert figures(data, "validation")[0] == seen[0][STRENGTHS[0]]
    nats = [x["nats"] for x in seen[0].values()]
    assert nats == sorted(nats, reverse=True)  # of texts this easy less penalty is better


@pytest.mark.usefixtures("scikit_learn")
def test_what_it_cannot_read():
    with pytest.raises(DataError, match="no words in the training texts"):
        figures(data_of((("a", "good"), ("b", "bad"))))
    with pytest.raises(DataError, match=r"the validation split of .* has no examples"):
        figures(data_of(held_out=()))
    data, preprocessor = PaddedSequences(Waves(), AsTheyAre()), data_of().fit()
    with pytest.raises(DataError, match="a text is needed"):
        classification_figures(TASK, data, dataclasses.replace(preprocessor, classes=tuple("abc")))
    with pytest.raises(ConfigError, match="Sourceless has no source of texts"):
        classification_figures(TASK, Sourceless(), preprocessor)


def test_of_vectors_it_is_the_ridge(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)  # which it does not need
    data = PaddedSequences(Waves(), AsTheyAre())
    expected = texts.summary_ridge(TASK, data, AsTheyAre(), "validation")
    assert classification_figures(TASK, data, AsTheyAre(), "validation") == expected


def test_without_scikit_learn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    for module in ("", ".feature_extraction", ".feature_extraction.text"):
        monkeypatch.setitem(sys.modules, f"sklearn{module}", None)
    with pytest.raises(ConfigError) as caught:
        figures(data_of())
    assert str(caught.value).endswith("scikit-learn: pip install 'lstm_jax[baselines]'")
    assert "\n" not in str(caught.value)
