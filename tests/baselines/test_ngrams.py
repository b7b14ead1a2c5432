"""N-grams: against the definitions said plainly, and on the tokens of a language model."""

import collections
import math
from typing import Any

import numpy as np
import pytest

from configs import lm_ptb_small
from lstm_jax.baselines import ngrams
from lstm_jax.baselines.ngrams import KneserNey, discounts, language_model_figures
from lstm_jax.data import PaddedSequences, TextPreprocessor, TextWindows, TokenWindows, Vocabulary
from lstm_jax.errors import ConfigError, DataError
from lstm_jax.metrics import Mean
from lstm_jax.tasks import LanguageModeling
from tests.data.sources import Documents, real_data
from tests.runs import tiny

RANDOM = np.random.default_rng(0)


def chain(steps: int, vocabulary: int = 6, seed: int = 0) -> np.ndarray:
    """Tokens of which each follows from the two before it three times in four."""
    random = np.random.default_rng(seed)
    tokens = [0, 1]
    for _ in range(steps):
        expected = (2 * tokens[-1] + tokens[-2] + 1) % vocabulary
        drawn = int(random.integers(vocabulary))
        tokens.append(expected if random.random() < 0.75 else drawn)
    return np.array(tokens[2:], np.int32)


def distribution(model: KneserNey, context: np.ndarray) -> np.ndarray:
    """The probability of each token after a context."""
    ids = np.arange(model.vocabulary, dtype=np.int32)[:, None]
    return np.exp([-model.nats(token, context)[0] for token in ids])


class Plain:
    """The model as its docstring defines it, with n-grams as tuples in dictionaries."""

    def __init__(self, tokens: list[int], vocabulary: int, order: int, before: list[int]):
        self.vocabulary, self.order = vocabulary, order
        beginning: list[Any] = [None] * order
        stream = [*beginning, *before, *tokens]
        first = len(stream) - len(tokens)
        longest = [tuple(stream[i - order + 1 : i + 1]) for i in range(first, len(stream))]
        self.counts = {order: collections.Counter(longest)}
        for length in range(order - 1, 0, -1):
            self.counts[length] = collections.Counter(gram[1:] for gram in self.counts[length + 1])

    def discount(self, length: int, count: int) -> float:
        n = collections.Counter(self.counts[length].values())
        found = [0.5, 1.0, 1.5]
        if all(n[r] for r in (1, 2, 3, 4)):
            y = n[1] / (n[1] + 2 * n[2])
            exact = [r - (r + 1) * y * n[r + 1] / n[r] for r in (1, 2, 3)]
            if all(0 < d <= r for r, d in enumerate(exact, 1)):
                found = exact
        return found[min(count, 3) - 1]

    def probability(self, token: int, context: tuple[Any, ...]) -> float:
        if len(context) == self.order:
            context = context[1:]
        length = len(context) + 1
        lower = self.probability(token, context[1:]) if context else 1 / self.vocabulary
        after = {g: c for g, c in self.counts[length].items() if g[:-1] == context}
        total = sum(after.values())
        if not total:
            return lower
        left = sum(self.discount(length, count) for count in after.values()) / total
        count = after.get((*context, token), 0)
        kept = count - self.discount(length, count) if count else 0
        return kept / total + left * lower

    def nats(self, tokens: list[int], before: list[int]) -> list[float]:
        beginning: list[Any] = [None] * self.order
        stream = [*beginning, *before, *tokens]
        first = len(stream) - len(tokens)
        places = range(first, len(stream))
        contexts = [tuple(stream[i - self.order + 1 : i]) for i in places]
        pairs = zip(tokens, contexts, strict=True)
        return [-math.log(self.probability(token, context)) for token, context in pairs]


# ---- the model ----------------------------------------------------------------------------------


def test_a_tiny_text_by_hand():
    # 01 occurs twice after 0 and 02 once: too few counts for any but the fixed discounts. Of three
    # tokens after 0, (2 - 1) + (1 - 0.5) stay, and 1.5 / 3 is left for what occurred before others:
    # 0 after two different tokens (the beginning is one), 1 and 2 after one. Of these four, 1 + 0.5
    # + 0.5 stay, and half is left for all four tokens alike.
    model = KneserNey.fit(np.array([0, 1, 0, 1, 0, 2]), vocabulary=4, order=2)
    anywhere = [1 / 4 + 1 / 8, 0.5 / 4 + 1 / 8, 0.5 / 4 + 1 / 8, 1 / 8]
    after_0 = np.array([0, 1 / 3, 0.5 / 3, 0]) + np.multiply(anywhere, 0.5)
    np.testing.assert_allclose(distribution(model, np.array([0])), after_0)
    # 3 never occurred: nothing is known of what follows it.
    np.testing.assert_allclose(distribution(model, np.array([3])), anywhere)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("before", [[], [2], [1, 5, 0, 4, 2, 3]], ids=len)
