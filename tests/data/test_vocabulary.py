"""Text becomes ids and comes back; a vocabulary is saved, identified and checked."""

import json
import random
import time

import numpy as np
import pytest

from lstm_jax.data.vocabulary import Tokens, Vocabulary
from lstm_jax.errors import ConfigError, DataError

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
def test_no_text(unit: Tokens):
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
def test_characters_and_bytes_come_back_exactly(unit: Tokens):
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
def test_json_and_back(unit: Tokens):
    vocabulary = Vocabulary.build([TEXT, "日本 \ud800\n"], unit)
    again = Vocabulary.from_json(vocabulary.to_json())
    assert again == vocabulary
    assert again.digest == vocabulary.digest
    vocabulary.to_json().encode("ascii")  # so that any file can hold it


def test_the_digest_tells_vocabularies_apart():
    one = Vocabulary(("a", "b", "<unk>"), "words")
    assert one.digest != Vocabulary(("b", "a", "<unk>"), "words").digest
    assert one.digest != Vocabulary(("a", "b", "<unk>"), "characters").digest
    # Saved with every run: a change here makes every old run unreadable.
    assert one.digest == "792652337a4aa8f2c16feb2519fa95ae29eb5020eaaceceeb27106ffee1d4faf"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a vocabulary"),
        ("[1]", "an object with the keys"),
        ('{"unit": "words"}', "an object with the keys"),
        ('{"unit": "words", "tokens": "abc"}', "'tokens' is not a list"),
        ('{"unit": "words", "tokens": ["a", 3, "<unk>"]}', "not a string"),
        ('{"unit": "words", "tokens": ["a", "a", "<unk>"]}', "occurs twice"),
        ('{"unit": "words", "tokens": ["a"]}', "lacks <unk>"),
        ('{"unit": "syllables", "tokens": ["a"]}', "one of words, characters, bytes"),
        ('{"unit": [], "tokens": ["a"]}', "one of words, characters, bytes"),
        ('{"unit": "characters", "tokens": ["ab", "<unk>"]}', "longer than one character"),
        ('{"unit": "bytes", "tokens": ["a"]}', "256 bytes"),
    ],
)
def test_malformed_json(text, message):
    with pytest.raises(DataError, match=message) as caught:
        Vocabulary.from_json(text)
    assert "\n" not in str(caught.value)


def test_bytes_in_another_order_are_refused():
    content = json.loads(Vocabulary.build([], "bytes").to_json())
    content["tokens"].reverse()
    with pytest.raises(DataError, match="256 bytes in order"):
        Vocabulary.from_json(json.dumps(content))


def test_encoding_is_fast():
    text = "the quick brown fox jumps over the lazy dog\n" * 20_000
    limits: dict[Tokens, float] = {"words": 1.0, "characters": 0.2, "bytes": 0.2}
    for unit, seconds in limits.items():
        vocabulary = Vocabulary.build([text[:1000]], unit)
        vocabulary.encode("x")
        start = time.perf_counter()
        vocabulary.encode(text)
        assert time.perf_counter() - start < seconds
