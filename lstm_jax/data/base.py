"""The contracts of the data layer.

A `Source` yields examples. A `Data` config says how they become batches. A `Dataset` is a `Data`
config opened with a preprocessor: batch number i is a pure function of (config, i), so there is no
iterator whose state a checkpoint could lose, any batch can be looked at, and resuming is counting.
"""

import abc
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import jax
import numpy as np

from lstm_jax.config.saved import check, packages, to_json
from lstm_jax.data.preprocessing import Preprocessor
from lstm_jax.data.sources import Example, Split
from lstm_jax.errors import ConfigError, DataError
from lstm_jax.types import Batch, Key


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

        Such as how many steps are dropped, or which share of the tokens nothing is known of.
        """
        ...


@dataclasses.dataclass(frozen=True)
class Data(abc.ABC):
    """A config of data: a source, a preprocessor, how examples are cut into batches."""

    FITTED: ClassVar[tuple[str, ...]] = ()
    """Fields that `fit` alone reads: once a model is trained, changing them changes nothing."""

    @abc.abstractmethod
    def fit(self, given: Preprocessor | None = None) -> Preprocessor:
        """Reads the training split and learns the preprocessor, which the run then saves.

        Args:
            given: that of the run whose parameters a model starts from. What those parameters mean
                (the tokens of an embedding) is taken from it.

        Raises:
            DataError: the split cannot be read, or has nothing to learn from.
            ConfigError: what is given is of another kind.
        """

    @abc.abstractmethod
    def open(self, preprocessor: Preprocessor, seed: int = 0) -> Dataset:
        """Reads and encodes the data. Splits are read when first asked for.

        Args:
            preprocessor: what `fit` learned.
            seed: of the order of training, where that is random.
        """

    def read(self, given: Any, column: str | None = None) -> Iterable[Example]:
        """What a caller hands over, as examples without targets, read as in training.

        Args:
            given: objects in an iterable that has an order; or the `pathlib.Path` of a file, `-`
                for standard input, whose examples then come one after another.
            column: of a file that is a table, the column to read, where the default is not meant.

        Raises:
            ConfigError: it is of another kind, or these data read nothing but their source.
            DataError: a file cannot be read, is empty or malformed.
        """
        del given, column
        raise ConfigError(f"{type(self).__name__} reads nothing but its source")

    def show(self, example: Example) -> dict[str, Any]:
        """What tells people and programs which example it was, ready for JSON."""
        return {"place": example.place}

    def augment(self, key: Key, batch: Batch) -> Batch:
        """The batch as a training step is to see it; by default as it is.

        A pure function that JAX can trace, of the same shapes; evaluation does not call it.
        """
        del key
        return batch

    def restore(self, text: str) -> Preprocessor:
        """The preprocessor of a run of before, which saved a `vocabulary.json` of this content.

        Raises:
            DataError: there were no such runs, or it is malformed.
        """
        del text
        raise DataError(f"{type(self).__name__} never had a vocabulary.json")


def evaluated_digest(dataset: Dataset, split: Split) -> str:
    """SHA-256 of what is trained on, of what is validated with, and of all batches of a split."""
    hashed = hashlib.sha256(dataset.digest.encode())
    for batch in dataset.evaluation(split):
        for array in jax.tree.leaves(batch):
            hashed.update(np.ascontiguousarray(array).data)
    return hashed.hexdigest()


def learn(data: Data, given: Preprocessor | None = None) -> Preprocessor:
    """The preprocessor of the data, as it will be read back.

    Raises:
        ConfigError: it could not be read back.
    """
    fitted = data.fit(given)
    if not isinstance(fitted, Preprocessor):
        raise ConfigError(
            f"{type(data).__name__}.fit must return a Preprocessor, not {type(fitted).__name__}"
        )
    try:
        learned = check(fitted)
    except ConfigError as error:
        raise ConfigError(f"{type(fitted).__name__}: {error}") from error
    named = ({*packages(json.loads(to_json(one)))} for one in (learned, data))
    if strangers := set.difference(*named) - {"lstm_jax"}:
        raise ConfigError(
            f"{type(fitted).__name__} is of {', '.join(sorted(strangers))}, which the config of the"
            " data does not name: who trusts the config could not load the run"
        )
    return learned
