"""How well examples are classified: counts that add up over batches, and what follows from them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Integer

from lstm_jax.functional.arguments import check_axes, check_floating, check_integers
from lstm_jax.functional.integers import widened
from lstm_jax.metrics.means import Mean, Metric, Sum
from lstm_jax.types import Array

BINS = 15
"""Bins of confidence of the calibration error, as in Guo et al. 2017."""


def count(
    logits: Float[Array, "batch classes"],
    labels: Integer[Array, " batch"],
    mask: Float[Array, " batch"],
) -> dict[str, Metric]:
    """What a batch contributes.

    `accuracy`; `confusion` [classes, classes], a row for each true class and a column for each
    predicted one; `calibration` [BINS, 3], for each bin of confidence its examples, the sum of
    their confidences and how many of them are right.

    Raises:
        ArgumentError: an array has other axes or another dtype.
    """
    check_floating("logits", logits, "batch classes")
    check_integers("labels", labels, "batch", logits.shape[:1])
    check_floating("mask", mask, "batch", logits.shape[:1])
    labels = widened(labels)
    classes = logits.shape[-1]
    predicted = logits.argmax(axis=-1)
    right = (predicted == labels).astype(mask.dtype)
    truth = jax.nn.one_hot(labels, classes, dtype=mask.dtype) * mask[:, None]
    confidence = jax.nn.softmax(logits).max(axis=-1).astype(mask.dtype)
    bins = jnp.minimum((confidence * BINS).astype(jnp.int32), BINS - 1)
    binned = jax.nn.one_hot(bins, BINS, dtype=mask.dtype) * mask[:, None]
    values = jnp.stack([jnp.ones_like(mask), confidence, right], axis=-1)
    return {
        "accuracy": Mean((mask * right).sum(), mask.sum()),
        "confusion": Sum(truth.T @ jax.nn.one_hot(predicted, classes, dtype=mask.dtype)),
        "calibration": Sum(binned.T @ values),
    }


def summarize(metrics: dict[str, Any]) -> dict[str, float]:
    """The figures that follow from the merged counts of `count` and from `nats`."""
    return {
        "accuracy": metrics["accuracy"].compute(),
        "macro_f1": macro_f1(np.asarray(metrics["confusion"].total)),
        "nats": metrics["nats"].compute(),
        "calibration_error": calibration_error(np.asarray(metrics["calibration"].total)),
    }


def macro_f1(confusion: Float[np.ndarray, "classes classes"]) -> float:
    """The mean of F1 over the classes that occur among the labels or the predictions.

        F1 = 2 precision recall / (precision + recall) = 2 hits / (labels + predictions)

    Raises:
        ArgumentError: it is not square.

    >>> round(macro_f1(np.array([[3.0, 1.0], [0.0, 4.0]])), 4)
    0.873
    """
    check_axes("confusion", confusion, "classes classes")
    check_axes("confusion", confusion, "classes classes", (len(confusion),) * 2)
    hits, both = np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1)
    occurring = both > 0
    if not occurring.any():
        return float("nan")
    return float((2 * hits[occurring] / both[occurring]).mean())


def calibration_error(bins: Float[np.ndarray, "bins 3"]) -> float:
    """The expected calibration error (Guo et al. 2017, equation 3).

        sum over bins of (examples / all) |accuracy - mean confidence|

    Raises:
        ArgumentError: the axes are others.

    >>> calibration_error(np.array([[0.0, 0.0, 0.0], [4.0, 3.0, 2.0]]))
    0.25
    """
    check_axes("bins", bins, "bins values", (None, 3))
    examples, confidence, right = bins.T
    total = examples.sum()
    return float(np.abs(right - confidence).sum() / total) if total else float("nan")
