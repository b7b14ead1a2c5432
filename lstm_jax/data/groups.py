"""Sequences of many lengths as batches of few shapes."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

MOST_TOKENS = 1 << 17
"""Steps times rows of the largest batch; where texts are longer there are fewer of them in one, and
where a step costs more than a token does there are fewer as well."""
_CANDIDATES = 512


class Group(NamedTuple):
    """The sequences that are padded to one length."""

    length: int
    rows: int
    """Sequences in a batch."""
    members: Int[np.ndarray, " members"]


def group(
    lengths: Int[np.ndarray, " sequences"], batch_size: int, most: int = 8, cost: float = 1.0
) -> list[Group]:
    """At most `most` groups with the least padding, the longest sequences first.

    A sequence belongs to the group of the least length that holds it. The lengths are chosen by
    dynamic programming over all ways to part the sorted sequences; where there are more than 512
    different lengths, over 512 of them.

    Args:
        lengths: the steps of each sequence.
        batch_size: the most sequences in a batch.
        most: the most lengths.
        cost: of a step, as a multiple of what a token costs.

    >>> [(g.length, g.members.tolist()) for g in group(np.array([9, 2, 3, 8]), 32, most=2)]
    [(9, [0, 3]), (3, [1, 2])]
    """
    # Evenly many of the different lengths apart, so that a single huge one does not make the choice
    # among the others coarse.
    distinct = np.unique(lengths)
    places = np.linspace(0, len(distinct) - 1, min(len(distinct), _CANDIDATES)).round().astype(int)
    candidates = distinct[places]
    counts = np.bincount(np.searchsorted(candidates, lengths))
    bounds = _bounds(candidates, counts, most)
    which = np.searchsorted(bounds, lengths)
    return [
        Group(
            length=int(bound),
            rows=max(1, min(batch_size, int(MOST_TOKENS / (bound * cost)))),
            members=np.flatnonzero(which == place),
        )
        for place, bound in reversed(list(enumerate(bounds)))
    ]


class Rows(NamedTuple):
    """One batch: which sequences it holds, and its shape."""

    length: int
    rows: int
    members: Int[np.ndarray, " members"]
    """At most `rows` of them."""


def batches(groups: list[Group], random: np.random.Generator | None = None) -> list[Rows]:
    """The batches of a pass over all sequences; all of them are full but the last one cut.

    The rows that a group leaves open in its last batch are filled from the next shorter group. With
    a generator sequences are shuffled within their group, and then the batches.
    """
    orders = [g.members if random is None else random.permutation(g.members) for g in groups]
    order = np.concatenate(orders)
    ends = np.cumsum([len(members) for members in orders])
    cut = list(_cut(groups, order, ends))
    if random is not None:
        cut = [cut[place] for place in random.permutation(len(cut))]
    return cut


def _cut(
    groups: list[Group], order: Int[np.ndarray, " sequences"], ends: Int[np.ndarray, " groups"]
) -> Iterator[Rows]:
    """Consecutive parts of `order`, each of the shape of the group of its first, longest member."""
    begin = 0
    while begin < len(order):
        first = groups[int(np.searchsorted(ends, begin, side="right"))]
        yield Rows(first.length, first.rows, order[begin : begin + first.rows])
        begin += first.rows


def _bounds(
    candidates: Int[np.ndarray, " candidates"], counts: Int[np.ndarray, " candidates"], most: int
) -> Int[np.ndarray, " bounds"]:
    """The lengths to pad to, rising: those of least total cost, a sequence costing its length."""
    total = np.concatenate([[0], np.cumsum(counts)])
    cost = np.append(0.0, total[1:] * candidates)
    choices = []
    for _ in range(min(most, len(candidates)) - 1):
        # To end at candidate j: the best way to end at some i before it, then one length more.
        table = np.full((len(candidates) + 1, len(candidates) + 1), np.inf)
        table[0, 0] = 0.0
        for j in range(1, len(candidates) + 1):
            table[j, :j] = cost[:j] + (total[j] - total[:j]) * candidates[j - 1]
        choices.append(table.argmin(axis=1))
        cost = table.min(axis=1)
    bounds, end = [candidates[-1]], len(candidates)
    for choice in reversed(choices):
        end = choice[end]
        if end == 0:
            break
        bounds.append(candidates[end - 1])
    return np.array(bounds[::-1])
