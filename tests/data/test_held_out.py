"""Which texts are held out."""

import random

import pytest

from lstm_jax.data.held_out import (
    Comparison,
    check_share,
    nested_split_of,
    position,
    split_of,
    words,
)
from lstm_jax.data.tables import read_texts
from lstm_jax.errors import ConfigError
from tests.data.sources import real_data


def padded(text: str, by: Comparison = "text") -> str:
    return " " + " ".join(words(text, by)) + " "


def test_the_positions_by_text():
    """The same on every machine and in every version, so that results can be compared."""
    assert position("A great film!") == 0.46423489087579095
    assert position("") == 0.8894159948913373
    # Where words alone are compared, which is how the first version held texts out.
    assert position("A great film!", "words") == 0.46423489087579095
    assert position("", "words") == position("...", "words") == 0.8894159948913373


@pytest.mark.parametrize(
    "same",
    ["A  great\tfilm.", "a great film", "A GREAT FILM!", "«A great» film", "(a great film) ..."],
)
def test_case_punctuation_and_space_do_not_count(same):
    assert position(same) == position("A great film")
    assert position(same, "words") == position("A great film")


def test_composed_and_decomposed_characters_are_the_same():
    assert position("Caf\u00e9") == position("cafe\u0301")
    assert words("don\u2019t \u2014 really") == words("don't really") == words("DON'T\u2014really!")
    assert words("\u1e69") == words("s\u0307\u0323") == ("\u1e69",)


DIFFERENT = {
    "emoji": ["😀", "🎉", ":(", ":)", "...", "!!!", "", "👍🏽", "👍", "I 😀", "I 🎉"],
    "numbers": ["it is -5", "it is 5", "it is .5", "5 - it is"],
    "emoticons": ["x :D", "x D", "x :3", "x 3", "x ;-)", "x :-)"],
    "symbols": ["C++ rocks", "C# rocks", "C rocks", "50% of 3", "50 of 3", "1 + 1", "1 - 1 = 1"],
    "marks": ["कि", "की", "का", "क", "ที่", "ที", "שָׁלוֹם", "שלום", "cafe", "café"],
    "words": ["good", "good film", "film good", "goodfilm"],
}


@pytest.mark.parametrize("texts", DIFFERENT.values(), ids=DIFFERENT)
def test_different_texts_are_different(texts):
    assert len(set(map(words, texts))) == len(set(map(position, texts))) == len(texts)


def test_texts_without_a_word_are_held_out_like_others():
    """300 texts of emoji were too few: all of them counted as one."""
    texts = {chr(0x1F300 + i // 20) + chr(0x1F600 + i % 20) for i in range(300)}
    for split in (lambda text: split_of(text, 0.2, 0.2), nested_split_of(texts, 0.2, 0.2)):
        splits = [split(text) for text in texts]
        assert min(map(splits.count, ("train", "validation", "test"))) > 30


def test_shares():
    splits = [split_of(f"text {number}", validation=0.2, test=0.1) for number in range(4000)]
    counts = {name: splits.count(name) / 4000 for name in ("train", "validation", "test")}
    assert counts == pytest.approx({"train": 0.7, "validation": 0.2, "test": 0.1}, abs=0.02)


def test_one_share_does_not_move_the_other_split():
    texts = [f"text {number}" for number in range(1000)]

    def held_out(name: str, validation: float, test: float) -> set[str]:
        return {text for text in texts if split_of(text, validation, test) == name}

    assert held_out("validation", 0.1, 0.0) == held_out("validation", 0.1, 0.3)
    assert held_out("test", 0.0, 0.1) == held_out("test", 0.3, 0.1)
    assert held_out("validation", 0.1, 0.0) < held_out("validation", 0.2, 0.0)


@pytest.mark.parametrize("share", [0.0, -0.1, 0.5, float("nan")])
def test_a_share_that_makes_no_sense(share):
    with pytest.raises(ConfigError) as raised:
        check_share("held_out", share)
    assert str(raised.value) == f"held_out must be above 0 and below 0.5, got {share}"


class TestNested:
    def test_parts_go_with_their_whole(self):
        wholes = [f"the film number {number} is a very good one" for number in range(50)]
        parts = [f"number {number} is a very good" for number in range(50)]
        parts += [f"film number {number}" for number in range(50)]
        parts += [str(number) for number in range(50)]
        split = nested_split_of(parts + wholes, validation=0.3, test=0.3)
        for number, whole in enumerate(wholes):
            assert split(whole) == split_of(whole, 0.3, 0.3)
            assert {split(part) for part in parts[number::50]} == {split(whole)}

    def test_a_part_of_several_goes_with_the_first_split(self):
        by_split = {}
        for number in range(100):
            text = f"a good film {number}"
            by_split.setdefault(split_of(text, 0.3, 0.3), text)
        train, validation, test = (by_split[name] for name in ("train", "validation", "test"))
        for wholes, expected in (
            ([test, validation, train], "train"),
            ([validation, test], "validation"),
            ([test], "test"),
        ):
            for texts in (wholes, wholes[::-1]):
                assert nested_split_of(["good film", *texts], 0.3, 0.3)("Good film.") == expected

    def test_by_definition(self):
        """Random texts of few words, so that many stand within others, in several of them."""
        random_ = random.Random(0)
        texts = [" ".join(random_.choices("abc", k=random_.randint(0, 9))) for _ in range(90)]
        split = nested_split_of(texts, validation=0.3, test=0.3)
        as_compared = {text: padded(text) for text in texts}

        def stands_within(one: str, other: str) -> bool:
            part, whole = as_compared[one], as_compared[other]
            return part in whole and part != whole

        for text in texts:
            wholes = [other for other in texts if stands_within(text, other)]
            tops = [one for one in wholes if not any(stands_within(one, x) for x in wholes)]
            found = {split_of(top, 0.3, 0.3) for top in tops if words(text)} or {
                split_of(text, 0.3, 0.3)
            }
            expected = next(name for name in ("train", "validation", "test") if name in found)
            assert split(text) == expected, text

    def test_no_held_out_phrase_of_sst2_stands_in_training(self, unannotated):
        texts = list(read_texts(str(real_data("sst2_glue") / "train.tsv"), "sentence"))
        # All of it by the rule of the published split alone: looking for phrases takes seconds.
        parts: dict[Comparison, tuple[list[str], list[int]]] = {
            "words": (texts, [62_350, 4_999]),
            "text": (texts[:10_000], [9175, 825]),
        }
        for by, (part, sizes) in parts.items():
            split = nested_split_of(part, validation=0.08, by=by)
            by_split = {"train": [], "validation": []}
            for text in part:
                by_split[split(text)].append(padded(text, by))
            assert list(map(len, by_split.values())) == sizes
            training = "\n".join(by_split["train"])
            assert not [phrase for phrase in by_split["validation"][::10] if phrase in training]
