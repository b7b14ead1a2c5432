import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.metrics import classification as scores
from lstm_jax.metrics.classification import BINS, calibration_error, macro_f1
from lstm_jax.metrics.means import Mean

COUNT, CLASSES = 90, 4
RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(scale=2, size=(COUNT, CLASSES)).astype(np.float32)
# Rare classes, and one that is never right.
LABELS = RANDOM.choice(CLASSES, size=COUNT, p=[0.6, 0.3, 0.1, 0]).astype(np.int32)

count = jax.jit(scores.count)


def figures_of(predicted: list[int], labels: list[int], confidence: list[float]) -> dict[str, Any]:
    """The same figures, said plainly."""
    values = []
    for name in sorted({*predicted, *labels}):
        hits = sum(p == name == t for p, t in zip(predicted, labels, strict=True))
        precision = hits / max(1, predicted.count(name))
        recall = hits / max(1, labels.count(name))
        values.append(2 * precision * recall / (precision + recall) if hits else 0.0)
    error = 0.0
    for low in range(BINS):
        inside = [
            (c, p == t)
            for c, p, t in zip(confidence, predicted, labels, strict=True)
            if low / BINS <= c < (low + 1) / BINS or (c == 1 and low == BINS - 1)
        ]
        error += abs(sum(right - c for c, right in inside)) / len(labels)
    return {
        "accuracy": sum(p == t for p, t in zip(predicted, labels, strict=True)) / len(labels),
        "macro_f1": sum(values) / len(values),
        "calibration_error": error,
    }


def probabilities(logits: np.ndarray) -> np.ndarray:
    exponents = np.exp(logits.astype(np.float64))
    return exponents / exponents.sum(axis=1, keepdims=True)


def merged(parts: list[Any]) -> dict[str, Any]:
    """The counts of the batches, merged on the host as an evaluation does."""
    hosts = [{name: metric.to_host() for name, metric in part.items()} for part in parts]
    return functools.reduce(
        lambda one, other: {name: one[name].merge(other[name]) for name in one}, hosts
    )


# ---- counts -------------------------------------------------------------------------------------


def test_figures_by_hand():
    # Class 0: 2 of 3 found, 2 of 3 right. Class 1: 1 of 2, 1 of 2. Class 2: nothing at all.
    logits = np.log(
        np.array([[8, 1, 1], [6, 3, 1], [2, 7, 1], [1, 8, 1], [5, 4, 1]], np.float32) / 10
    )
    labels = np.array([0, 0, 0, 1, 1], np.int32)
    found = merged([count(logits, labels, np.ones(5, np.float32))])
    assert found["accuracy"].compute() == 0.6
    assert found["confusion"].total.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]
    figures = scores.summarize(found | {"nats": Mean(10.0, 5)})
    assert figures == {
        "accuracy": 0.6,
        "macro_f1": pytest.approx((2 / 3 + 1 / 2) / 2),
        "nats": 2.0,
        # Of 15 bins two examples share the one from 0.8, one is right with confidence 0.6, and one
        # is wrong with 0.7, one with 0.5.
        "calibration_error": pytest.approx((0.4 + 0.4 + 0.7 + 0.5) / 5, abs=1e-6),
    }


def test_figures_are_those_of_a_plain_computation():
    mask = np.ones(COUNT, np.float32)
    figures = scores.summarize(merged([count(LOGITS, LABELS, mask)]) | {"nats": Mean(0.0, 1)})
    likely = probabilities(LOGITS)
    expected = figures_of(
        LOGITS.argmax(axis=1).tolist(), LABELS.tolist(), likely.max(axis=1).tolist()
    )
    assert {name: figures[name] for name in expected} == pytest.approx(expected, abs=1e-5)
    assert 0.1 < figures["macro_f1"] < 0.4


@pytest.mark.parametrize("size", [1, 7, 64, COUNT])
def test_the_batches_and_the_rows_that_fill_them_up_do_not_matter(size):
    whole = merged([count(LOGITS, LABELS, np.ones(COUNT, np.float32))])
    parts = []
    for begin in range(0, COUNT, size):
        kept = min(size, COUNT - begin)
        # What fills a batch up looks like a confident example.
        logits = np.full((size, CLASSES), 0, np.float32)
        logits[:, 2] = 50
        labels, mask = np.full(size, 2, np.int32), np.zeros(size, np.float32)
        logits[:kept], labels[:kept] = LOGITS[begin:][:kept], LABELS[begin:][:kept]
        mask[:kept] = 1
        parts.append(count(logits, labels, mask))
    found = merged(parts)
    assert found["accuracy"] == whole["accuracy"]
    np.testing.assert_array_equal(found["confusion"].total, whole["confusion"].total)
    np.testing.assert_allclose(found["calibration"].total, whole["calibration"].total, rtol=1e-5)
    assert found["confusion"].total.sum() == found["calibration"].total[:, 0].sum() == COUNT
    assert found["confusion"].total.dtype == np.float64


def test_certainty_falls_into_the_last_bin_and_a_tie_is_the_first_class():
    logits = np.array([[500.0, 0.0], [0.0, 0.0]], np.float32)
    found = count(logits, np.array([0, 0], np.int32), np.ones(2, np.float32))
    bins = np.asarray(found["calibration"].total)
    np.testing.assert_allclose(bins[-1], [1, 1, 1])
    np.testing.assert_allclose(bins[7], [1, 0.5, 1])
    assert bins[:, 0].sum() == 2
    assert found["accuracy"].compute() == 1.0


def test_nothing_counted_is_not_a_number():
    nothing = merged([count(LOGITS, LABELS, jnp.zeros(COUNT))])
    figures = scores.summarize(nothing | {"nats": Mean(0.0, 0)})
    assert all(math.isnan(value) for value in figures.values())


# ---- figures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("confusion", "expected"),
    [
        ([[5, 0], [0, 3]], 1.0),
        ([[0, 5], [3, 0]], 0.0),
        ([[4, 0], [4, 0]], (2 / 3 + 0) / 2),
        # A class that is neither there nor predicted has no F1; one that is only predicted has 0.
        ([[5, 0, 0], [0, 3, 0], [0, 0, 0]], 1.0),
        ([[4, 0, 1], [0, 3, 0], [0, 0, 0]], (8 / 9 + 1 + 0) / 3),
    ],
)
def test_macro_f1(confusion, expected):
    assert macro_f1(np.array(confusion, float)) == pytest.approx(expected)


def test_calibration_errors_of_bins_do_not_cancel():
    bins = np.zeros((BINS, 3))
    bins[3] = [2, 0.5, 1]
    bins[9] = [2, 1.3, 0.8]
    assert calibration_error(bins) == pytest.approx(0.25)
