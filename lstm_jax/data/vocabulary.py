"""Text as integers: words, characters or bytes."""

import collections
import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

import numpy as np

from lstm_jax.errors import ConfigError, DataError

Tokens = Literal["words", "characters", "bytes"]
"""What a token is: a word between white space, a Unicode character, or a byte of UTF-8."""

UNKNOWN = "<unk>"
END_OF_LINE = "<eos>"

_BYTES = tuple(map(chr, range(256)))


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    r"""The tokens a model knows; a token's id is its place in `tokens`.

    Words are what white space separates, and every newline is the word `<eos>`. Words and
    characters that the vocabulary lacks become `<unk>`. Of bytes there are always 256, and none is
    unknown.

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
    unit: Tokens

    def __post_init__(self):
        _check(self.tokens, self.unit)

    @classmethod
    def build(
        cls,
        documents: Iterable[str],
        unit: Tokens,
        max_size: int | None = None,
        min_count: int = 1,
    ) -> "Vocabulary":
        """The tokens of a text, most frequent first, equally frequent ones in code point order.

        What stands for an unknown token (and, among words, for a newline) is added at the end where
        the text does not have it, and is never cut off.

        Args:
            documents: the text. A word never reaches over the end of a document.
            unit: what a token is. The vocabulary of bytes does not depend on the text.
            max_size: the most tokens to keep, `<unk>` and `<eos>` included.
            min_count: how often a token must occur to be kept.

        Raises:
            ConfigError: a limit that cannot be met.
            DataError: there is no text.
        """
        if unit not in get_args(Tokens):
            raise ConfigError(f"tokens: expected one of {get_args(Tokens)}, got {unit!r}")
        special = {"words": (UNKNOWN, END_OF_LINE), "characters": (UNKNOWN,), "bytes": ()}[unit]
        if unit == "bytes":
            if max_size is not None or min_count != 1:
                raise ConfigError("a vocabulary of bytes always has 256 tokens: set no limits")
            return cls(_BYTES, unit)
        if max_size is not None and max_size <= len(special):
            raise ConfigError(f"a vocabulary of {unit} cannot be limited to {max_size} tokens")
        counts: collections.Counter[str] = collections.Counter()
        for document in documents:
            counts.update(_words(document) if unit == "words" else document)
        if not counts:
            raise DataError("cannot build a vocabulary: the training text is empty")
        for token in special:
            counts.setdefault(token, 0)
        ordered = sorted(counts, key=lambda token: (-counts[token], token))
        room = len(ordered) if max_size is None else max_size
        room -= len(special)
        kept = [t for t in ordered if t not in special and counts[t] >= min_count][:room]
        return cls(tuple(sorted([*kept, *special], key=lambda t: (-counts[t], t))), unit)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def unknown(self) -> int | None:
        """The id of `<unk>`; None for bytes."""
        return None if self.unit == "bytes" else self._ids[UNKNOWN]

    @property
    def start(self) -> int:
        """The id before the first token of a text: that of a newline, 0 where there is none."""
        return self._ids.get(END_OF_LINE if self.unit == "words" else "\n", 0)

    @property
    def digest(self) -> str:
        """The SHA-256 of `to_json()`: equal digests mean that every id is the same token."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def encode(self, text: str) -> np.ndarray:
        """The ids of the tokens of `text`, int32 [tokens]."""
        if self.unit == "bytes":
            return np.frombuffer(text.encode(errors="replace"), np.uint8).astype(np.int32)
        if self.unit == "characters":
            points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
            return self._ids_of_code_points[points]
        words, ids, unknown = _words(text), self._ids, self._ids[UNKNOWN]
        return np.fromiter((ids.get(word, unknown) for word in words), np.int32, len(words))

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
        tokens = [self.tokens[i] for i in flat]
        if self.unit == "characters":
            return "".join("\ufffd" if token == UNKNOWN else token for token in tokens)
        lines = " ".join(tokens).replace(END_OF_LINE, "\n")
        return lines.replace(" \n", "\n").replace("\n ", "\n")

    def to_json(self) -> str:
        """The vocabulary as JSON, from which `from_json` makes an equal one."""
        return json.dumps({"unit": self.unit, "tokens": self.tokens}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Vocabulary":
        """Reads what `to_json` wrote.

        Raises:
            DataError: `text` is not a vocabulary.
        """
        try:
            content: Any = json.loads(text)
        except ValueError as error:
            raise DataError(f"not a vocabulary: {error}") from None
        if not isinstance(content, dict) or content.keys() != {"unit", "tokens"}:
            raise DataError(
                "not a vocabulary: expected an object with the keys 'unit' and 'tokens'"
            )
        if not isinstance(content["tokens"], list):
            raise DataError("not a vocabulary: 'tokens' is not a list")
        _check(content["tokens"], content["unit"])
        return cls(tuple(content["tokens"]), content["unit"])

    @functools.cached_property
    def _ids(self) -> dict[str, int]:
        return {token: i for i, token in enumerate(self.tokens)}

    @functools.cached_property
    def _ids_of_code_points(self) -> np.ndarray:
        """A table over all of Unicode: looking up an array in it is far faster than a dict is."""
        table = np.full(0x110000, self._ids[UNKNOWN], np.int32)
        for i, token in enumerate(self.tokens):
            if token != UNKNOWN:
                table[ord(token)] = i
        return table


def _words(text: str) -> list[str]:
    return text.replace("\n", f" {END_OF_LINE} ").split()


def _check(tokens: Sequence[Any], unit: Any) -> None:
    problem = None
    if unit not in get_args(Tokens):
        problem = f"its unit is {unit!r}, not one of {', '.join(get_args(Tokens))}"
    elif not all(isinstance(token, str) for token in tokens):
        problem = "a token is not a string"
    elif len(set(tokens)) != len(tokens):
        problem = "a token occurs twice"
    elif unit == "bytes" and tuple(tokens) != _BYTES:
        problem = "the tokens are not the 256 bytes in order"
    elif unit != "bytes" and UNKNOWN not in tokens:
        problem = f"it lacks {UNKNOWN}"
    elif unit == "characters" and any(len(t) != 1 for t in tokens if t != UNKNOWN):
        problem = "a token is longer than one character"
    if problem:
        raise DataError(f"not a vocabulary: {problem}")
