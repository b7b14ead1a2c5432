"""Averages that can be merged: over steps, over devices, over parts of a test set."""

import dataclasses
import math
from typing import Any

import jax
import numpy as np


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Mean:
    """A weighted mean, kept as its two sums so that merging means is exact.

    >>> Mean(total=6.0, count=2).merge(Mean(total=0.0, count=1)).compute()
    2.0
    """

    # Numbers or arrays; JAX makes means of other things as well, such as the shapes of arrays.
    total: Any
    count: Any

    def merge(self, other: "Mean") -> "Mean":
        """The mean over the examples of both."""
        return Mean(self.total + other.total, self.count + other.count)

    def compute(self) -> float:
        """The value; NaN where nothing was counted."""
        count = float(self.count)
        return float(self.total) / count if count else math.nan

    def to_host(self) -> "Mean":
        """The same in float64 on the host, where merging thousands of batches loses nothing."""
        return Mean(float(self.total), float(self.count))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Sum:
    """Counts that add up, such as a confusion matrix, as an array.

    >>> Sum(np.array([1, 2])).merge(Sum(np.array([0, 1]))).total.tolist()
    [1, 3]
    """

    total: Any

    def merge(self, other: "Sum") -> "Sum":
        """The counts over the examples of both."""
        return Sum(self.total + other.total)

    def to_host(self) -> "Sum":
        """The same in float64 on the host."""
        return Sum(np.asarray(self.total, np.float64))


Metric = Mean | Sum
"""What a batch contributes: it can be merged with those of other batches."""


def merge_metrics(one: dict[str, Metric], other: dict[str, Any]) -> dict[str, Metric]:
    """The metrics of both, each merged with that of its name."""
    return {name: metric.merge(other[name]) for name, metric in one.items()}


def perplexity(nats_per_token: float) -> float:
    """`exp(cross entropy)`: the number of equally likely tokens that would be as uncertain.

    >>> perplexity(0.0)
    1.0
    """
    try:
        return math.exp(nats_per_token)
    except OverflowError:
        return math.inf


def bits_per_character(nats_per_token: float) -> float:
    """Cross entropy in bits, for models whose tokens are characters or bytes.

    >>> round(bits_per_character(math.log(2)), 6)
    1.0
    """
    return nats_per_token / math.log(2)


def format_metric(value: int | float) -> str:
    """A figure for people: counts in full, anything else to six digits.

    >>> format_metric(2088628), format_metric(114.53219)
    ('2,088,628', '114.532')
    """
    return f"{value:,d}" if isinstance(value, int) else f"{value:,.6g}"
