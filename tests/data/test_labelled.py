"""Labelled texts become padded batches, and nothing is lost on the way but what is said to be."""

from typing import Any

import numpy as np
import pytest

from lstm_jax.data import SPLITS, Dataset, Distinct, Example, LabelledTexts
from lstm_jax.errors import ConfigError, DataError, UserError
from tests.data.sources import LabelledDocuments

CLASSES = ("neg", "pos")


def reviews(count: int, seed: int = 0, longest: int = 40) -> tuple[tuple[str, str], ...]:
    """Texts of many lengths, no two alike: each begins with a number of its own."""
    random = np.random.default_rng(seed)
    texts = []
    for number in range(count):
        words = random.choice(["good", "bad", "dull", "fun"], random.integers(0, longest))
        texts.append((" ".join([f"{number}", *words]), CLASSES[random.integers(2)]))
    return tuple(texts)


TRAIN, VALIDATION = reviews(50), reviews(23, seed=1)
SOURCE = LabelledDocuments(TRAIN, VALIDATION, (("", "pos"), ("3 fun", "neg")))


def texts(source: LabelledDocuments = SOURCE, **options: Any) -> LabelledTexts:
    return LabelledTexts(source, **({"tokens": "words", "batch_size": 4, "groups": 3} | options))


def opened(source: LabelledDocuments = SOURCE, seed: int = 0, **options: Any) -> Any:
    config = texts(source, **options)
    return config.open(config.fit(), seed)


def pairs(data: Any, batches: Any) -> list[tuple[str, str]]:
    """The texts and labels of batches, each of which is checked."""
    found, places = [], []
    for batch in batches:
        length, rows = batch.inputs.shape
        assert [array.shape for array in batch[1:]] == [(rows,)] * 4
        assert [a.dtype.name for a in batch] == ["int32", "int32", "int32", "float32", "int32"]
        # Texts first, then what fills the batch up: start tokens of class 0.
        count = int(batch.mask.sum())
        assert batch.mask.tolist() == [1] * count + [0] * (rows - count)
        assert batch.lengths[count:].tolist() == [1] * (rows - count)
        assert batch.targets[count:].tolist() == [0] * (rows - count)
        assert batch.place[count:].tolist() == [-1] * (rows - count)
        places += batch.place[:count].tolist()
        padding = np.arange(length)[:, None] >= batch.lengths
        assert set(batch.inputs[padding]) <= {data.preprocessor.vocabulary.start}
        assert np.all(batch.inputs[0] == data.preprocessor.vocabulary.start)
        for column, size, label in zip(batch.inputs.T, batch.lengths, batch.targets, strict=True):
            text = data.preprocessor.vocabulary.decode(column[1:size])
            found.append((text, data.preprocessor.classes[label]))
        del found[len(found) - (rows - count) :]
    # A place is that of the example in its split: no two are alike in a pass.
    assert len(set(places)) == len(places) or len(found) > len(set(found))
    return found


def assert_same_batch(one: Any, other: Any) -> None:
    for found, expected in zip(one, other, strict=True):
        np.testing.assert_array_equal(found, expected)


# ---- sequences ----------------------------------------------------------------------------------


def test_a_text_is_the_start_token_and_its_tokens():
    data = opened()
    assert isinstance(data, Dataset)
    (batch,) = data.evaluation("test", 2)
    vocabulary = data.preprocessor.vocabulary
    start, three, fun = (vocabulary.tokens.index(token) for token in ("<eos>", "3", "fun"))
    assert vocabulary.start == start
    # The longer one comes first; an empty text is the start token alone.
    assert batch.inputs.tolist() == [[start, start], [three, start], [fun, start]]
    assert batch.lengths.tolist() == [3, 1]
    assert batch.targets.tolist() == [0, 1]


@pytest.mark.parametrize(("trim", "kept"), [("tail", ["a b", "a"]), ("head", ["e f", "a"])])
def test_longer_texts_lose_what_is_beyond_max_length(trim, kept):
    source = LabelledDocuments((("a b c d e f", "x"), ("a", "y")))
    config = texts(source, max_length=3, trim=trim)
    data = config.open(config.fit())
    assert [text for text, _ in pairs(data, [data.batch(0)])] == kept
    preprocessor, vocabulary = data.preprocessor, data.preprocessor.vocabulary
    whole = vocabulary.encode("a b c d e f").tolist()
    read, dropped = preprocessor.encode(Example("a b c d e f", None, "here"))
    assert dropped == 4
    assert read[1:].tolist() == [whole[i] for i in range(*preprocessor.kept(6).indices(6))]
    assert [vocabulary.start, *vocabulary.encode(kept[0])] == read.tolist()


def test_what_is_read_and_dropped_is_described():
    source = LabelledDocuments(
        train=(("a b", "x"), ("a", "y"), ("", "x"), ("a b c d e", "y")),
        validation=(("a a a", "x"),),
    )
    data = opened(source, batch_size=2, groups=2, max_length=4)
    assert data.describe() == (
        "train: 4 examples of 2 classes, 10 tokens in batches of 2 shapes, 16.7% padding, "
        "0.00% unknown; 2 tokens (16.7%) of 1 examples are dropped"
    )
    assert data.describe("validation") == (
        "validation: 1 examples of 2 classes, 4 tokens in batches of 1 shapes, 50.0% padding, "
        "0.00% unknown"
    )
    assert data.facts("train") == {"dropped_tokens": 2, "unknown_share": 0.0}


