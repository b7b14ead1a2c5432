"""The rival of a language model: counts of n-grams, smoothed by the method of Kneser and Ney."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Integer

from lstm_jax.data.sources import Split
from lstm_jax.data.windows import TokenWindows
from lstm_jax.errors import ConfigError, DataError
from lstm_jax.metrics.means import Mean
from lstm_jax.tasks.base import Task
from lstm_jax.tasks.contract import figures

ORDERS = (5,)
"""The orders that are tried for words, parts of words among them ..."""
CHARACTER_ORDERS = (5, 7, 9)
"""... and for characters and bytes, of which more are needed to say as much."""

_FALLBACK = (0.5, 1.0, 1.5)
_NOTHING = np.zeros(0, np.int32)


class _Level(NamedTuple):
    """The n-grams of one length k that occurred, and what follows from their counts.

    The number of an n-gram is its place in `keys`. Its key has the number of what it is without its
    first token, its suffix, and that token: a stream is looked up from short n-grams to long ones.
    """

    keys: np.ndarray
    """int64 [grams]: suffix * base + first token, ascending."""
    probability: np.ndarray
    """float64 [grams]: of the last token after those before it."""
    left: np.ndarray
    """float64 [grams of length k - 1]: after each, the share for tokens that did not follow it."""


@dataclasses.dataclass(frozen=True)
class KneserNey:
    """The interpolated n-gram model with the modified discounts of Chen and Goodman.

        p_k(w | h) = (c(h w) - D(c(h w))) / c(h .) + sum_v D(c(h v)) / c(h .) * p_(k-1)(w | h')

    where h are the k - 1 tokens before w, h' those without the first of them, and p_0 is uniform
    over the vocabulary, so that every token has a positive probability. c counts occurrences where
    k is the order, and for smaller k the different tokens that stood before. D(0) = 0, and for
    counts of 1, 2, and 3 or more, with n_r the number of n-grams of that length whose count is r,

        D(r) = r - (r + 1) Y n_(r+1) / n_r      with Y = n_1 / (n_1 + 2 n_2)

    Where these are undefined or not positive, as for a text so small, or so large beside its
    vocabulary, that some n_r is 0, they are 0.5, 1 and 1.5 for that length (as KenLM has them).

    Source: Chen and Goodman 1998, "An empirical study of smoothing techniques for language
    modeling".

    >>> tokens = np.array([0, 1, 0, 1, 0, 2])
    >>> model = KneserNey.fit(tokens, vocabulary=4, order=2)
    >>> after_0 = [np.exp(-model.nats(np.array([token]), np.array([0])))[0] for token in range(4)]
    >>> bool(after_0[1] > after_0[2] > after_0[3] > 0)
    True
    >>> round(float(sum(after_0)), 12)
    1.0
    """

    vocabulary: int
    levels: tuple[_Level, ...]

    @property
    def order(self) -> int:
        """The length of the longest n-grams: how many tokens are looked at, the predicted one too.

        >>> KneserNey.fit(np.array([0, 1, 1]), vocabulary=2).order
        5
        """
        return len(self.levels)

    @classmethod
    def fit(
        cls,
        tokens: Integer[np.ndarray, " steps"],
        vocabulary: int,
        order: int = 5,
        before: Integer[np.ndarray, " before"] = _NOTHING,
    ) -> "KneserNey":
        """Counts the n-grams of a stream.

        Args:
            tokens: ids from 0 on, each of which is counted as what follows those before it.
            vocabulary: how many ids there are.
            order: the length of the longest n-grams.
            before: what stands before the stream and is not counted itself.

        Raises:
            ConfigError: the order is below 1.
            DataError: there are no tokens, or an id that there is not.
        """
        if order < 1:
            raise ConfigError(f"the order of an n-gram model is at least 1, not {order}")
        if not len(tokens):
            raise DataError("an n-gram model learns from at least one token")
        stream = _stream(tokens, before, order, vocabulary)
        first = len(stream) - len(tokens)
        # Level 0 is one n-gram of no tokens, which ends everywhere.
        numbers = [np.zeros(len(stream), np.int64)]
        keys, places = [np.zeros(1, np.int64)], [np.zeros(1, np.int64)]
        for length in range(1, order + 1):
            key = numbers[-1] * (vocabulary + 1) + _shifted(stream, length - 1)
            found, place, number = np.unique(key, return_index=True, return_inverse=True)
            keys.append(found)
            places.append(place)
            numbers.append(number)
        counts = [np.bincount(numbers[order][first:], minlength=len(keys[order]))]
        for length in range(order, 1, -1):
            # An n-gram that stands nowhere but before the stream is none that occurred.
            suffixes = keys[length][counts[0] > 0] // (vocabulary + 1)
            counts.insert(0, np.bincount(suffixes, minlength=len(keys[length - 1])))
        levels, lower = [], np.array([1 / vocabulary])
        for length, count in enumerate(counts, 1):
            below = numbers[length - 1]
            contexts = _shifted(below, 1)[places[length]]
            suffixes = keys[length] // (vocabulary + 1)
            taken = np.array([0.0, *discounts(count)])[np.minimum(count, 3)]
            total = np.bincount(contexts, count, len(lower))
            left = np.where(total > 0, np.bincount(contexts, taken, len(lower)), 1)
            total = np.where(total > 0, total, 1)
            left /= total
            lower = (count - taken) / total[contexts] + left[contexts] * lower[suffixes]
            levels.append(_Level(keys[length], lower, left))
        return cls(vocabulary, tuple(levels))

    def nats(
        self,
        tokens: Integer[np.ndarray, " steps"],
        before: Integer[np.ndarray, " before"] = _NOTHING,
    ) -> Float[np.ndarray, " steps"]:
        """-log p of each token, float64, given those before it in the stream.

        Args:
            tokens: ids.
            before: what stands before them.

        Raises:
            DataError: an id that there is not.
        """
        stream = _stream(tokens, before, self.order, self.vocabulary)
        number = np.zeros(len(stream), np.int64)  # -1 where the n-gram did not occur
        probability = np.full(len(stream), 1 / self.vocabulary)
        for length, level in enumerate(self.levels, 1):
            context = _shifted(number, 1)
            left = np.where(context < 0, 1, level.left[context])
            key = number * (self.vocabulary + 1) + _shifted(stream, length - 1)
            place = np.minimum(np.searchsorted(level.keys, key), len(level.keys) - 1)
            is_there = level.keys[place] == key  # never where the number is -1: the key is negative
            probability = np.where(is_there, level.probability[place], left * probability)
            number = np.where(is_there, place, -1)
        return -np.log(probability[len(stream) - len(tokens) :])


def discounts(counts: Integer[np.ndarray, " grams"]) -> tuple[float, float, float]:
    """What is taken from counts of 1, 2, and 3 or more; see `KneserNey`.

    >>> discounts(np.array([1, 1, 1, 1, 2, 2, 3, 4]))
    (0.5, 1.25, 1.0)
    >>> discounts(np.array([1, 1, 2]))
    (0.5, 1.0, 1.5)
    """
    n = np.bincount(counts, minlength=5)[:5].astype(float)
    if not n[1:].all():
        return _FALLBACK
    y = n[1] / (n[1] + 2 * n[2])
    one, two, more = (float(r - (r + 1) * y * n[r + 1] / n[r]) for r in (1, 2, 3))
    # With a discount of 0 nothing might be left for tokens that never followed.
    return (one, two, more) if min(one, two, more) > 0 else _FALLBACK


def language_model_figures(
    task: Task,
    dataset: TokenWindows,
    preprocessor: Any,
    split: Split = "test",
    orders: Sequence[int] | None = None,
) -> tuple[dict[str, Any], int]:
    """The figures of an n-gram model of the training split on a split.

    They are of the very tokens that a `LanguageModeling` is measured on, each exactly once, read as
    one stream: the first is predicted from the token that stands before every text, and the ends of
    sentences and documents are tokens like others. (A network that is measured in several columns
    has no context at the head of each; the n-grams have.)

    Args:
        task: that says what figures are called.
        dataset: the opened text.
        preprocessor: that of the text.
        split: the part that is measured.
        orders: lengths of n-grams. Of several the one is taken that is best on validation text. By
            default `ORDERS`, of characters and bytes `CHARACTER_ORDERS`.

    Returns:
        The figures by their names, and the order.

    Raises:
        ConfigError: the data are no text in one stream, or an order is below 1.
        DataError: a split cannot be read.
    """
    if not isinstance(dataset, TokenWindows):
        raise ConfigError(
            f"n-grams are counted in text that TextWindows has opened, not {type(dataset).__name__}"
        )
    vocabulary = dataset.vocabulary
    if orders is None:
        orders = CHARACTER_ORDERS if vocabulary.unit in ("characters", "bytes") else ORDERS
    start = np.array([vocabulary.start], np.int32)

    def fitted(order: int) -> KneserNey:
        return KneserNey.fit(dataset.tokens("train"), len(vocabulary), order, start)

    def nats(order: int) -> float:
        return float(fitted(order).nats(dataset.tokens("validation"), start).sum())

    order = orders[0] if len(orders) == 1 else min(orders, key=nats)
    found = fitted(order).nats(dataset.tokens(split), start)
    sums = {"nats_per_token": Mean(float(found.sum()), len(found))}
    return figures(task, sums, {}, preprocessor), order


def _stream(
    tokens: np.ndarray, before: np.ndarray, order: int, vocabulary: int
) -> Integer[np.ndarray, " all"]:
    """The tokens behind as many as the first of them is predicted from.

    Where there are too few, what is no token stands for the beginning.
    """
    for ids in (tokens, before):
        if len(ids) and not 0 <= ids.min() <= ids.max() < vocabulary:
            raise DataError(f"an id is not one of {vocabulary:,} tokens")
    context = before[max(0, len(before) - (order - 1)) :]
    beginning = np.full(order, vocabulary)  # one more, so that even a context has one before it
    return np.concatenate([beginning, context, tokens]).astype(np.int64)


def _shifted(stream: np.ndarray, steps: int) -> np.ndarray:
    """The entries that stand so many steps before; before the first there are more like it."""
    return np.concatenate([np.repeat(stream[:1], steps), stream[: len(stream) - steps]])
