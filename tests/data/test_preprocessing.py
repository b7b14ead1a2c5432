"""What inputs and targets are, and how they are encoded."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from lstm_jax.data import (
    Classes,
    Encoded,
    Example,
    Features,
    LabelledSource,
    PaddedSequences,
    Preprocessor,
    Source,
    TextPreprocessor,
    Tokens,
    Values,
    Vocabulary,
    as_steps,
    groups,
)
from lstm_jax.data.preprocessing import encoded, encoded_target
from lstm_jax.errors import ConfigError, DataError


@dataclasses.dataclass(frozen=True)
class Sums(Source):
    """Sequences of ones, whose length is wanted."""

    lengths: tuple[int, ...] = (3, 1, 2)
    features: int = 2

    def examples(self, split):
        for length in self.lengths:
            yield Example(np.ones((length, self.features)), length, f"{split}, {length} ones")


@dataclasses.dataclass(frozen=True)
class AtMost(Preprocessor):
    """The first steps alone."""

    most: int = 2
    features: int = 2

    @property
    def inputs(self):
        return Features(self.features)

    @property
    def targets(self):
        return Values()

    def encode(self, example):
        steps = as_steps(example.inputs, example.place, self.inputs)
        return Encoded(steps[: self.most], max(0, len(steps) - self.most))


DATA = PaddedSequences(Sums(), AtMost(), batch_size=2, groups=2)


def test_sequences_of_vectors_are_padded_and_say_what_they_drop():
    data = DATA.open(DATA.fit())
    assert data.facts("train") == {"dropped_steps": 1}
    assert data.describe() == (
        "train: 3 examples of 1 number, 5 steps in batches of 2 shapes, 16.7% padding; "
        "1 steps (16.7%) of 1 examples are dropped"
    )
    first, second = data.evaluation("train")
    assert first.inputs.shape == (2, 2, 2)
    assert first.inputs.dtype == first.targets.dtype == np.float32
    assert first.targets.tolist() == [[3], [2]]
    assert first.place.tolist() == [0, 2]
    assert (second.inputs.tolist(), second.lengths.tolist()) == ([[[1, 1], [0, 0]]], [1, 1])
    assert (second.mask.tolist(), second.place.tolist()) == ([1, 0], [1, -1])
    one = first.take(np.array([1]))
    assert (one.targets.tolist(), one.place.tolist(), one.inputs.shape) == ([[2]], [2], (2, 1, 2))


def test_what_a_step_costs_bounds_a_batch(monkeypatch):
    assert Features(1).cost == Features(128).cost == Tokens(9).cost == 1
    assert Features(1280).cost == 10
    assert Features(1, relative_cost=1 / 160).cost == 1 / 160
    monkeypatch.setattr(groups, "MOST_TOKENS", 60)
    for features, rows in ((128, 20), (1280, 2)):
        config = PaddedSequences(Sums((3,) * 30, features), AtMost(3, features), batch_size=20)
        shape = config.open(config.fit()).batch(0).inputs.shape
        assert shape == (3, rows, features)


def test_targets_and_back():
    classes = Classes(("neg", "pos"))
    assert classes.decode(np.array([1, 0])) == ["pos", "neg"]
    assert [classes.encode(name, "here") for name in ("neg", "pos")] == [0, 1]
    assert Values(2).encode([1, 2.5], "here").tolist() == [1, 2.5]
    assert Values(2).decode(np.float32([[1, 2]])).dtype == np.float64
    for wrong in ((), ("a",), ("a", "a")):
        with pytest.raises(DataError, match="tells at least 2 classes apart"):
            Classes(wrong)
    for value in (None, [1], [1, np.inf], ["a", "b"]):
        with pytest.raises(DataError, match=r"^here: "):
            Values(2).encode(value, "here")


def test_a_preprocessor_of_tokens_has_no_target_of_a_whole_text():
    words = TextPreprocessor(Vocabulary.build(["a b"], "words"))
    assert words.inputs == words.targets == Tokens(4, fill=2, unknown=3)
    with pytest.raises(DataError, match="has no target for a whole example"):
        words.encode_target(Example("a", None, "here"))
    with pytest.raises(DataError, match="here: a text is needed, not a int"):
        words.encode(Example(3, None, "here"))


def test_the_digest_is_that_of_what_is_saved():
    assert AtMost().digest == AtMost().digest != AtMost(3).digest


def test_a_model_of_other_inputs_is_no_origin():
    assert DATA.fit(AtMost()) == AtMost()
    message = "that model reads vectors of 3 features, and these data are vectors of 2 features"
    with pytest.raises(ConfigError, match=message):
        DATA.fit(AtMost(features=3))


@dataclasses.dataclass(frozen=True)
class Encoding(AtMost):
    """Encodes whatever the example holds."""

    def encode(self, example):
        return example.inputs


@dataclasses.dataclass(frozen=True)
class EncodingTokens(Encoding):
    @property
    def inputs(self):
        return Tokens(9)


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (Encoding, np.ones((3, 2)), "must encode it as Encoded"),
        (Encoding, Encoded([[1.0, 2.0]]), "must encode it as an array of NumPy, not list"),
        (Encoding, Encoded(np.full((3, 2), 1e300)), "not finite, or not in float32"),
        (Encoding, Encoded(np.ones((3, 1))), r"float64 \[3, 1\], and not as steps of vectors of 2"),
        (Encoding, Encoded(np.ones((3, 2), int)), r"int64 \[3, 2\], and not"),
        (Encoding, Encoded(np.ones((0, 2))), r"\[0, 2\], and not"),
        (Encoding, Encoded(np.full((3, 2), np.nan)), "a number that is not finite"),
        (EncodingTokens, Encoded(np.array([3, 9])), "an id that is not one of 9 tokens"),
        (EncodingTokens, Encoded(np.array([3, -1])), "an id that is not one of 9 tokens"),
    ],
    ids=[
        "no Encoded",
        "list",
        "too large for it",
        "features",
        "integers",
        "no step",
        "nan",
        "too large",
        "negative",
    ],
)
def test_what_is_encoded_is_what_the_inputs_say(kind, given, message):
    with pytest.raises(DataError, match=rf"^here: {kind.__name__}.*{message}"):
        encoded(kind(), Example(given, 0, "here"))


@dataclasses.dataclass(frozen=True)
class Aiming(AtMost):
    """Encodes a target as it is; of numbers, if it has no names."""

    names: tuple[str, ...] = ()

    @property
    def targets(self):
        return Classes(self.names) if self.names else Values(2)

    def encode_target(self, example):
        return example.target


@pytest.mark.parametrize(
    ("names", "target", "message"),
    [
        ((), 1.0, r"as 1\.0, and not as float32 \[2\]"),
        ((), [[1.0], [1.0, 2.0]], r"and not as float32 \[2\]"),
        ((), None, "as None, and not as"),
        ((), "ab", "as 'ab', and not as"),
        ((), [1.0, np.nan], "a number that is not finite"),
        ((), [1.0, 1e300], "a number that is not finite"),
        (("a", "b"), -1, "as -1, not as one of 2 classes"),
        (("a", "b"), 2, "as 2, not as one of 2 classes"),
        (("a", "b"), 2**40, "not as one of 2 classes"),
        (("a", "b"), 0.9, r"as 0\.9, and not as int32 \[\]"),
        (("a", "b"), [0], r"as \[0\], and not as int32 \[\]"),
    ],
)
def test_a_target_is_what_the_targets_say(names, target, message):
    """One number, broadcast against a batch of them, trained on a loss that was none."""
    with pytest.raises(DataError, match=rf"^here: Aiming encodes its target .*{message}"):
        encoded_target(Aiming(names=names), Example(np.ones((3, 2)), target, "here"))


def test_a_target_has_the_dtype_of_its_kind():
    values = encoded_target(Aiming(), Example(np.ones((3, 2)), [1, 2], "here"))
    assert (values.dtype, values.tolist()) == (np.float32, [1.0, 2.0])
    index = encoded_target(Aiming(names=("a", "b")), Example(np.ones((3, 2)), 1, "here"))
    assert (index.dtype, index.tolist()) == (np.int32, 1)


@pytest.mark.parametrize(
    "values",
    [
        np.ones((3, 2)) * 1j,
        np.ma.masked_equal(np.ones((3, 2)), 1),
        np.zeros((3, 2), "datetime64[s]"),
        [["1", "two"]],
    ],
    ids=["complex", "masked", "dates", "words"],
)
def test_steps_are_of_real_numbers(values):
    with pytest.raises(DataError, match=r"^here: expected numbers \[time, 2\]"):
        as_steps(values, "here", Features(2))
    whole = as_steps(np.array([[1, 2.5]], object), "here", Features(2))
    assert whole.dtype == np.float32


@pytest.mark.usefixtures("unannotated")
@pytest.mark.parametrize("kind", [Features, Tokens, Values])
@pytest.mark.parametrize("size", [0, -1, 2.5, "3", True])
def test_a_size_is_a_whole_number(kind, size):
    with pytest.raises(DataError, match=f"^the size of {kind.__name__} is a whole number of at"):
        kind(size)


@pytest.mark.usefixtures("unannotated")
@pytest.mark.parametrize("names", ["ab", (0, 1), ["a", "b"]])
def test_the_names_of_classes_are_texts(names):
    with pytest.raises(DataError, match="the names of classes are a tuple of texts"):
        Classes(names)


@dataclasses.dataclass(frozen=True)
class Given(LabelledSource):
    """Gives what it is told to."""

    what: Any = ()

    def examples(self, split):
        return self.what


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (None, "Given.examples must yield examples, and gives a NoneType"),
        ([(1, 2)], r"Given.examples must yield Example\(...\), and gives a tuple"),
        ([Example(1, 3, "here")], "here: the name of a class is text, not 3"),
        ([Example(1, ["a"], "here")], r"here: the name of a class is text, not \['a'\]"),
    ],
    ids=["nothing", "tuples", "numbers", "lists"],
)
def test_what_a_source_gives_is_examples(what, message):
    with pytest.raises(DataError, match=f"^{message}$"):
        Given(what).class_names()


def test_what_is_encoded_has_the_dtype_of_its_kind():
    found = encoded(Encoding(), Example(Encoded(np.ones((3, 2)), 4), 0, "here"))
    assert (found.inputs.dtype, found.dropped) == (np.float32, 4)
    ids = encoded(EncodingTokens(), Example(Encoded(np.array([0, 8])), 0, "here"))
    assert ids.inputs.dtype == np.int32