def test_it_is_what_the_definitions_say(order: int, before: list[int]):
    tokens, held_out = chain(150), chain(40, seed=1)
    plain = Plain(tokens.tolist(), 7, order, before)
    model = KneserNey.fit(tokens, 7, order, np.array(before, np.int32))
    assert model.order == order
    for stream in (held_out, tokens):
        found = model.nats(stream, np.array(before, np.int32))
        np.testing.assert_allclose(found, plain.nats(stream.tolist(), before), rtol=1e-12)
        assert found.dtype == np.float64


@pytest.mark.parametrize("order", [1, 2, 4])
def test_probabilities_are_positive_and_sum_to_one_after_any_context(order: int):
    model = KneserNey.fit(chain(300), vocabulary=8, order=order)
    # Of these some never occurred, and tokens 6 and 7 nowhere.
    contexts = [RANDOM.integers(8, size=length) for length in (0, 1, 1, 2, 2, 3, 3, 9)]
    for context in [*contexts, chain(300)[-4:], np.array([7, 0, 1])]:
        found = distribution(model, context)
        assert found.min() > 0
        assert math.isclose(found.sum(), 1, rel_tol=1e-12)


def test_a_stream_may_be_read_in_pieces():
    model, stream = KneserNey.fit(chain(300), vocabulary=6, order=4), chain(50, seed=2)
    pieces = [model.nats(stream[i : i + 10], stream[:i]) for i in range(0, 50, 10)]
    np.testing.assert_array_equal(np.concatenate(pieces), model.nats(stream))


def test_order_1_estimates_each_token_by_its_share():
    tokens, vocabulary = chain(200), 9
    counts = np.bincount(tokens, minlength=vocabulary)
    taken = np.where(counts > 2, 1.5, 0)  # every token occurred more often than twice, or never
    expected = (counts - taken) / 200 + taken.sum() / 200 / vocabulary
    found = distribution(KneserNey.fit(tokens, vocabulary, order=1), np.array([3]))
    np.testing.assert_allclose(found, expected)


def test_longer_contexts_say_more_where_there_is_more_to_say():
    held_out = chain(500, seed=1)
    nats = [KneserNey.fit(chain(3000), 6, order).nats(held_out).mean() for order in (1, 2, 3)]
    assert nats[2] + 0.3 < nats[1] < nats[0] <= math.log(6) + 0.01
    # Nothing is lost by looking too far, or nearly.
    assert KneserNey.fit(chain(3000), 6, 6).nats(held_out).mean() < nats[2] + 0.1


def test_discounts():
    # n is 6, 3, 2, 1, so Y = 6 / 12.
    counts = np.repeat([0, 1, 2, 3, 4, 9], [5, 6, 3, 2, 1, 4])
    np.testing.assert_allclose(discounts(counts), (1 - 3 / 6, 2 - 1.5 * 2 / 3, 3 - 2 * 1 / 2))
    for n in ([6, 0, 2, 1], [6, 3, 2, 0], [6, 3, 2, 9], [6, 1, 9, 1], [4, 1, 1, 1]):
        assert discounts(np.repeat([1, 2, 3, 4], n)) == (0.5, 1.0, 1.5), n


def test_what_it_cannot_count():
    tokens = np.array([0, 1, 2])
    with pytest.raises(ConfigError, match="at least 1, not 0"):
        KneserNey.fit(tokens, vocabulary=3, order=0)
    with pytest.raises(DataError, match="at least one token"):
        KneserNey.fit(tokens[:0], vocabulary=3)
    model = KneserNey.fit(tokens, vocabulary=3)
    for wrong in (3, -1):
        with pytest.raises(DataError, match="not one of 3 tokens"):
            KneserNey.fit(np.array([0, wrong]), vocabulary=3)
        with pytest.raises(DataError, match="not one of 3 tokens"):
            model.nats(tokens, np.array([wrong]))


