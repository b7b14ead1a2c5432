"""Which texts are equal, and to which split one belongs where validation or test are held out.

What a text says decides, not its place in a file: equal texts are never on both sides, a text added
to the data moves no other one, and the same review is held out whichever file it comes from.
"""

import functools
import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from lstm_jax.data.sources import SPLITS, Split
from lstm_jax.errors import ConfigError

Comparison = Literal["text", "words"]
"""What makes two texts equal.

text    they differ at most in case, white space, the punctuation around words, and in how Unicode
        composes their characters
words   in all that is neither a letter, a digit nor an underscore. For prose in scripts without
        combining marks alone: ":(" and "🎉" have no words, "C++" and "C#" the same, and Hindi texts
        that differ by a vowel sign as well.
"""

_START = 4
"""By how many first words a text is looked up within longer ones."""
_TYPOGRAPHY = str.maketrans({"\u2018": "'", "\u2019": "'", "\u2013": "-", "\u2014": " "})
"""What typesetters put for quotation marks and dashes."""
_EMOTICON = re.compile(r"[:;=x8][-'^o]?[()\[\]{}<>dpxo03/|*\\]+")
"""As `:D` and `;-)`, in lower case; other pieces of punctuation alone are kept as they are."""
_NO_PUNCTUATION = "#%&*@/\\"
"""Of what Unicode calls punctuation, that which belongs to what it stands beside."""
_MOST_POSITIONS = 1 << 20
_positions: dict[bytes, float] = {}
"""Those of the last texts, by their digests."""


def words(text: str, by: Comparison = "text") -> tuple[str, ...]:
    """The words of a text as they are compared: equal texts have the same ones.

    >>> words("A pretentious mess ...") == words("a pretentious  mess")
    True
    >>> words("C++ rocks :)"), words("C# rocks :("), words("...")
    (('c++', 'rocks', ':)'), ('c#', 'rocks', ':('), ('...',))
    >>> words("C++ rocks :)", by="words")
    ('c', 'rocks')
    """
    if by == "words":
        return tuple(re.findall(r"\w+", text.casefold()))
    composed = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    pieces = composed.translate(_TYPOGRAPHY).split()
    bare = map(_bare, pieces)
    # A text of nothing but punctuation is another one than the empty text.
    return tuple(filter(None, bare)) or tuple(pieces)


def position(text: str, by: Comparison = "text") -> float:
    """Where a text stands in [0, 1): from the SHA-256 of its words, so the same everywhere.

    >>> position("It's good.") == position("it's good")
    True
    """
    # Every pass over a data set asks for each of its texts again, and finding the words of a text
    # takes much longer than a digest of it.
    given = text.encode(errors="surrogatepass")
    key = hashlib.blake2b(given, digest_size=16, person=by.encode()).digest()
    if (known := _positions.get(key)) is None:
        if len(_positions) >= _MOST_POSITIONS:
            _positions.clear()
        known = _positions[key] = _position(words(text, by))
    return known


def split_of(text: str, validation: float, test: float = 0.0, by: Comparison = "text") -> Split:
    """The split of a text when these shares of all distinct texts are held out.

    Validation texts lie at the lower end of `position` and test texts at the upper one, so that a
    change of one share leaves the other split as it was.

    >>> [split_of(text, validation=0.3, test=0.3) for text in ("dull", "bad", "lovely")]
    ['train', 'validation', 'test']
    """
    return _split(position(text, by), validation, test)


def nested_split_of(
    texts: Iterable[str], validation: float, test: float = 0.0, by: Comparison = "text"
) -> Callable[[str], Split]:
    """A `split_of` for texts of which some stand, word for word, within others.

    In the Stanford Sentiment Treebank every phrase of a sentence is an example, so of phrases held
    out at random most stand within a training sentence, and validation on them measures memory.
    Here the texts that stand within no longer one are split by `split_of`, and any other text goes
    where those go that it stands in. Where these are in several splits it goes to the first of
    train, validation, test: no validation text stands within a training text, and no test text
    within either. (Common phrases of held-out texts do occur in training, as they must.)

    Args:
        texts: all that may be asked for.
        validation: the share held out of the texts that stand within no longer one.
        test: likewise; the shares of all texts come out lower.
        by: what makes texts, and the parts of texts, equal.
    """
    rank = SPLITS.index
    known = {words(text, by) for text in texts}
    lengths: dict[tuple[str, ...], set[int]] = {}
    for one in known:
        lengths.setdefault(one[:_START], set()).add(len(one))
    splits: dict[tuple[str, ...], Split] = {}
    for whole in sorted(known, key=len, reverse=True):
        # A text found within a longer one needs no search: what it holds was found there as well.
        if whole not in splits:
            split = splits[whole] = _split(_position(whole), validation, test)
            for part in _parts(whole, lengths):
                if part in known and rank(split) <= rank(splits.get(part, "test")):
                    splits[part] = split
    return lambda text: splits[words(text, by)]


def check_share(name: str, share: float) -> None:
    """Refuses a share that leaves nothing to train on or nothing to hold out.

    Raises:
        ConfigError: it is not above 0 and below 0.5, as it may be held out twice.
    """
    if not 0 < share < 0.5:
        raise ConfigError(f"{name} must be above 0 and below 0.5, got {share}")


@functools.cache
def _punctuation() -> str:
    """All punctuation of Unicode but what belongs to its word, as in C#, 50% and @name."""
    characters = map(chr, range(0x20000))  # beyond, there is none
    found = "".join(c for c in characters if unicodedata.category(c)[0] == "P")
    return "".join(c for c in found + "`\u00b4" if c not in _NO_PUNCTUATION + "_")


def _bare(piece: str) -> str:
    """A piece without the punctuation around it; nothing if it repeats one mark, as `...` does."""
    if _EMOTICON.fullmatch(piece):
        return piece
    if not (bare := piece.strip(_punctuation())):
        return piece if len(set(piece)) > 1 else ""
    # A sign and a point belong to a number.
    before = piece[: piece.index(bare)]
    return before[-1:] + bare if bare[0].isdigit() and before[-1:] in ("-", ".") else bare


def _position(words: tuple[str, ...]) -> float:
    digest = hashlib.sha256(" ".join(words).encode(errors="surrogatepass")).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53  # 53 bits: exact, and never 1.0


def _split(position: float, validation: float, test: float) -> Split:
    if position < validation:
        return "validation"
    return "test" if position >= 1 - test else "train"


def _parts(
    whole: tuple[str, ...], lengths: dict[tuple[str, ...], set[int]]
) -> Iterator[tuple[str, ...]]:
    """The runs of words in `whole` that begin and are as long as some text."""
    for begin in range(len(whole)):
        for size in range(1, _START + 1):
            for length in lengths.get(whole[begin : begin + size], ()):
                yield whole[begin : begin + length]
