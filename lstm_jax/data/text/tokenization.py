r"""How text is cut into tokens.

    words         what white space separates, as in text that was tokenized already
    prose         real text: words and punctuation in lower case, parted as Penn Treebank parts them
    cased_prose   the same in the case it was written in
    subwords      byte pairs merged by frequency (Sennrich et al. 2016), by the package tokenizers
    characters    Unicode characters
    bytes         bytes of UTF-8

A newline is the token `<eos>` among words and prose. The line break of web pages, `<br />`, is one
token of prose; a clitic is parted from its word (`don't` is `do n't`), dots and dashes in a row are
one token, every other character that is neither letter, digit nor underscore is one of its own. The
marks that combine with a character stay with it, and what is put together of several characters (a
letter and its accent, a flag, a family) is one, in Unicode's composed form (NFC).
"""

import functools
import json
import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

import numpy as np

from lstm_jax.errors import ConfigError, UserError

Unit = Literal["words", "prose", "cased_prose", "subwords", "characters", "bytes"]
"""What a token is."""

END_OF_LINE = "<eos>"
LINE_BREAK = "<br>"

NEWLINE_BYTE = "Ċ"
"""How a byte-level vocabulary writes a newline."""
RULES = 2
"""Today's rules of prose. Those of number 1, by which vocabularies of before go on reading, tore
words apart at combining marks."""
_WORDS = re.compile(r"\n|\S+")
_CLITIC = r"n['\u2019]t\b|['\u2019](?:s|m|d|re|ve|ll)\b"
_JOINERS = "\u00ad\u200c\u200d\u2060"
"""What may stand inside a word: soft hyphen, non-joiner (in Persian and Hindi), joiners."""
_SKIN_TONES = "\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f"
"""And the letters that follow the flag of a region."""


class Span(NamedTuple):
    """Where a token stands in its text: `text[begin:end]`."""

    begin: int
    end: int


def check_rules(rules: int) -> None:
    """Makes sure of a number of rules.

    Raises:
        ConfigError: there are none of this number.
    """
    if not 1 <= rules <= RULES:
        raise ConfigError(f"rules of cutting prose are numbered from 1 to {RULES}, not {rules}")


def split(text: str, unit: Unit, rules: int = RULES) -> list[str]:
    """The tokens of words or prose.

    >>> split("I don't like it...<br /><br />At ALL!", "prose")
    ['i', 'do', "n't", 'like', 'it', '...', '<br>', '<br>', 'at', 'all', '!']
    """
    return list(map(normalizer(unit, rules), written(text, unit, rules)))


def written(text: str, unit: Unit, rules: int = RULES) -> list[str]:
    """The tokens of words or prose as the text has them; `normalizer` says what they count as."""
    if unit == "words":
        return text.replace("\n", f" {END_OF_LINE} ").split()
    return _prose(text, rules).findall(text)


def spans(text: str, unit: Unit, rules: int = RULES) -> list[Span]:
    """Where the tokens of words or prose stand in a text.

    >>> [text[a:b] for text in ["Don't!"] for a, b in spans(text, "prose")]
    ['Do', "n't", '!']
    """
    pattern = _WORDS if unit == "words" else _prose(text, rules)
    return [Span(*match.span()) for match in pattern.finditer(text)]


def join(tokens: Iterable[str], unit: Unit) -> str:
    """The text of words or prose, without the spaces that stand before punctuation.

    >>> join(["it", "is", "n't", "bad", ",", "is", "it", "?"], "prose")
    "it isn't bad, is it?"
    """
    lines = " ".join(tokens).replace(END_OF_LINE, "\n")
    lines = lines.replace(" \n", "\n").replace("\n ", "\n")
    if unit != "words":
        closing = rf" ({_CLITIC}|[.,!?;:)\]}}]+)"
        lines = re.sub(closing, r"\1", lines, flags=re.IGNORECASE)
        lines = re.sub(r"([(\[{]) ", r"\1", lines)
    return lines


