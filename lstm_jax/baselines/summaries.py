"""The rival of a classifier of vectors: a linear map of the few vectors that sum a sequence up."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Integer
from scipy.special import log_softmax

from lstm_jax.data.base import Data
from lstm_jax.data.kinds import Features
from lstm_jax.data.padded import PaddedBatch
from lstm_jax.data.preprocessing import Preprocessor
from lstm_jax.data.sources import Split
from lstm_jax.errors import ConfigError
from lstm_jax.metrics import classification as scores
from lstm_jax.metrics.means import Mean, Metric
from lstm_jax.tasks.classification import Classification
from lstm_jax.tasks.contract import figures
from lstm_jax.tasks.fields import classes_of

PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Those of the squares of the weights that are tried on validation examples."""

_TEMPERATURES = np.geomspace(0.01, 10, 61)

_count = jax.jit(scores.count)


class Ridge(NamedTuple):
    """A linear map of standardized vectors to a number for each class."""

    mean: np.ndarray
    deviation: np.ndarray
    weights: np.ndarray
    """float64 [features, classes]"""
    shares: np.ndarray
    """float64 [classes]: of the training examples, which is the output of an average one."""
    temperature: float

    def logits(
        self, vectors: Float[np.ndarray, "examples features"]
    ) -> Float[np.ndarray, "examples classes"]:
        """The outputs, which are near 0 and 1, divided by the temperature."""
        outputs = (vectors - self.mean) / self.deviation @ self.weights + self.shares
        return outputs / self.temperature


def summary_ridge(
    task: Classification,
    data: Data,
    preprocessor: Preprocessor,
    split: Split = "test",
) -> tuple[dict[str, Any], float]:
    """The figures of a ridge regression on the `summary` of each sequence.

    It reads the sequences as the model does, and is fitted to 1 for the class of an example and 0
    for the others. Of `PENALTIES` the one is taken that is best on validation examples.

    Args:
        task: that says what figures are called.
        data: sequences of vectors in padded batches.
        preprocessor: what was learned of them.
        split: the part that is measured.

    Returns:
        The figures by their names, and the penalty.

    Raises:
        ConfigError: the data are no sequences of vectors, or have no classes.
        DataError: a split cannot be read.
    """
    if not isinstance(preprocessor.inputs, Features):
        kind = preprocessor.inputs.describe()
        raise ConfigError(f"a summary is of sequences of vectors, and these are {kind}")
    classes = len(classes_of(preprocessor))
    dataset = data.open(preprocessor)
    vectors, labels = _summaries(dataset.evaluation("validation"))
    models, found = {}, {}
    for penalty, model in ridges(*_summaries(dataset.evaluation("train")), classes):
        models[penalty] = model
        found[penalty] = scored(task, model.logits(vectors), labels, preprocessor)
    penalty = best(task, found)
    vectors, labels = _summaries(dataset.evaluation(split))
    return scored(task, models[penalty].logits(vectors), labels, preprocessor), penalty


def summary(sequence: Float[np.ndarray, "time features"]) -> Float[np.ndarray, " summary"]:
    """Mean, standard deviation, first, middle and last step, one behind the other, float64.

    >>> summary(np.array([[1.0], [2.0], [6.0]])).round(2).tolist()
    [3.0, 2.16, 1.0, 2.0, 6.0]
    """
    steps = sequence.astype(np.float64)
    parts = steps.mean(axis=0), steps.std(axis=0), steps[0], steps[len(steps) // 2], steps[-1]
    return np.concatenate(parts)


def ridges(
    vectors: Float[np.ndarray, "examples features"],
    labels: Integer[np.ndarray, " examples"],
    classes: int,
) -> Iterator[tuple[float, Ridge]]:
    """For each of `PENALTIES` the map that minimizes the penalized squares.

        |outputs - targets|^2 + penalty |weights|^2      (the intercept is not penalized)

    Accuracy does not depend on the temperature; cross entropy and calibration do. It is the one
    with the least cross entropy of training examples, each of which is left out of the fit that it
    is measured on: with the leverage l of an example, its output is then (output - l target) /
    (1 - l).
    """
    mean, deviation = vectors.mean(axis=0), vectors.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1)
    targets = np.eye(classes)[labels]
    shares = targets.mean(axis=0)
    left, values, right = np.linalg.svd((vectors - mean) / deviation, full_matrices=False)
    projected = left.T @ (targets - shares)
    for penalty in PENALTIES:
        kept = values**2 / (values**2 + penalty)
        outputs = left @ (kept[:, None] * projected) + shares
        leverage = 1 / len(vectors) + left**2 @ kept
        outside = np.maximum(1 - leverage, 1e-9)[:, None]
        without = (outputs - (1 - outside) * targets) / outside
        costs = [_nats(without / temperature, labels) for temperature in _TEMPERATURES]
        weights = right.T @ ((values / (values**2 + penalty))[:, None] * projected)
        temperature = float(_TEMPERATURES[np.argmin(costs)])
        yield penalty, Ridge(mean, deviation, weights, shares, temperature)


def scored(
    task: Classification,
    logits: Float[np.ndarray, "examples classes"],
    labels: Integer[np.ndarray, " examples"],
    preprocessor: Preprocessor,
) -> dict[str, Any]:
    """The figures of logits, as the task names them."""
    mask = jnp.ones(len(labels), jnp.float32)
    counts = _count(jnp.asarray(logits, jnp.float32), jnp.asarray(labels, jnp.int32), mask)
    sums: dict[str, Metric] = {name: metric.to_host() for name, metric in counts.items()}
    sums["nats"] = Mean(_nats(logits, labels), len(labels))
    return figures(task, sums, {}, preprocessor)


def best(task: Classification, found: Mapping[float, dict[str, Any]]) -> float:
    """The setting whose figures are best by the task's score; of equal ones, by cross entropy."""
    sign = 1 if task.score.direction == "max" else -1
    return max(found, key=lambda x: (sign * found[x][task.score.metric], -found[x]["nats"]))


def _nats(logits: np.ndarray, labels: np.ndarray) -> float:
    """The cross entropy of all examples together."""
    logarithms = log_softmax(logits.astype(np.float64), axis=1)
    return -float(logarithms[np.arange(len(labels)), labels].sum())


def _summaries(batches: Any) -> tuple[np.ndarray, np.ndarray]:
    """The summary and the class of each example, float64 [examples, ...], int64 [examples]."""
    vectors, labels = [], []
    for batch in batches:
        if not isinstance(batch, PaddedBatch):
            raise ConfigError(f"sequences come in a PaddedBatch, not in a {type(batch).__name__}")
        for column in np.flatnonzero(batch.place >= 0):
            vectors.append(summary(batch.inputs[: batch.lengths[column], column]))
            labels.append(int(batch.targets[column]))
    return np.stack(vectors), np.array(labels)
