"""Sources of text: what ships with Python, folders of text files, one file cut in three."""

import abc
import dataclasses
import hashlib
import math
import pathlib
import re
from collections.abc import Iterator

from lstm_jax.data.files import decode, expand
from lstm_jax.data.sources import Example, Source, Split
from lstm_jax.errors import ConfigError, DataError

_NAMES: dict[Split, str] = {
    "train": "train",
    "validation": "valid|validation|val|dev",
    "test": "test",
}
_PIECE = 1 << 22


@dataclasses.dataclass(frozen=True)
class TextSource(Source):
    """A source of texts without targets. A subclass says what its documents are."""

    @abc.abstractmethod
    def documents(self, split: Split) -> Iterator[str]:
        """The documents of a split, always in the same order.

        Raises:
            DataError: the text is missing or unreadable, or the source has no such split.
        """

    def examples(self, split: Split) -> Iterator[Example]:
        """A document each, by its number from 0 on."""
        for index, document in enumerate(self.documents(split)):
            yield Example(document, None, f"{split}, document {index}")


@dataclasses.dataclass(frozen=True)
class PythonDocumentation(TextSource):
    """The language reference that ships inside Python (`pydoc_data.topics`): nothing to download.

    About 400,000 characters. A document is a topic (`assignment`, `formatstrings`, ...), and whole
    topics belong to a split by a hash of their name: about 90 / 5 / 5 percent of the characters.
    Some topics are parts of others (`for` stands word for word in `compound`); those are left out,
    so that what is held out is new. The text differs a little from one version of Python to the
    next, the topics of a split do not.
    """

    def documents(self, split: Split) -> Iterator[str]:
        """The topics of a split in the order of their names."""
        try:
            from pydoc_data.topics import topics  # Some minimal installations lack it.
        except ImportError:
            raise DataError(
                "this Python lacks pydoc_data.topics: install the full standard library"
            ) from None
        for name in sorted(_distinct(topics)):
            if _split_of(name) == split:
                yield topics[name]


def _distinct(topics: dict[str, str]) -> list[str]:
    """The topics of which at most half of the long lines stand in a longer topic as well."""
    lines = {name: {x for x in text.split("\n") if len(x) > 40} for name, text in topics.items()}

    def repeated(name: str) -> bool:
        own, size = lines[name], (len(topics[name]), name)
        return any(
            len(own & lines[other]) > len(own) / 2
            for other in topics
            if (len(topics[other]), other) > size
        )

    return [name for name in topics if not repeated(name)]


def _split_of(topic: str) -> Split:
    # The number makes the shares come out near 90 / 5 / 5 percent, in several topics each.
    digest = hashlib.sha256(f"documentation-2027:{topic}".encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    return "train" if position < 0.9 else "validation" if position < 0.95 else "test"


@dataclasses.dataclass(frozen=True)
class TextFiles(TextSource):
    """A folder with one UTF-8 text file for each split, as Penn Treebank and WikiText come.

    The files are found by name: `train.txt`, `ptb.train.txt` or `wiki.train.tokens`, and likewise
    with `valid`, `validation`, `val` or `dev`, and `test`.
    """

    directory: str = "data"
    """The folder; `~` and `$VARIABLE` are replaced when it is read."""

    def documents(self, split: Split) -> Iterator[str]:
        """The text of a file, in pieces that end with a line."""
        folder = expand(self.directory)
        if not folder.is_dir():
            raise DataError(f"there is no folder {folder}")
        pattern = re.compile(rf"(.+\.)?({_NAMES[split]})\.(txt|tokens)")
        try:
            found = sorted(p for p in folder.iterdir() if pattern.fullmatch(p.name) and p.is_file())
        except OSError as error:
            raise DataError(f"{folder} cannot be read: {error.strerror}") from error
        if not found:
            first = _NAMES[split].split("|")[0]
            raise DataError(f"{folder} has no {split} text: expected {first}.txt or *.{first}.txt")
        if len(found) > 1:
            names = ", ".join(p.name for p in found)
            raise DataError(f"{folder} has several {split} texts, keep one: {names}")
        yield from _read(found[0])


@dataclasses.dataclass(frozen=True)
class TextFile(TextSource):
    """One UTF-8 text file, cut by characters into train, validation and test text in this order.

    The cuts are made as TensorFlow Datasets makes them for `tiny_shakespeare`.

    Raises:
        ConfigError: the fractions are not three positive numbers with the sum 1.
    """

    path: str = "input.txt"
    """The file; `~` and `$VARIABLE` are replaced when it is read."""
    fractions: tuple[float, float, float] = (0.9, 0.05, 0.05)
    """The shares of train, validation and test."""

    def __post_init__(self):
        if min(self.fractions) <= 0 or not math.isclose(sum(self.fractions), 1, abs_tol=1e-6):
            raise ConfigError(f"fractions must be positive with the sum 1, got {self.fractions}")

    def documents(self, split: Split) -> Iterator[str]:
        """One document: the part of the file that is this split."""
        text = "".join(_read(expand(self.path)))
        train, validation, test = self.fractions
        first = int(len(text) * train)
        second = first + int((len(text) - first) * (validation / (validation + test)))
        parts = {"train": text[:first], "validation": text[first:second], "test": text[second:]}
        yield parts[split]


def _read(path: pathlib.Path) -> Iterator[str]:
    """The text of a file in pieces that end with a line, every line ending being a newline."""
    lines = 0
    empty = True
    try:
        with path.open("rb") as file:
            while piece := b"".join(file.readlines(_PIECE)):
                text = decode(piece, path, lines)
                lines += piece.count(b"\n")
                empty = empty and not text.strip()
                yield text
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    if empty:
        raise DataError(f"{path} is empty")
