"""A ridge regression on summaries: against plain formulas, and on sequences in batches."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from examples.configs import spoken_vowels
from lstm_jax.baselines import summaries
from lstm_jax.baselines.summaries import (
    PENALTIES,
    Ridge,
    best,
    ridges,
    scored,
    summary,
    summary_ridge,
)
from lstm_jax.data import (
    Classes,
    Encoded,
    Example,
    Features,
    LabelledSource,
    LabelledTextPreprocessor,
    PaddedSequences,
    Preprocessor,
    Split,
    TextPreprocessor,
    TextWindows,
    Values,
    Vocabulary,
)
from lstm_jax.errors import ConfigError
from lstm_jax.tasks import Classification
from lstm_jax.tasks.base import Score
from tests.data.sources import Documents, real_data

TASK = Classification(embedding=None)
NAMES = ("a", "b", "c")


@dataclasses.dataclass(frozen=True)
class Waves(LabelledSource):
    """Sequences of unequal length, told apart by where they begin and by what they vary around."""

    noise: float = 0.5

    def examples(self, split: Split) -> Iterator[Example]:
        seed = ("train", "validation", "test").index(split)
        random = np.random.default_rng(seed)
        for number in range(90 if split == "train" else 31):
            label = number % 3
            steps = random.normal(label == 1, self.noise, (random.integers(1, 9), 2))
            steps[0] += 2 * (label == 2)
            yield Example(steps, NAMES[label], f"{split}, {number}")


@dataclasses.dataclass(frozen=True)
class AsTheyAre(Preprocessor):
    """Two features a step, scaled by a number."""

    scale: float = 1.0

    inputs = property(lambda self: Features(2))
    targets = property(lambda self: Classes(NAMES))

    def encode(self, example: Example) -> Encoded:
        return Encoded(self.scale * example.inputs)


def of(split: Split, noise: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """The summaries and the classes of a split, read without batches."""
    examples = [*Waves(noise).examples(split)]
    vectors = [summary(example.inputs.astype(np.float32)) for example in examples]
    return np.stack(vectors), np.array([NAMES.index(example.target) for example in examples])


def test_a_summary():
    steps = np.array([[0.0, 1.0], [4.0, 1.0], [6.0, 3.0], [2.0, 3.0]], np.float32)
    expected = [3, 2, np.sqrt(5), 1, 0, 1, 6, 3, 2, 3]
    np.testing.assert_allclose(summary(steps), expected)
    np.testing.assert_array_equal(summary(steps[:1]), [0, 1, 0, 0, 0, 1, 0, 1, 0, 1])


def solved(vectors: np.ndarray, targets: np.ndarray, penalty: float) -> np.ndarray:
    """Weights and, as their last row, the intercept that minimize what is said of `ridges`."""
    inputs = np.column_stack([vectors, np.ones(len(vectors))])
    penalties = np.diag([*[penalty] * vectors.shape[1], 0])
    return np.linalg.solve(inputs.T @ inputs + penalties, inputs.T @ targets)


@pytest.mark.parametrize(("count", "features"), [(40, 5), (12, 20)], ids=["tall", "wide"])
def test_a_ridge_is_the_minimum_and_its_temperature_that_of_examples_left_out(
    count: int, features: int
):
    random = np.random.default_rng(0)
    labels = np.arange(count) % 3
    vectors = random.normal(size=(count, features)) + 2 * labels[:, None]
    vectors[:, 1] = 7  # says nothing, and has no deviation
    deviation = np.where(np.arange(features) == 1, 1, vectors.std(axis=0))
    standard, targets = (vectors - vectors.mean(axis=0)) / deviation, np.eye(3)[labels]
    found = dict(ridges(vectors, labels, 3))
    assert [*found] == [*PENALTIES]
    for penalty, model in found.items():
        *weights, intercept = solved(standard, targets, penalty)
        np.testing.assert_allclose(model.weights, weights, atol=1e-9)
        np.testing.assert_allclose(model.shares, intercept, atol=1e-9)
        expected = (standard @ weights + intercept) / model.temperature
        np.testing.assert_allclose(model.logits(vectors), expected, atol=1e-6)
        outputs = []
        for one in range(count):
            others = np.arange(count) != one
            *weights, intercept = solved(standard[others], targets[others], penalty)
            outputs.append(standard[one] @ weights + intercept)
        costs = [
            summaries._nats(np.array(outputs) / temperature, labels)
            for temperature in summaries._TEMPERATURES
        ]
        assert model.temperature == summaries._TEMPERATURES[np.argmin(costs)]


def test_the_figures_are_of_each_sequence_as_it_is_without_padding():
    data = PaddedSequences(Waves(), AsTheyAre(), batch_size=7, groups=2)
    found, penalty = summary_ridge(TASK, data, AsTheyAre())
    models = dict(ridges(*of("train"), 3))
    vectors, labels = of("validation")
    candidates = {
        x: scored(TASK, m.logits(vectors), labels, AsTheyAre()) for x, m in models.items()
    }
    assert penalty == best(TASK, candidates)
    vectors, labels = of("test")
    logits = models[penalty].logits(vectors)
    expected = scored(TASK, logits, labels, AsTheyAre())
    assert found == pytest.approx(expected, abs=1e-6)
    assert found["examples"] == 31
    assert found["accuracy"] == (logits.argmax(axis=1) == labels).mean() > 0.8
    assert [*found] == ["accuracy", "macro_f1", "nats", "calibration_error", "examples"]


def test_it_reads_what_the_model_reads():
    for scale in (1.0, 0.0):
        preprocessor = AsTheyAre(scale)
        data = PaddedSequences(Waves(), preprocessor)
        found, _ = summary_ridge(TASK, data, preprocessor)
        assert (found["accuracy"] > 0.8) == bool(scale)


def test_probabilities_are_neither_too_sure_nor_too_unsure():
    vectors, labels = of("test", noise=1.0)
    for penalty, model in ridges(*of("train", noise=1.0), 3):
        nats = [
            summaries._nats(model.logits(vectors) * factor, labels) for factor in (0.2, 1.0, 5.0)
        ]
        assert nats[1] < min(nats[0], nats[2]), penalty


def test_scores_are_those_of_plain_formulas():
    logits = np.log([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.4, 0.4, 0.2]])
    labels = np.array([0, 1, 1, 2])
    found = scored(TASK, logits + 3, labels, AsTheyAre())
    assert found["accuracy"] == 0.5
    assert found["examples"] == 4
    assert found["nats"] == pytest.approx(-np.log([0.5, 0.8, 0.2, 0.2]).mean())


def test_the_best_setting_is_best_by_the_score_and_then_by_cross_entropy():
    found = {
        1.0: {"accuracy": 0.8, "nats": 0.1},
        2.0: {"accuracy": 0.9, "nats": 0.4},
        3.0: {"accuracy": 0.9, "nats": 0.3},
    }
    assert best(TASK, found) == 3

    class ByNats(Classification):
        score = property(lambda self: Score("nats", "min"))

    assert best(ByNats(), found) == 1


def test_other_data_are_refused():
    vocabulary = Vocabulary.build(["a b"], "words")
    data = TextWindows(Documents())
    with pytest.raises(ConfigError, match="and these are 4 tokens"):
        summary_ridge(TASK, data, LabelledTextPreprocessor(vocabulary, ("no", "yes")))
    with pytest.raises(ConfigError, match="of vectors, and these are 4 tokens"):
        summary_ridge(TASK, data, TextPreprocessor(vocabulary))

    class Numbers(AsTheyAre):
        targets = property(lambda self: Values())

    with pytest.raises(ConfigError, match="the data have no classes"):
        summary_ridge(TASK, PaddedSequences(Waves(), Numbers()), Numbers())
    with pytest.raises(ConfigError, match="in a PaddedBatch, not in a Ridge"):
        summaries._summaries([Ridge(*[np.zeros(1)] * 4, 1.0)])


def test_spoken_vowels():
    real_data("japanese_vowels")
    experiment: Any = spoken_vowels.get_config()
    data, task = experiment.data, experiment.task
    found, penalty = summary_ridge(task, data, data.fit())
    assert (found["examples"], penalty) == (370, 10)
    assert found["accuracy"] == pytest.approx(0.984, abs=0.004)
    assert found["nats"] < 0.05
