"""Text becomes ids and comes back; a vocabulary is saved, identified and checked."""

import json
import random
import time
from typing import get_args

import numpy as np
import pytest

from lstm_jax.config.saved import from_json, to_json
from lstm_jax.data.text.tokenization import Unit
from lstm_jax.data.text.vocabulary import Vocabulary
from lstm_jax.errors import ConfigError, DataError, UserError

TEXT = "to be or\nnot to be\n"


def test_words_are_ordered_by_count_and_then_by_code_point():
    vocabulary = Vocabulary.build([TEXT, "zebra Or\n"], "words")
    assert vocabulary.tokens == ("<eos>", "be", "to", "Or", "not", "or", "zebra", "<unk>")


def test_characters_are_ordered_by_count_and_then_by_code_point():
    assert Vocabulary.build(["bab\nc"], "characters").tokens == ("b", "\n", "a", "c", "<unk>")


def test_the_order_of_documents_does_not_matter():
    documents = ["a b c\n", "c d\n", "e e b\n"]
    built = {Vocabulary.build(random.sample(documents, 3), "words") for _ in range(10)}
    assert len(built) == 1


def test_special_words_keep_their_place_where_the_text_has_them():
    vocabulary = Vocabulary.build(["<unk> <unk> a a a b\n\n\n\n"], "words")
    assert vocabulary.tokens == ("<eos>", "a", "<unk>", "b")
    assert vocabulary.unknown == 2
    assert Vocabulary.build(["no line end"], "words").tokens == (
        *("end", "line", "no", "<eos>", "<unk>"),
    )


def test_limits():
    text = ["a a a a b b b c c d\n"]
    assert Vocabulary.build(text, "words", max_size=4).tokens == ("a", "b", "<eos>", "<unk>")
    assert Vocabulary.build(text, "words", min_count=3).tokens == ("a", "b", "<eos>", "<unk>")
    assert Vocabulary.build(text, "words", max_size=99).tokens == (
        *("a", "b", "c", "<eos>", "d", "<unk>"),
    )
    assert Vocabulary.build(["d b c a"], "words", max_size=4).tokens == (
        *("a", "b", "<eos>", "<unk>"),
    )
    assert Vocabulary.build(["aab"], "characters", max_size=2).tokens == ("a", "<unk>")


def test_an_impossible_limit():
    with pytest.raises(ConfigError, match="cannot be limited to 2"):
        Vocabulary.build([TEXT], "words", max_size=2)
    with pytest.raises(ConfigError, match="always has 256"):
        Vocabulary.build([TEXT], "bytes", max_size=100)
    with pytest.raises(ConfigError, match="always has 256"):
        Vocabulary.build([TEXT], "bytes", min_count=2)


@pytest.mark.parametrize("unit", ["words", "characters"])
def test_no_text(unit: Unit):
    with pytest.raises(DataError, match="the training text is empty"):
        Vocabulary.build(["", ""], unit)


def test_encode_words():
    vocabulary = Vocabulary(("<eos>", "<unk>", "to", "be"), "words")
    ids = vocabulary.encode("to  be\tor\n\nto")
    assert ids.dtype == np.int32
    assert ids.tolist() == [2, 3, 1, 0, 0, 2]
    assert vocabulary.encode("").shape == (0,)


def test_decode_words():
    vocabulary = Vocabulary(("<eos>", "<unk>", "to", "be"), "words")
    assert vocabulary.decode([2, 3, 0, 0, 1, 2]) == "to be\n\n<unk> to"
    assert vocabulary.decode(vocabulary.encode("to be\nto\n")) == "to be\nto\n"
    assert vocabulary.decode([]) == ""


@pytest.mark.parametrize("unit", ["characters", "bytes"])
def test_characters_and_bytes_come_back_exactly(unit: Unit):
    text = "Å täst\t— 日本\n\n\x00 \U0001f600 end"
    vocabulary = Vocabulary.build([text], unit)
    assert vocabulary.decode(vocabulary.encode(text)) == text


def test_an_unknown_character():
    vocabulary = Vocabulary.build(["abc"], "characters")
    ids = vocabulary.encode("aéb\U0001f600")
    assert ids.tolist() == [0, 3, 1, 3]
    assert vocabulary.decode(ids) == "a\ufffdb\ufffd"


def test_bytes():
    vocabulary = Vocabulary.build([], "bytes")
    assert len(vocabulary) == 256
    assert vocabulary.unknown is None
    assert vocabulary.encode("é\n").tolist() == [0xC3, 0xA9, 10]
    assert vocabulary.decode([0xC3, 65]) == "\ufffdA"


def test_text_with_half_of_a_surrogate_pair_is_encoded_too():
    assert Vocabulary.build(["a"], "characters").encode("a\ud800").tolist() == [0, 1]
    assert Vocabulary.build([], "bytes").encode("a\ud800").tolist() == [97, 63]


@pytest.mark.parametrize("ids", [[3], [-1], [0, 99]])
def test_an_id_outside_the_vocabulary(ids):
    vocabulary = Vocabulary(("<eos>", "<unk>", "to"), "words")
    with pytest.raises(DataError, match="from 0 to 2"):
        vocabulary.decode(ids)