def test_what_the_source_leaves_out_is_described():
    source = LabelledDocuments(
        train=(("a b", "x"), ("a", "y"), ("c", "x")),
        validation=(("A!", "x"), ("e f", "y")),
        test=(("a b c d", "x"),),
    )
    data = opened(Distinct(source))
    assert data.describe().endswith("; left out: 1 texts that validation or test hold as well")
    assert "left out" not in data.describe("validation")
    assert [data.facts(split)["unknown_share"] for split in SPLITS] == [0, 1, 0.25]
    of_bytes = texts(source, tokens="bytes")
    assert "unknown_share" not in of_bytes.open(of_bytes.fit()).facts("train")


def test_a_text_of_100_000_words_is_read_whole():
    long = " ".join(["w"] * 100_000)
    source = LabelledDocuments((("a", "x"), (long, "y"), ("b c", "x"), ("a b c", "y")))
    data = opened(source)
    shapes = [batch.inputs.shape for batch in data.evaluation("train")]
    assert shapes == [(100_001, 1), (4, 4)]
    assert sorted(pairs(data, data.evaluation("train"))) == sorted(source.train)
    assert data.steps_per_epoch == 2
    assert opened(source, max_length=100).batch(0).inputs.shape == (100, 4)


# ---- batches ------------------------------------------------------------------------------------


def test_an_epoch_has_every_example_once():
    data = opened()
    epochs = []
    for epoch in range(3):
        steps = range(epoch * data.steps_per_epoch, (epoch + 1) * data.steps_per_epoch)
        epochs.append(pairs(data, [data.batch(step) for step in steps]))
    assert all(sorted(epoch) == sorted(TRAIN) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert data.steps_per_epoch == 13  # 50 texts, 4 in a batch
    assert (data.batch_size, data.items_per_batch, data.items) == (4, 4, "examples")


def test_batches_come_in_few_shapes():
    data = opened()
    assert len({data.batch(step).inputs.shape for step in range(40)}) == 3
    assert len({batch.inputs.shape for batch in data.evaluation("validation", 2)}) <= 3


def test_a_batch_follows_from_its_number_and_the_seed():
    asked = [30, 0, 13, 12, 0, 29]
    data = opened(seed=5)
    for number in asked:
        assert_same_batch(data.batch(number), opened(seed=5).batch(number))
    other = opened(seed=6)
    assert pairs(data, map(data.batch, range(13))) != pairs(other, map(other.batch, range(13)))
    # Evaluation has no part in it.
    list(data.evaluation("train", 7))
    assert_same_batch(data.batch(30), opened(seed=5).batch(30))
    with pytest.raises(IndexError, match="numbered from 0, got -1"):
        data.batch(-1)


@pytest.mark.parametrize("batch_size", [1, 7, 64, None])
def test_an_evaluation_has_every_example_once_whatever_the_batch(batch_size):
    data = opened()
    batches = data.evaluation("validation", batch_size)
    assert sorted(pairs(data, batches)) == sorted(VALIDATION)
    assert max(batch.inputs.shape[1] for batch in batches) <= (batch_size or 4)
    assert len(batches) == len(list(batches)) == -(-len(VALIDATION) // (batch_size or 4))
    assert_same_batch(batches[-1], list(batches)[-1])
    assert len(batches[:2]) == min(2, len(batches))
    with pytest.raises(IndexError):
        batches[len(batches)]


def test_an_example_has_its_place_and_columns_can_be_taken():
    data = opened(batch_size=7)
    for batch in data.evaluation("validation"):
        for column, place in enumerate(batch.place):
            if place >= 0:
                text, label = VALIDATION[place]
                read = batch.inputs[1 : batch.lengths[column], column]
                assert data.preprocessor.vocabulary.decode(read) == text
                assert data.preprocessor.classes[batch.targets[column]] == label
        some = batch.take(np.array([2, 0]))
        assert some.inputs.shape == (batch.inputs.shape[0], 2)
        for one, whole in zip(some, batch, strict=True):
            np.testing.assert_array_equal(one[..., 0], whole[..., 2])


# ---- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            LabelledDocuments((("a", "x"), ("b", "y"), ("c", None))),
            "train, example 3: no label; a classifier learns from and is measured on labelled "
            "examples",
        ),
        (
            LabelledDocuments((("a", "x"), ("b", "y")), (("c", "x"), ("d", "z"))),
            "validation, example 2: label 'z' is not one of x, y",
        ),
    ],
)
def test_an_example_that_is_none_of_the_classes(source, message):
    data = opened(source)
    with pytest.raises(DataError) as caught:
        assert data.digest
    assert str(caught.value) == message


@pytest.mark.parametrize("labels", [("x", "x"), ("x", None), (None, None)], ids=str)
def test_fewer_than_two_classes(labels):
    source = LabelledDocuments((("a", labels[0]), ("b\n", labels[1])))
    count = len({label for label in labels if label})
    message = f"{source} has {count} classes; a classifier tells at least 2 apart"
    with pytest.raises(DataError) as caught:
        texts(source).fit()
    assert str(caught.value) == message
    assert "\n" not in message


def test_a_split_without_examples():
    source = LabelledDocuments((("a", "x"), ("b", "y")))
    with pytest.raises(DataError) as caught:
        opened(source).evaluation("test")
    assert str(caught.value) == f"the test split of {source} has no examples"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"groups": 0}, "groups must be at least 1, got 0"),
        ({"min_count": 0}, "min_count must be at least 1, got 0"),
        ({"max_length": 1}, "max_length must be at least 2, got 1"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(wrong, message):
    with pytest.raises(ConfigError) as caught:
        texts(**wrong)
    assert str(caught.value) == message


def test_an_evaluation_of_no_texts_at_a_time():
    with pytest.raises(UserError, match=r"^batch_size must be at least 1, got 0$"):
        opened().evaluation("test", 0)
