"""Text as integers, and back."""

import collections
import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, get_args

import numpy as np

from lstm_jax.data.text import tokenization
from lstm_jax.data.text.tokenization import END_OF_LINE, Span, Subwords, Unit
from lstm_jax.errors import ConfigError, DataError

UNKNOWN = "<unk>"

_BYTES = tuple(map(chr, range(256)))
_SUBWORDS = 8000
"""Unit of a vocabulary of subwords whose size is not given."""
_PROSE = ("prose", "cased_prose")


class _IdsAsWritten(dict[str, int]):
    """The ids of words as texts write them. Each is worked out once: looking it up is all then."""

    def __init__(self, ids: dict[str, int], normalize: Callable[[str], str]):
        super().__init__()
        self._counted, self._normalize = ids, normalize

    def __missing__(self, word: str) -> int:
        self[word] = found = self._counted.get(self._normalize(word), self._counted[UNKNOWN])
        return found


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    r"""The tokens a model knows; a token's id is its place in `tokens`.

    Words and characters that the vocabulary lacks become `<unk>`. Of bytes there are always 256;
    they and subwords know every text. `lstm_jax.data.text.tokenization` says what each unit is.

    >>> vocabulary = Vocabulary.build(["to be or not to be\n"], "words")
    >>> vocabulary.tokens
    ('be', 'to', '<eos>', 'not', 'or', '<unk>')
    >>> vocabulary.encode("not to see\n").tolist()
    [3, 1, 5, 2]
    >>> vocabulary.decode([3, 1, 5, 2])
    'not to <unk>\n'

    Raises:
        DataError: `tokens` has duplicates or is not what `unit` asks for.
    """

    tokens: tuple[str, ...]
    unit: Unit
    merges: tuple[str, ...] = ()
    """The pairs of subwords to merge, `"a b"`, in their order."""
    rules: int = tokenization.RULES
    """The number of the rules by which prose is cut; see `tokenization.RULES`."""

    def __post_init__(self):
        check_parts(self.tokens, self.unit, self.merges, self.rules)
        if self.unit not in _PROSE:
            object.__setattr__(self, "rules", tokenization.RULES)  # of others there are no two

    @classmethod
    def build(
        cls,
        documents: Iterable[str],
        unit: Unit,
        max_size: int | None = None,
        min_count: int = 1,
        rules: int = tokenization.RULES,
    ) -> "Vocabulary":
        """The tokens of a text, most frequent first, equally frequent ones in code point order.

        What stands for an unknown token (and, among words, for a newline) is added at the end where
        the text does not have it, and is never cut off.

        Args:
            documents: the text. A word never reaches over the end of a document.
            unit: what a token is. The vocabulary of bytes does not depend on the text.
            max_size: the most tokens to keep, `<unk>` and `<eos>` included.
            min_count: how often a token must occur to be kept.
            rules: the number of the rules by which prose is cut.

        Raises:
            ConfigError: a limit that cannot be met.
            DataError: there is no text.
        """
        if unit not in get_args(Unit):
            raise ConfigError(f"tokens: expected one of {get_args(Unit)}, got {unit!r}")
        if unit == "subwords":
            size = _SUBWORDS if max_size is None else max_size
            if size <= 256:
                raise ConfigError(f"a vocabulary of subwords cannot be limited to {size} tokens")
            return cls(*_learn(documents, size, min_count))
        special = (UNKNOWN,) if unit == "characters" else (UNKNOWN, END_OF_LINE)
        if unit == "bytes":
            if max_size is not None or min_count != 1:
                raise ConfigError("a vocabulary of bytes always has 256 tokens: set no limits")
            return cls(_BYTES, unit)
        if max_size is not None and max_size <= len(special):
            raise ConfigError(f"a vocabulary of {unit} cannot be limited to {max_size} tokens")
        counts: collections.Counter[str] = collections.Counter()
        for document in documents:
            is_whole = unit == "characters"
            counts.update(document if is_whole else tokenization.split(document, unit, rules))
        if not counts:
            raise DataError("cannot build a vocabulary: the training text is empty")
        for token in special:
            counts.setdefault(token, 0)
        ordered = sorted(counts, key=lambda token: (-counts[token], token))
        room = len(ordered) if max_size is None else max_size
        room -= len(special)
        kept = [t for t in ordered if t not in special and counts[t] >= min_count][:room]
        tokens = tuple(sorted([*kept, *special], key=lambda t: (-counts[t], t)))
        return cls(tokens, unit, rules=rules)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def unknown(self) -> int | None:
        """The id of `<unk>`; None for bytes and subwords."""
        return self._ids.get(UNKNOWN)

    @property
    def start(self) -> int:
        """The id before the first token of a text: that of a newline, 0 where there is none."""
        newline = {"characters": "\n", "bytes": "\n", "subwords": tokenization.NEWLINE_BYTE}
        return self._ids.get(newline.get(self.unit, END_OF_LINE), 0)

    def describe(self) -> str:
        """How many tokens of what unit."""
        return f"a vocabulary of {len(self):,} {self.unit}"

    def encode(self, text: str) -> np.ndarray:
        """The ids of the tokens of `text`, int32 [tokens]."""
        if self.unit == "bytes":
            return np.frombuffer(text.encode(errors="replace"), np.uint8).astype(np.int32)
        if self.unit == "characters":
            points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
            return self._ids_of_code_points[points]
        if self.unit == "subwords":
            return self._subwords.encode(text)
        words = tokenization.written(text, self.unit, self.rules)
        return np.fromiter(map(self._ids_as_written.__getitem__, words), np.int32, len(words))

    def spans(self, text: str) -> list[Span]:
        """Where each token of `encode` stands in the text, in characters.

        A character of several bytes is where each of its bytes stands.

        >>> Vocabulary.build(["to be"], "words").spans("be to")
        [Span(begin=0, end=2), Span(begin=3, end=5)]
        """
        if self.unit == "subwords":
            return self._subwords.spans(text)
        if self.unit in ("characters", "bytes"):
            whole = self.unit == "characters"
            sizes = (1 if whole else len(c.encode(errors="replace")) for c in text)
            return [Span(i, i + 1) for i, size in enumerate(sizes) for _ in range(size)]
        return tokenization.spans(text, self.unit, self.rules)

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        """The text of `ids`: the inverse of `encode`, except for white space between words.

        An unknown character, or bytes that are not UTF-8, become the replacement character U+FFFD.

        Raises:
            DataError: an id outside the vocabulary.
        """
        flat = np.asarray(ids, np.int64).reshape(-1)
        if flat.size and not 0 <= flat.min() <= flat.max() < len(self):
            raise DataError(f"token ids must be from 0 to {len(self) - 1}")
        if self.unit == "bytes":
            return flat.astype(np.uint8).tobytes().decode(errors="replace")
        if self.unit == "subwords":
            return self._subwords.decode(flat.tolist())
        tokens = [self.tokens[i] for i in flat]
        if self.unit == "characters":
            return "".join("\ufffd" if token == UNKNOWN else token for token in tokens)
        return tokenization.join(tokens, self.unit)

    @functools.cached_property
    def _ids(self) -> dict[str, int]:
        return {token: i for i, token in enumerate(self.tokens)}

    @functools.cached_property
    def _ids_as_written(self) -> "_IdsAsWritten":
        return _IdsAsWritten(self._ids, tokenization.normalizer(self.unit, self.rules))

    @functools.cached_property
    def _subwords(self) -> Subwords:
        return Subwords(self.tokens, self.merges)

    @functools.cached_property
    def _ids_of_code_points(self) -> np.ndarray:
        """A table over all of Unicode: looking up an array in it is far faster than a dict is."""
        table = np.full(0x110000, self._ids[UNKNOWN], np.int32)
        for i, token in enumerate(self.tokens):
            if token != UNKNOWN:
                table[ord(token)] = i
        return table