def test_start_is_the_end_of_a_line():
    assert Vocabulary(("a", "<eos>", "<unk>"), "words").start == 1
    assert Vocabulary(("a", "b", "\n", "<unk>"), "characters").start == 2
    assert Vocabulary(("a", "b", "<unk>"), "characters").start == 0
    assert Vocabulary.build([], "bytes").start == 10


@pytest.mark.parametrize("unit", ["words", "characters", "bytes"])
def test_json_and_back(unit: Unit):
    vocabulary = Vocabulary.build([TEXT, "日本 \ud800\n"], unit)
    text = to_json(vocabulary)
    assert from_json(text) == vocabulary
    text.encode("ascii")  # so that any file can hold it


# ---- prose and subwords -------------------------------------------------------------------------


def test_prose_is_counted_as_it_is_read():
    vocabulary = Vocabulary.build(["Good, GOOD good.\n<br />Isn\u2019t"], "prose", max_size=5)
    assert vocabulary.tokens == ("good", ",", ".", "<eos>", "<unk>")
    assert vocabulary.decode(vocabulary.encode("So GOOD, good!\nbad")) == (
        "<unk> good, good <unk>\n<unk>"
    )


def test_a_vocabulary_of_before_goes_on_reading_as_it_did():
    text = "कि cafe\u0301"
    now, before = (Vocabulary.build([text], "prose", rules=rules) for rules in (2, 1))
    assert now.decode(now.encode(text)) == "कि café"
    again = from_json(to_json(before))
    assert again == before != now == from_json(to_json(now))
    assert len(again.encode(text)) == len(again.spans(text)) == 4
    assert len(now.encode(text)) == len(now.spans(text)) == 2
    # Only prose has rules: what others saved is what they save today.
    assert Vocabulary.build([text], "words", rules=1) == Vocabulary.build([text], "words")


def test_subwords_have_every_byte_and_as_many_tokens_as_there_may_be():
    vocabulary = Vocabulary.build([TEXT * 3], "subwords", max_size=260)
    assert len(vocabulary) == 260
    assert len(vocabulary.merges) == 4
    assert vocabulary.unknown is None
    assert vocabulary.decode([vocabulary.start]) == "\n"
    assert vocabulary.encode("\n").tolist() == [vocabulary.start]
    assert vocabulary.encode("").tolist() == []
    again = from_json(to_json(vocabulary))
    assert again == vocabulary
    assert again.decode(vocabulary.encode("日\n")) == "日\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_size": 256}, "a vocabulary of subwords cannot be limited to 256 tokens"),
        (
            {"min_count": 9},
            "cannot build a vocabulary: the training text is empty, or has no two bytes beside "
            "each other 9 times",
        ),
    ],
    ids=str,
)
def test_subwords_that_cannot_be(options, message):
    with pytest.raises(UserError) as caught:
        Vocabulary.build([TEXT], "subwords", **options)
    assert str(caught.value) == message


@pytest.mark.parametrize("unit", get_args(Unit))
def test_spans_are_those_of_the_tokens(unit: Unit):
    texts = ["It isn't bad...<br /> Ünlü 日本 \U0001f600!\nno", "", " \n\n ", "half \ud800 pair"]
    vocabulary = Vocabulary.build(texts[:1], unit)
    for text in texts:
        ids, spans = vocabulary.encode(text), vocabulary.spans(text)
        assert len(spans) == len(ids)
        assert all(0 <= begin < end <= len(text) for begin, end in spans)
        if unit not in ("bytes", "subwords"):
            # A token by itself is read as it is within the text.
            parts = [vocabulary.encode(text[begin:end]).tolist() for begin, end in spans]
            assert parts == [[token] for token in ids.tolist()]
        elif unit == "bytes":
            assert [begin for begin, _ in spans] == sorted(begin for begin, _ in spans)
            assert {text[begin:end] for begin, end in spans} == set(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens": "abc"}, "tokens: expected tuple"),
        ({"tokens": ["a", 3, "<unk>"]}, "tokens: expected tuple"),
        ({"tokens": ["a", "a", "<unk>"]}, "occurs twice"),
        ({"unit": "bytes"}, "256 bytes"),
        ({"unit": "syllables"}, "unit: expected Literal"),
        ({"rules": 3}, "knows no rules 3 of cutting prose"),
    ],
    ids=str,
)
def test_a_saved_vocabulary_that_is_none(change, message):
    saved = json.loads(to_json(Vocabulary.build([TEXT], "prose")))
    with pytest.raises(ConfigError, match=message) as caught:
        from_json(json.dumps(saved | change))
    assert "\n" not in str(caught.value)


def test_encoding_is_fast():
    text = "the quick brown fox jumps over the lazy dog\n" * 20_000
    limits: dict[Unit, float] = {"words": 1.0, "characters": 0.2, "bytes": 0.2}
    for unit, seconds in limits.items():
        vocabulary = Vocabulary.build([text[:1000]], unit)
        vocabulary.encode("x")
        start = time.perf_counter()
        vocabulary.encode(text)
        assert time.perf_counter() - start < seconds
