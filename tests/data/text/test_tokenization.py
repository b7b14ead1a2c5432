"""Real text is cut into tokens, each of which stands somewhere in it."""

import random
import sys
import time
import unicodedata

import pytest

from lstm_jax.data.text import tokenization
from lstm_jax.data.text.tokenization import (
    NEWLINE_BYTE,
    Subwords,
    Unit,
    join,
    learn_subwords,
    spans,
)
from lstm_jax.data.text.tokenization import split as cut
from lstm_jax.errors import UserError

REVIEW = """\
"Café Noir" (1942) isn't bad -- it's GREAT!!! I'd give it 10/10...<br /><br />Don\u2019t miss it, \
you'll_see: naïve, 7.5 stars \u2013 a must \U0001f600\U0001f600; so-so?\tNo.\n\nThe end\r\n"""
ALPHABET = (
    "nNt'\u2019sdmlrve \n\t_.-<>br/10,é\U0001f600\u0301\u200d\U0001f1e9\u0907\u093f\x1c\u3000İ"
)


def random_texts() -> list[str]:
    draw = random.Random(0)
    return ["".join(draw.choices(ALPHABET, k=draw.randrange(40))) for _ in range(2000)]


TEXTS = [REVIEW, "", " \t ", "\n", "'", "n't", *random_texts()]


# ---- words and prose ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("A Great film", "a great film"),
        ("I don't, can\u2019t, WON'T", "i do n't , ca n't , wo n't"),
        ("it's I\u2019m he'd we're they've you'll", "it 's i 'm he 'd we 're they 've you 'll"),
        ("the dogs' 'so called' rock'n'roll", "the dogs ' ' so called ' rock ' n ' roll"),
        ("it's'sad", "it 's ' sad"),
        ("n't n'ts", "n't n ' ts"),
        ("a<br />b<br/>c<br>d<BR  />e< br>", "a <br> b <br> c <br> d <br> e < br >"),
        ("a<b>b</b> </br>", "a < b > b < / b > < / br >"),
        ("well... no.. . end.", "well ... no ... . end ."),
        ("this--that---yes - so-so \u2013 no", "this -- that -- yes - so - so \u2013 no"),
        ("10/10, 7.5 of 1,000 $5 3rd", "10 / 10 , 7 . 5 of 1 , 000 $ 5 3rd"),
        ("CAFÉ naïve Ünlü 日本", "café naïve ünlü 日本"),
        ("one\n\ntwo\r\nthree\n", "one <eos> <eos> two <eos> three <eos>"),
        ("\U0001f600\U0001f600!? (ok)", "\U0001f600 \U0001f600 ! ? ( ok )"),
        ("_very_ good", "_very_ good"),
        ("<unk> <eos>", "< unk > < eos >"),
        ("\u3000a\u2028b\x1cc", "a b c"),
        ("", ""),
    ],
)
def test_prose(text, tokens):
    assert cut(text, "prose") == tokens.split()


@pytest.mark.parametrize(
    "text",
    [
        "हिन्दी में पानी की कमी",
        "ที่นี่ ดี",
        "مُحَمَّدٌ قالَ",
        "שָׁלוֹם עוֹלָם",
        "café naïve über",
        "नि\u200dया क्\u200cष co\u00adoperate",
        "👨\u200d👩\u200d👧 👍🏽 🇩🇪 ❤\ufe0f 1\ufe0f\u20e3 🏴\U000e0067\U000e0062\U000e007f",
    ],
    ids=["Hindi", "Thai", "Arabic", "Hebrew", "accents", "joiners", "emoji"],
)
def test_what_is_one_for_a_reader_is_one_token(text):
    for form in ("NFC", "NFD"):
        tokens = cut(unicodedata.normalize(form, text), "cased_prose")
        assert tokens == [unicodedata.normalize("NFC", one) for one in text.split()]
        assert cut(join(tokens, "prose"), "prose") == tokens


def test_what_belongs_together_and_what_does_not():
    assert cut("कि, 🎉🎉! 🇩🇪🇫🇷 CAFE\u0301n\u2019t \u0301 :(", "prose") == (
        ["कि", ",", "🎉", "🎉", "!", "🇩🇪", "🇫🇷", "café", "n't", "́", ":", "("]
    )


def test_the_first_rules_are_still_there():
    """By which vocabularies of before read; in text without marks there is no difference."""
    assert cut("कि cafe\u0301", "prose", rules=1) == ["क", "ि", "cafe", "\u0301"]
    plain = unicodedata.normalize("NFC", REVIEW)
    for unit in ("prose", "cased_prose"):
        assert cut(plain, unit, rules=1) == cut(plain, unit)
        assert spans(plain, unit, rules=1) == spans(plain, unit)


