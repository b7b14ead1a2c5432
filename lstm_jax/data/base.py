"""The contracts of the data layer.

A `Source` yields text. A `Data` config says how text becomes batches. A `Dataset` is a `Data`
config opened with a vocabulary: batch number i is a pure function of (config, i), so there is no
iterator whose state a checkpoint could lose, any batch can be looked at, and resuming is counting.
"""

import abc
import dataclasses
import decimal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from lstm_jax.data.text.vocabulary import Vocabulary
from lstm_jax.errors import ConfigError
from lstm_jax.types import Batch

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Source(abc.ABC):
    """Where text comes from. A subclass is a frozen dataclass of what is needed to find it."""

    @abc.abstractmethod
    def documents(self, split: Split) -> Iterator[str]:
        """The documents of a split, always in the same order.

        Raises:
            DataError: the text is missing or unreadable, or the source has no such split.
        """

    def left_out(self, split: Split) -> tuple[str, ...]:
        """What of a split is passed over and why, for people; by default nothing."""
        del split
        return ()


def describe_left_out(line: str, source: Source, split: Split) -> str:
    """A line about a split, and behind it what its source leaves out."""
    return "; ".join([line, *(f"left out: {one}" for one in source.left_out(split))])


class Example(NamedTuple):
    """A text and what it is to be classified as."""

    text: str
    label: str | None
    """The name of its class; None where the text has no label."""
    place: str
    """Where it stands, for error messages: `train.tsv, line 7`."""


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
    """A source whose documents are examples of classes."""

    @abc.abstractmethod
    def examples(self, split: Split) -> Iterator[Example]:
        """The examples of a split, always in the same order.

        Raises:
            DataError: they are missing, unreadable or malformed, or there is no such split.
        """

    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of their ids; by default `in_order` of those of training.

        Raises:
            DataError: as `examples`.
        """
        labels = {example.label for example in self.examples("train")}
        return in_order(label for label in labels if label is not None)

    def documents(self, split: Split) -> Iterator[str]:
        """The texts alone, labelled or not, so that a language model can be trained on them."""
        return (example.text for example in self.examples(split))


@runtime_checkable
class Dataset(Protocol):
    """Batches of one data set. Training batches are numbered from 0 and never end."""

    @property
    def steps_per_epoch(self) -> int:
        """The number of training batches in one pass over the training split."""
        ...

    @property
    def batch_size(self) -> int:
        """The number of sequences side by side in a training batch."""
        ...

    @property
    def items_per_batch(self) -> int:
        """What a training batch counts for in the speed that is shown: its tokens or examples."""
        ...

    @property
    def items(self) -> str:
        """What such an item is called, in the plural."""
        ...

    @property
    def digest(self) -> str:
        """Identifies what is trained on and validated with: equal data have equal digests."""
        ...

    def describe(self, split: Split = "train") -> str:
        """How a split is read, in one line for people."""
        ...

    def batch(self, index: int) -> Batch:
        """Training batch number `index` (epoch `index // steps_per_epoch`), as NumPy arrays."""
        ...

    def evaluation(self, split: Split, batch_size: int | None = None) -> Sequence[Batch]:
        """All batches of a pass over `split` in which every target counts exactly once."""
        ...

    def facts(self, split: Split) -> Mapping[str, int | float]:
        """Figures about a split that stand beside the metrics of a model on it.

        `unknown_share` is the share of its tokens that the vocabulary lacks, where there may be
        such tokens.
        """
        ...


@dataclasses.dataclass(frozen=True)
class Data(abc.ABC):
    """A config of data: a source, how it is tokenized, how it is cut into batches."""

    @abc.abstractmethod
    def build_vocabulary(self, given: Vocabulary | None = None) -> Vocabulary:
        """Reads the training split and builds the vocabulary, which the run then saves.

        Args:
            given: a vocabulary whose tokens are taken instead, because a model knows them.
        """

    def read(self, given: Any) -> Sequence[Any]:
        """What a caller hands over, as the examples of training are without their targets.

        Raises:
            ConfigError: it is of another kind, or these data read nothing but their source.
        """
        del given
        raise ConfigError(f"{type(self).__name__} reads nothing but its source")

    @abc.abstractmethod
    def open(self, vocabulary: Vocabulary, seed: int = 0) -> Dataset:
        """Reads and encodes the data. Splits are read when first asked for.

        Args:
            vocabulary: what the ids of tokens mean.
            seed: of the order of training, where that is random.
        """
