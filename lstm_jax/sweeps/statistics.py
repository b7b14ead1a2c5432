"""How sure a mean over seeds is, and whether two of them differ by more than noise."""

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from lstm_jax.errors import ConfigError

LEVEL = 0.95
"""The share of repetitions in which an interval is to hold what it is of."""
_RESAMPLES = 9999


@dataclasses.dataclass(frozen=True)
class Summary:
    """What several seeds of one setting say together."""

    mean: float
    std: float | None
    """The standard deviation of a single seed (n - 1); None for one seed."""
    interval: tuple[float, float] | None
    """Bootstrap interval of the mean, too narrow of few seeds: see `summarize`. None for one."""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The difference between the means of two settings, first minus second."""

    difference: float
    interval: tuple[float, float]
    """In which it lies at 95%, by Student's distribution."""
    p_value: float
    """How often noise alone would make a difference at least as large between two settings that
    were chosen before their results were seen. The best of many look better than they are."""

    @property
    def exceeds_noise(self) -> bool:
        """Whether the interval does not hold zero."""
        low, high = self.interval
        return not low <= 0 <= high

    def __str__(self) -> str:
        low, high = self.interval
        verdict = "larger than the noise" if self.exceeds_noise else "not larger than the noise"
        return (
            f"difference {self.difference:+.4g}, 95% interval {low:+.4g} to {high:+.4g}, "
            f"p = {self.p_value:.2g}: {verdict}"
        )


def summarize(values: Sequence[float]) -> Summary:
    """Mean, standard deviation and 95% percentile bootstrap interval (Efron 1979) of the mean.

    Of few seeds that is too narrow. With normal metrics it holds the true mean 50% of the time with
    two, 75% with three, 84% with five and 90% with ten; `compare` has no such fault.

    >>> summarize([1.0, 2.0, 3.0]).interval
    (1.0, 3.0)

    Args:
        values: one for each seed, at least one.
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return Summary(mean, None, None)
    drawn = np.random.default_rng(0).choice(np.asarray(values), (_RESAMPLES, len(values)))
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(drawn.mean(axis=1), [tail, 100 - tail])
    return Summary(mean, float(np.std(values, ddof=1)), (float(low), float(high)))


def compare(first: Sequence[float], second: Sequence[float]) -> Comparison:
    """Whether two settings differ by more than their seeds do: Welch's test (1947).

    Not the bootstrap, whose intervals are too narrow for a handful of seeds. The seeds are taken
    for independent, for what two settings make of the same seed is.

    >>> print(compare([1.0, 1.1, 0.9], [2.0, 2.1, 1.9]))
    difference -1, 95% interval -1.227 to -0.7733, p = 0.00026: larger than the noise

    Raises:
        ConfigError: fewer than two seeds.
    """
    if min(len(first), len(second)) < 2:
        raise ConfigError("a comparison needs at least two seeds of each setting: use --seeds")
    if np.ptp(first) == np.ptp(second) == 0:  # no noise at all
        difference = float(first[0] - second[0])  # a mean would round
        return Comparison(difference, (difference, difference), float(difference == 0))
    difference = float(np.mean(first) - np.mean(second))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # about one of them without noise
        test: Any = stats.ttest_ind(first, second, equal_var=False)
    interval = test.confidence_interval(LEVEL)
    return Comparison(difference, (float(interval.low), float(interval.high)), float(test.pvalue))