# ---- the rival of a language model --------------------------------------------------------------


def opened(unit: Any = "words") -> tuple[TokenWindows, TextPreprocessor]:
    """Sentences that end at every tenth word, in two documents."""
    texts = {
        split: tuple(
            "\n".join(" ".join("abcdef"[i] for i in line) for line in part.reshape(-1, 10))
            for part in chain(200, seed=seed).reshape(2, 100)
        )
        for seed, split in enumerate(("train", "validation", "test"))
    }
    data = TextWindows(Documents(**texts), tokens=unit, batch_size=3, evaluation_window=7)
    preprocessor = data.fit()
    return data.open(preprocessor), preprocessor


def test_the_figures_are_of_the_tokens_that_the_language_model_is_measured_on():
    (dataset, preprocessor), task = opened(), LanguageModeling()
    batches = dataset.evaluation("test", batch_size=1)
    inputs, targets = (
        np.concatenate([getattr(b, name)[b.mask == 1] for b in batches])
        for name in ("inputs", "targets")
    )
    model = KneserNey.fit(dataset.tokens("train"), len(dataset.vocabulary), 5, inputs[:1])
    expected = model.nats(targets, inputs[:1])
    assert len(expected) == 219  # the last line of all has no end
    sums = {"nats_per_token": Mean(expected.sum(), 219)}
    found, order = language_model_figures(task, dataset, preprocessor)
    assert order == 5
    assert found == task.summarize(sums, {}, preprocessor)
    assert [*found] == ["nats_per_token", "perplexity", "tokens"]
    assert found["perplexity"] < len(dataset.vocabulary)
    train, _ = language_model_figures(task, dataset, preprocessor, "train")
    assert train["perplexity"] < found["perplexity"]


def test_of_several_orders_the_best_on_validation_text_is_taken():
    (dataset, preprocessor), task = opened(), LanguageModeling()

    def figures(split: Any, *orders: int) -> tuple[dict[str, Any], int]:
        return language_model_figures(task, dataset, preprocessor, split, orders)

    nats = {n: figures("validation", n)[0]["nats_per_token"] for n in (1, 2, 3, 6)}
    best = min(nats, key=nats.__getitem__)
    assert best == 3
    assert figures("test", 1, 2, 3, 6) == (figures("test", best)[0], best)


@pytest.mark.parametrize(
    ("unit", "order", "name"),
    [
        ("characters", 3, "bits_per_character"),
        ("bytes", 3, "bits_per_byte"),
        ("words", 2, "perplexity"),
    ],
)
def test_default_orders(unit: Any, order: int, name: str, monkeypatch: pytest.MonkeyPatch):
    assert max(ngrams.CHARACTER_ORDERS) > max(ngrams.ORDERS)
    monkeypatch.setattr(ngrams, "ORDERS", (2,))
    monkeypatch.setattr(ngrams, "CHARACTER_ORDERS", (3,))
    found, used = language_model_figures(LanguageModeling(), *opened(unit), "validation")
    assert used == order
    assert name in found


def test_it_takes_the_data_of_a_run(text: str):
    experiment = tiny(text)
    preprocessor = experiment.data.fit()
    dataset: Any = experiment.data.open(preprocessor)
    found, _ = language_model_figures(LanguageModeling(), dataset, preprocessor)
    assert found["tokens"] == 70
    assert found["bits_per_character"] < 2


@pytest.mark.usefixtures("unannotated")
def test_other_data_are_refused():
    other: Any = PaddedSequences.__new__(PaddedSequences)
    preprocessor = TextPreprocessor(Vocabulary.build(["a b"], "words"))
    with pytest.raises(ConfigError, match="TextWindows has opened, not PaddedSequences"):
        language_model_figures(LanguageModeling(), other, preprocessor)


@pytest.mark.slow
@pytest.mark.parametrize(("split", "tokens", "published"), [("test", 82_430, 141.2)])
def test_penn_treebank(split: Any, tokens: int, published: float):
    # Published: KN5 in table 1 of Mikolov et al. 2011, "Empirical evaluation and combination".
    real_data("ptb")
    experiment: Any = lm_ptb_small.get_config()
    preprocessor = experiment.data.fit()
    dataset = experiment.data.open(preprocessor)
    found, _ = language_model_figures(experiment.task, dataset, preprocessor, split)
    assert found["tokens"] == tokens
    assert abs(found["perplexity"] - published) < 0.3
