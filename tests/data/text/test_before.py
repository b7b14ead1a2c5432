"""What `vocabulary.json` of earlier runs held."""

import json

import pytest

from lstm_jax.data.text.before import read_vocabulary
from lstm_jax.data.text.vocabulary import Vocabulary
from lstm_jax.errors import DataError


def test_a_file_of_before():
    tokens = ["a", "b", "<unk>", "<eos>"]
    plain, none = read_vocabulary(json.dumps({"unit": "words", "tokens": tokens}))
    assert (plain, none) == (Vocabulary(tuple(tokens), "words"), ())
    content = {"unit": "prose", "tokens": tokens, "classes": ["x", "y"]}
    first, classes = read_vocabulary(json.dumps(content))
    assert (first, classes) == (Vocabulary(tuple(tokens), "prose", rules=1), ("x", "y"))
    second, _ = read_vocabulary(json.dumps(content | {"rules": 2}))
    assert second == Vocabulary(tuple(tokens), "prose")
    letters = [*map(chr, range(256)), "ab"]
    merged = {"unit": "subwords", "tokens": letters, "merges": ["a b"]}
    assert read_vocabulary(json.dumps(merged))[0].merges == ("a b",)


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
        ('{"unit": "syllables", "tokens": ["a"]}', "one of words, prose"),
        ('{"unit": [], "tokens": ["a"]}', "one of words, prose"),
        ('{"unit": "characters", "tokens": ["ab", "<unk>"]}', "longer than one character"),
        ('{"unit": "bytes", "tokens": ["a"]}', "256 bytes"),
        ('{"unit": "subwords", "tokens": ["a"]}', "lacks some of the 256 bytes"),
        ('{"unit": "words", "tokens": ["<unk>"], "merges": ["a"]}', "a merge is not of two"),
        ('{"unit": "words", "tokens": ["<unk>"], "classes": 3}', "'classes' is not a list"),
        ('{"unit": "words", "tokens": ["<unk>"], "classes": [3]}', "'classes' holds something"),
        ('{"unit": "words", "tokens": ["<unk>"], "more": []}', "an object with the keys"),
        ('{"unit": "prose", "tokens": ["<unk>"], "rules": 3}', "knows no rules 3 of cutting prose"),
        ('{"unit": "prose", "tokens": ["<unk>"], "rules": []}', "knows no rules \\[\\]"),
    ],
)
def test_malformed_json(text, message):
    with pytest.raises(DataError, match=message) as caught:
        read_vocabulary(text)
    assert "\n" not in str(caught.value)


def test_bytes_in_another_order_are_refused():
    tokens = [chr(i) for i in reversed(range(256))]
    with pytest.raises(DataError, match="256 bytes in order"):
        read_vocabulary(json.dumps({"unit": "bytes", "tokens": tokens}))