def _learn(
    documents: Iterable[str], size: int, min_count: int
) -> tuple[tuple[str, ...], Unit, tuple[str, ...]]:
    tokens, merges = tokenization.learn_subwords(documents, size, min_count)
    if not merges:
        raise DataError(
            "cannot build a vocabulary: the training text is empty, or has no two bytes beside "
            f"each other {min_count} times"
        )
    return tokens, "subwords", merges


def check_parts(tokens: Sequence[Any], unit: Any, merges: Sequence[str], rules: Any) -> None:
    """Makes sure that these are the parts of a vocabulary.

    Raises:
        DataError: they are not.
    """
    problem, known = None, set(tokens)
    if rules not in range(1, tokenization.RULES + 1):
        problem = f"this version of lstm_jax knows no rules {rules!r} of cutting prose"
    elif unit not in get_args(Unit):
        problem = f"its unit is {unit!r}, not one of {', '.join(get_args(Unit))}"
    elif len(known) != len(tokens):
        problem = "a token occurs twice"
    elif unit == "bytes" and tuple(tokens) != _BYTES:
        problem = "the tokens are not the 256 bytes in order"
    elif unit == "subwords" and sum(len(token) == 1 for token in tokens) != 256:
        problem = "it lacks some of the 256 bytes"
    elif not all(_is_merge(merge, known) for merge in merges):
        problem = "a merge is not of two of its tokens into a third"
    elif unit not in ("bytes", "subwords") and UNKNOWN not in tokens:
        problem = f"it lacks {UNKNOWN}"
    elif unit == "characters" and any(len(t) != 1 for t in tokens if t != UNKNOWN):
        problem = "a token is longer than one character"
    if problem:
        raise DataError(f"not a vocabulary: {problem}")


def _is_merge(merge: str, tokens: set[str]) -> bool:
    parts = merge.split(" ")
    return len(parts) == 2 and tokens.issuperset([*parts, "".join(parts)])
