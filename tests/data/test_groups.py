"""Lengths are parted in the best way, and every sequence is in exactly one batch."""

import itertools

import numpy as np
import pytest

from lstm_jax.data.groups import MOST_TOKENS, Group, batches, group


def draw(kind: str, size: int = 3000) -> np.ndarray:
    random = np.random.default_rng(0)
    lengths = {
        "uniform": random.integers(1, 400, size),
        "log-normal": np.exp(random.normal(5, 1, size)),
        "Pareto": 1 + 3 * random.pareto(0.7, size),
        "two lengths": random.choice([3, 900], size),
        "all equal": np.full(size, 17),
        "one": np.array([5]),
        "one huge": np.r_[np.exp(random.normal(5, 0.8, size)), 100_000],
        "each another": random.permutation(size) + 1,
        "all of one step": np.ones(size),
    }[kind]
    return np.clip(lengths, 1, 100_000).astype(int)


KINDS = (
    *("uniform", "log-normal", "Pareto", "two lengths", "all equal", "one", "one huge"),
    *("each another", "all of one step"),
)
every_kind = pytest.mark.parametrize("kind", KINDS)


def total(lengths: np.ndarray, bounds: tuple[int, ...]) -> int:
    """What the sequences cost if each is padded to the least bound that holds it."""
    return sum(min(bound for bound in bounds if bound >= length) for length in lengths.tolist())


def padding(lengths: np.ndarray, batch_size: int, most: int = 8) -> float:
    """The share of the steps of all batches that is padding."""
    cut = batches(group(lengths, batch_size, most))
    return 1 - lengths.sum() / sum(batch.length * batch.rows for batch in cut)


# ---- groups -------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 2, 3, 4, 9])
def test_no_other_lengths_would_pad_less(most):
    random = np.random.default_rng(most)
    for _ in range(30):
        highest = random.choice([4, 12, 1000])
        lengths = random.integers(1, highest + 1, random.integers(1, 12))
        found = tuple(part.length for part in group(lengths, 4, most))
        longest, *others = sorted(set(lengths.tolist()), reverse=True)
        choices = itertools.chain.from_iterable(
            itertools.combinations(others, count) for count in range(min(most, len(others) + 1))
        )
        best = min(total(lengths, (longest, *choice)) for choice in choices)
        assert len(found) <= most
        assert total(lengths, found) == best


@every_kind
def test_every_sequence_is_in_the_group_of_the_least_length_that_holds_it(kind):
    lengths = draw(kind)
    parts = group(lengths, 32)
    bounds = [part.length for part in parts]
    assert 1 <= len(parts) <= 8
    assert bounds == sorted(set(bounds), reverse=True)
    assert bounds[0] == lengths.max()
    assert set(bounds) <= set(lengths.tolist())
    assert sorted(np.concatenate([part.members for part in parts])) == list(range(len(lengths)))
    for part, shorter in itertools.zip_longest(parts, bounds[1:], fillvalue=0):
        assert isinstance(part, Group)
        assert len(part.members) > 0
        assert lengths[part.members].max() == part.length
        assert lengths[part.members].min() > shorter


def test_a_batch_never_has_more_steps_than_there_is_memory_for():
    lengths = np.array([100_000, 300_000, 50_000, 3000, 200, 1])
    rows = {part.length: part.rows for part in group(lengths, 64)}
    assert rows == {300_000: 1, 100_000: 1, 50_000: 2, 3000: 43, 200: 64, 1: 64}
    assert all(length * n <= MOST_TOKENS for length, n in rows.items() if n > 1)


# ---- padding ------------------------------------------------------------------------------------


# Of the reviews in the training split of IMDB every thirtieth part has up to so many tokens.
IMDB = (
    *(12, 67, 88, 110, 126, 136, 142, 148, 154, 159, 166, 173, 180, 188, 198, 208),
    *(219, 231, 245, 262, 280, 300, 325, 353, 386, 425, 478, 546, 641, 812, 2791),
)


@pytest.mark.parametrize("batch_size", [32, 64])
def test_at_most_a_tenth_of_what_is_read_of_reviews_is_padding(batch_size):
    parts = np.linspace(0, len(IMDB) - 1, 25_000)
    lengths = np.interp(parts, np.arange(len(IMDB)), IMDB).round().astype(int)
    assert padding(np.minimum(lengths, 400), batch_size) < 0.075
    assert padding(np.minimum(lengths, 600), batch_size) < 0.1
    assert padding(lengths, batch_size) < 0.19
    assert padding(np.minimum(lengths, 600), batch_size, most=1) > 0.5


def test_one_huge_sequence_does_not_make_the_choice_among_the_others_coarse():
    lengths = np.minimum(draw("log-normal", 20_000), 600)
    alone, beside = padding(lengths, 32, 7), padding(np.append(lengths, 100_000), 32, 8)
    assert abs(beside - alone) < 0.02


# ---- batches ------------------------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("batch_size", [1, 7, 32])
@pytest.mark.parametrize("shuffled", [False, True])
def test_every_sequence_is_in_one_batch_that_has_room_for_it(kind, batch_size, shuffled):
    lengths = draw(kind)
    parts = group(lengths, batch_size)
    cut = batches(parts, np.random.default_rng(3) if shuffled else None)
    assert sorted(np.concatenate([batch.members for batch in cut])) == list(range(len(lengths)))
    assert {batch[:2] for batch in cut} <= {part[:2] for part in parts}
    for batch in cut:
        longest = lengths[batch.members].max()
        assert batch.length == min(part.length for part in parts if part.length >= longest)
        assert 1 <= batch.rows <= batch_size
    assert sum(len(batch.members) < batch.rows for batch in cut) <= 1
    assert all(len(batch.members) <= batch.rows for batch in cut)


def test_the_order_follows_from_the_generator():
    parts = group(draw("log-normal"), 16)

    def order(seed: int | None) -> list[list[int]]:
        random = None if seed is None else np.random.default_rng(seed)
        return [batch.members.tolist() for batch in batches(parts, random)]

    assert order(0) == order(0)
    orders = [order(seed) for seed in (None, 0, 1)]
    # Neither the batches nor their order are alike.
    for one, other in itertools.combinations(orders, 2):
        assert one[0] != other[0]
        same = {tuple(sorted(members)) for members in one} & {tuple(sorted(m)) for m in other}
        assert len(same) < 3
    longest_first = [batch.length for batch in batches(parts)]
    assert longest_first == sorted(longest_first, reverse=True)
    mixed = [batch.length for batch in batches(parts, np.random.default_rng(0))]
    assert mixed != sorted(mixed, reverse=True)
    assert mixed != sorted(mixed)


def test_shuffling_leaves_the_groups_as_they_are():
    parts = group(draw("uniform"), 16)
    before = [part.members.tolist() for part in parts]
    batches(parts, np.random.default_rng(0))
    assert [part.members.tolist() for part in parts] == before
