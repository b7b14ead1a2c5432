"""The vocabulary of labelled texts, their classes, and what tells data apart."""

from typing import Any

import pytest

from lstm_jax.data import LabelledTextPreprocessor, TextPreprocessor, TextWindows, Vocabulary
from lstm_jax.data.sources import in_order
from lstm_jax.data.text.documents import texts_of
from lstm_jax.errors import ConfigError, DataError
from tests.data.sources import LabelledDocuments
from tests.data.test_labelled import CLASSES, SOURCE, TRAIN, VALIDATION, texts


def test_classes_that_are_numbers_are_in_the_order_of_their_values():
    for labels in (range(12), [-1, 0.5, 2, 10]):
        source = LabelledDocuments(tuple((f"text {x}", str(x)) for x in sorted(labels, key=str)))
        assert texts(source).fit().classes == tuple(map(str, labels))
    assert in_order(["b", "10", "9"]) == ("10", "9", "b")


def test_rules_of_before_are_a_part_of_the_config():
    source = LabelledDocuments((("कि की", "2"), ("a", "10"), ("b", "1")))
    now, before = (texts(source, tokens="prose", rules=rules) for rules in (2, 1))
    assert "कि" in now.fit().vocabulary.tokens
    vocabulary = Vocabulary.build(texts_of(source, "train"), "prose", rules=1)
    assert before.fit() == LabelledTextPreprocessor(vocabulary, ("1", "2", "10"))
    assert in_order(["2", "10", "1"], "text") == ("1", "10", "2")
    for wrong in (0, 3):
        with pytest.raises(ConfigError, match=f"numbered from 1 to 2, not {wrong}"):
            texts(source, rules=wrong)


def test_the_vocabulary_is_that_of_the_training_texts_and_has_the_classes():
    preprocessor = texts(max_vocabulary=5).fit()
    assert len(preprocessor.vocabulary) == preprocessor.inputs.size == 5
    assert preprocessor.classes == preprocessor.targets.names == CLASSES
    assert preprocessor.decode([1, 0]) == [CLASSES[1], CLASSES[0]]
    assert "22" in texts().fit().vocabulary.tokens
    rare = texts(min_count=2).fit().vocabulary
    assert rare.unknown is not None
    assert "22" not in rare.tokens


def test_the_tokens_of_a_given_vocabulary_are_taken():
    given = TextPreprocessor(Vocabulary(("fun", "<unk>", "3", "<eos>"), "words"))
    preprocessor = texts().fit(given)
    assert preprocessor == LabelledTextPreprocessor(given.vocabulary, CLASSES)
    assert texts().open(preprocessor).evaluation("test")[0].inputs[:, 0].tolist() == [3, 2, 0]
    with pytest.raises(ConfigError, match="max_vocabulary and min_count have no say"):
        texts(min_count=2).fit(given)
    of_bytes = LabelledTextPreprocessor(Vocabulary.build([], "bytes"), CLASSES)
    message = "the config's tokens are words, but the vocabulary is of bytes"
    for use in (texts().fit, texts().open):
        with pytest.raises(DataError) as caught:
            use(of_bytes)
        assert str(caught.value) == message


def test_a_preprocessor_of_another_kind_is_refused():
    with pytest.raises(DataError, match="not read by a TextPreprocessor"):
        texts().open(TextPreprocessor(Vocabulary.build([], "bytes")))
    with pytest.raises(DataError, match="a text is not read by a LabelledTextPreprocessor"):
        TextWindows(SOURCE).open(texts().fit())


def test_the_digest_changes_with_what_is_learned():
    preprocessor = texts().fit()

    def digest(train: Any = TRAIN, validation: Any = VALIDATION, **options: Any) -> str:
        source = LabelledDocuments(tuple(train), tuple(validation))
        return texts(source, **options).open(preprocessor).digest

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
