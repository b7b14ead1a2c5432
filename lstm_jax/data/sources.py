"""Where examples come from: the contract of a source, and the order of its classes."""

import abc
import dataclasses
import decimal
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

from lstm_jax.errors import ConfigError, DataError

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class Example(NamedTuple):
    """One example of a data set."""

    inputs: Any
    """What a model is to read: a text, or an array [time, ...]."""
    target: Any
    """What it is to say: the name of a class, numbers; None where that is not known."""
    place: str
    """Where the example stands, for error messages: `train.tsv, line 7`."""


@dataclasses.dataclass(frozen=True)
class Source(abc.ABC):
    """Where examples come from. A subclass is a frozen dataclass of what is needed to find them."""

    @abc.abstractmethod
    def examples(self, split: Split) -> Iterator[Example]:
        """The examples of a split, always in the same order.

        Raises:
            DataError: they are missing, unreadable or malformed, or there is no such split.
        """

    def read(self, path: pathlib.Path) -> Iterator[Example]:
        """The examples of a file that a caller hands over, without their targets.

        Raises:
            ConfigError: the source reads nothing but its splits, which is the default.
            DataError: the file cannot be read, or is malformed.
        """
        raise ConfigError(f"{type(self).__name__} reads nothing but its splits, not {path}")

    def left_out(self, split: Split) -> tuple[str, ...]:
        """What of a split is passed over and why, for people; by default nothing."""
        del split
        return ()


def checked_examples(source: Source, split: Split) -> Iterator[Example]:
    """The examples of a split, once they are known to be examples.

    Raises:
        DataError: as `Source.examples`; or it gives something else.
    """
    name, found = f"{type(source).__name__}.examples", source.examples(split)
    if not isinstance(found, Iterable):
        raise DataError(f"{name} must yield examples, and gives a {type(found).__name__}")
    for example in found:
        if not isinstance(example, Example):
            raise DataError(f"{name} must yield Example(...), and gives a {type(example).__name__}")
        yield example


def describe_left_out(line: str, source: Source, split: Split) -> str:
    """A line about a split, and behind it what its source leaves out."""
    return "; ".join([line, *(f"left out: {one}" for one in source.left_out(split))])


ClassOrder = Literal["value", "text"]
"""How classes are numbered: by value if all of their names are numbers, or always by alphabet."""


def in_order(labels: Iterable[str], by: ClassOrder = "value") -> tuple[str, ...]:
    """Labels as classes are numbered.

    >>> in_order(["10", "2", "-1"]), in_order(["10", "2", "none"])
    (('-1', '2', '10'), ('10', '2', 'none'))
    """
    names = sorted(labels)
    if by == "text":
        return tuple(names)
    try:
        values = {name: decimal.Decimal(name) for name in names}
    except decimal.InvalidOperation:
        return tuple(names)
    is_numeric = all(value.is_finite() for value in values.values())
    return tuple(sorted(names, key=values.__getitem__) if is_numeric else names)


@dataclasses.dataclass(frozen=True)
class LabelledSource(Source):
    """A source whose targets are the names of classes."""

    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of their ids; by default `in_order` of those of training.

        Raises:
            DataError: as `examples`.
        """
        labels = set[str]()
        for example in checked_examples(self, "train"):
            if isinstance(example.target, str):
                labels.add(example.target)
            elif example.target is not None:
                raise DataError(
                    f"{example.place}: the name of a class is text, not {example.target!r}"
                )
        return in_order(labels)
