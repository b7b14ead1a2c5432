"""The vocabulary of labelled texts, their classes, and what tells data apart."""

import dataclasses
from typing import Any

import pytest

from lstm_jax.data import Vocabulary
from lstm_jax.data.base import in_order
from lstm_jax.errors import ConfigError, DataError
from tests.data.sources import LabelledDocuments
from tests.data.test_labelled import CLASSES, TRAIN, VALIDATION, texts


def test_classes_that_are_numbers_are_in_the_order_of_their_values():
    for labels in (range(12), [-1, 0.5, 2, 10]):
        source = LabelledDocuments(tuple((f"text {x}", str(x)) for x in sorted(labels, key=str)))
        assert texts(source).build_vocabulary().classes == tuple(map(str, labels))
    assert in_order(["b", "10", "9"]) == ("10", "9", "b")


def test_rules_of_before_are_a_part_of_the_config():
    source = LabelledDocuments((("कि की", "2"), ("a", "10"), ("b", "1")))
    now, before = (texts(source, tokens="prose", rules=rules) for rules in (2, 1))
    assert "कि" in now.build_vocabulary().tokens
    assert before.build_vocabulary() == dataclasses.replace(
        Vocabulary.build(source.documents("train"), "prose", rules=1), classes=("1", "2", "10")
    )
    assert in_order(["2", "10", "1"], "text") == ("1", "10", "2")
    for wrong in (0, 3):
        with pytest.raises(ConfigError, match=f"numbered from 1 to 2, not {wrong}"):
            texts(source, rules=wrong)


def test_the_vocabulary_is_that_of_the_training_texts_and_has_the_classes():
    vocabulary = texts(max_vocabulary=5).build_vocabulary()
    assert (
        set(vocabulary.tokens) == {"good", "bad", "dull", "<eos>", "<unk>"} or len(vocabulary) == 5
    )
    assert vocabulary.classes == CLASSES
    assert "22" in texts().build_vocabulary().tokens
    assert texts(min_count=2).build_vocabulary().unknown is not None
    assert "22" not in texts(min_count=2).build_vocabulary().tokens


def test_the_tokens_of_a_given_vocabulary_are_taken():
    given = Vocabulary(("fun", "<unk>", "3", "<eos>"), "words")
    vocabulary = texts().build_vocabulary(given)
    assert vocabulary == dataclasses.replace(given, classes=CLASSES)
    assert texts().open(vocabulary).evaluation("test")[0].inputs[:, 0].tolist() == [3, 2, 0]
    of_bytes = Vocabulary.build([], "bytes")
    message = "the config's tokens are words, but the vocabulary is of bytes"
    for use in (texts().build_vocabulary, texts().open):
        with pytest.raises(DataError) as caught:
            use(of_bytes)
        assert str(caught.value) == message


def test_the_digest_changes_with_what_is_learned():
    vocabulary = texts().build_vocabulary()

    def digest(train: Any = TRAIN, validation: Any = VALIDATION, **options: Any) -> str:
        source = LabelledDocuments(tuple(train), tuple(validation))
        return texts(source, **options).open(vocabulary).digest

    (text, label), *rest = TRAIN
    assert digest() == digest(batch_size=9, groups=1)
    different = [
        digest(),
        digest([(f"{text} good", label), *rest]),
        digest([(text, "neg" if label == "pos" else "pos"), *rest]),
        digest(TRAIN[::-1]),
        digest(TRAIN[:-1]),
        digest(TRAIN[:-1], [TRAIN[-1], *VALIDATION]),
        digest(validation=VALIDATION[1:]),
        digest(max_length=10),
        digest(max_length=10, trim="head"),
    ]
    assert len(set(different)) == len(different)