def test_cased_prose_keeps_case_and_nothing_else():
    text = "I DON\u2019T<BR/>Care--\nÉcole.."
    assert cut(text, "cased_prose") == [
        *("I", "DO", "N'T", "<br>", "Care", "--", "<eos>", "École", "..."),
    ]
    assert [t.lower() for t in cut(REVIEW, "cased_prose")] == cut(REVIEW, "prose")


def test_words_are_what_white_space_separates():
    assert cut(" Don't  stop.\n<br />\tA\u3000b\x1c\n", "words") == [
        *("Don't", "stop.", "<eos>", "<br", "/>", "A", "b", "<eos>"),
    ]


@pytest.mark.parametrize("unit", ["words", "prose", "cased_prose"])
def test_every_token_stands_in_the_text_and_nothing_is_lost(unit: Unit):
    for text in TEXTS:
        tokens, places = cut(text, unit), spans(text, unit)
        assert [cut(text[a:b], unit) for a, b in places] == [[token] for token in tokens]
        ends = [0, *(end for _, end in places)]
        begins = [*(begin for begin, _ in places), len(text)]
        for end, begin in zip(ends, begins, strict=True):
            assert end <= begin
            assert not text[end:begin].strip()
            assert "\n" not in text[end:begin]


def test_long_text_is_cut_in_linear_time():
    # It would take minutes if the pattern went back and forth in them.
    start = time.perf_counter()
    texts = ["n" * 200_000, "." * 200_000, "<br" + " " * 200_000, "n'" * 10_000]
    texts += ["n\u0301" * 100_000, "\u0301" * 200_000, "🎉\u200d" * 100_000, "é\u00ad" * 100_000]
    for text in texts:
        assert len(spans(text, "prose")) <= 20_000
    assert time.perf_counter() - start < 3


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        ("prose", "it isn't bad, is it? (no; it's the best: 9!) [so]\n\nyou'll see..."),
        ("cased_prose", "It ISN'T bad, I'D say."),
        ("words", "it isn't , so\n\nthe end\n"),
        ("prose", ""),
    ],
)
def test_joined_tokens_are_readable(unit, text):
    assert join(cut(text, unit), unit) == text


# ---- subwords -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def subwords() -> Subwords:
    return Subwords(*learn_subwords(["the cat sat on the mat\n" * 5, "it isn't"], 300, 1))


def test_any_text_comes_back_from_subwords_exactly(subwords):
    unseen = "\x00 \x7f\r\n\n\n  日本 \U0001f600 Ġ <|endoftext|> \u0301"
    for text in (*TEXTS, unseen):
        assert subwords.decode(subwords.encode(text).tolist()) == text
    assert len(subwords.encode("the cat")) == 2


def test_subwords_stand_where_their_bytes_are(subwords):
    text = "the cat\n日 isn't"
    ids, places = subwords.encode(text), subwords.spans(text)
    assert len(ids) == len(places)
    # The newline is a token of its own; 日 is three bytes in one place.
    written = [text[a:b] for a, b in places]
    assert written == ["the", " cat", "\n", *["日"] * 3, " isn", "'t"]
    for token, part in zip(ids, written, strict=True):
        assert part == "日" or subwords.decode([int(token)]) == part


def test_subwords_are_learned_alike_whatever_the_order_of_the_documents():
    draw = random.Random(1)
    documents = ["".join(draw.choices("abcd ", k=60)) for _ in range(30)]  # many ties
    learned = {learn_subwords(draw.sample(documents, 30), 400, 1) for _ in range(10)}
    assert len(learned) == 1
    tokens, merges = learned.pop()
    assert len(tokens) == 256 + len(merges) == 400
    assert tokens[256:] == tuple(merge.replace(" ", "") for merge in merges)
    assert NEWLINE_BYTE in tokens[:256]


def test_rare_pairs_are_not_merged():
    assert learn_subwords(["ab ab cd"], 300, 2)[1] == ("a b",)


def test_halves_of_surrogate_pairs_become_question_marks(subwords):
    assert subwords.decode(subwords.encode("a\ud800 b").tolist()) == "a? b"
    assert subwords.spans("a\ud800 b") == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert learn_subwords(["\ud800\udc00"], 300, 1)[1] == ("? ?",)


def test_the_package_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    install = "PIP_CONSTRAINT=constraints.txt pip install -e '.[subwords]'"
    message = f"subwords need the package tokenizers: {install}"
    for use in (lambda: learn_subwords(["a"], 300, 1), lambda: Subwords(("a",), ())):
        with pytest.raises(UserError) as caught:
            use()
        assert str(caught.value) == message
    assert tokenization.split("not needed", "prose") == ["not", "needed"]