@functools.cache
def normalizer(unit: Unit, rules: int = RULES) -> Callable[[str], str]:
    """From a token as it was written to the one that is counted; each is worked out once."""
    if unit == "words":
        return str

    @functools.cache
    def normalize(token: str) -> str:
        if token == "\n":
            return END_OF_LINE
        if token[0] == "<" and token[-1] == ">" and len(token) > 1:
            return LINE_BREAK
        token = token.replace("\u2019", "'")
        if rules > 1:
            token = unicodedata.normalize("NFC", token)
        if token[:2] in ("..", "--"):
            return "..." if token[0] == "." else "--"
        return token if unit == "cased_prose" else token.lower()

    return normalize


def _prose(text: str, rules: int) -> re.Pattern[str]:
    """What finds the tokens of prose in a text."""
    # In ASCII there are no marks, and looking for them takes time.
    return _compiled(with_marks=rules > 1 and not text.isascii())


@functools.cache
def _compiled(with_marks: bool) -> re.Pattern[str]:
    word, inner, other = r"\w+", r"\w+", r"[^\w\s]"
    if with_marks:
        marks = _marks()
        inner = rf"\w[\w{marks}{_JOINERS}]*"
        # Most words hold no mark: for them it is one look at what follows.
        word = rf"\w+(?:[{marks}{_JOINERS}]+\w*)*"
        # A flag is two letters of its own; several people or things may be joined to one.
        one = rf"[^\w\s][{marks}{_SKIN_TONES}]*"
        other = rf"[\U0001f1e6-\U0001f1ff]{{2}}|{one}(?:\u200d{one})*"
    return re.compile(
        rf"\n|(?i:<br\s*/?>)|{inner}(?=(?i:n['\u2019]t)\b)|(?i:{_CLITIC})|\.\.+|--+|{word}|{other}"
    )


def _marks() -> str:
    """All characters that combine with the one before them, as ranges of a pattern."""
    spaces = range(0x300, 0x1F000), range(0xE0100, 0xE01F0)  # there are none elsewhere
    codes = [c for part in spaces for c in part if unicodedata.category(chr(c))[0] == "M"]
    known = set(codes)
    starts = (c for c in codes if c - 1 not in known)
    ends = (c for c in codes if c + 1 not in known)
    return "".join(f"{chr(a)}-{chr(b)}" for a, b in zip(starts, ends, strict=True))


def learn_subwords(
    documents: Iterable[str], size: int, min_count: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tokens and the merges of byte-level byte-pair encoding; no text is unknown to it.

    Raises:
        UserError: the package tokenizers is missing.
    """
    tokenizers = _tokenizers()
    tokenizer = _byte_level(tokenizers, tokenizers.models.BPE())
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=min_count,
        show_progress=False,
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(map(_replace_surrogates, documents), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return tuple(sorted(model["vocab"], key=model["vocab"].get)), tuple(
        map(" ".join, model["merges"])
    )


class Subwords:
    """Byte-pair encoding with given tokens and merges."""

    def __init__(self, tokens: tuple[str, ...], merges: tuple[str, ...]):
        tokenizers = _tokenizers()
        ids = {token: index for index, token in enumerate(tokens)}
        pairs = [tuple(merge.split(" ")) for merge in merges]
        self._tokenizer = _byte_level(tokenizers, tokenizers.models.BPE(vocab=ids, merges=pairs))

    def encode(self, text: str) -> np.ndarray:
        """The ids of the tokens, int32 [tokens]."""
        return np.array(self._tokenizer.encode(_replace_surrogates(text)).ids, np.int32)

    def spans(self, text: str) -> list[Span]:
        """Where the tokens stand in the text."""
        return [Span(*o) for o in self._tokenizer.encode(_replace_surrogates(text)).offsets]

    def decode(self, ids: list[int]) -> str:
        """The text; bytes that are not UTF-8 become U+FFFD."""
        return self._tokenizer.decode(ids)


def _replace_surrogates(text: str) -> str:
    """Halves of surrogate pairs, which UTF-8 does not have, as question marks."""
    return text.encode(errors="replace").decode()


def _byte_level(tokenizers: Any, model: Any) -> Any:
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    return tokenizer


def _tokenizers() -> Any:
    """The package, which only vocabularies of subwords need."""
    try:
        import tokenizers
    except ImportError:
        raise UserError(
            "subwords need the package tokenizers: "
            "PIP_CONSTRAINT=constraints.txt pip install -e '.[subwords]'"
        ) from None
    return tokenizers
