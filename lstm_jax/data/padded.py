"""Sequences of unequal length as padded batches, each with one target."""

import functools
import hashlib
import numbers
from collections.abc import Mapping, Sequence
from typing import NamedTuple, overload

import numpy as np

from lstm_jax.data import groups
from lstm_jax.data.kinds import Features, Tokens
from lstm_jax.data.preprocessing import Preprocessor, encoded, encoded_target
from lstm_jax.data.sources import SPLITS, Source, Split, checked_examples, describe_left_out
from lstm_jax.errors import ConfigError, DataError


class PaddedBatch(NamedTuple):
    """Sequences padded to one length, and the target of each."""

    inputs: np.ndarray
    """int32 tokens [time, batch], or float32 vectors [time, batch, features]."""
    lengths: np.ndarray
    """int32 [batch]: the steps of each sequence, at least one."""
    targets: np.ndarray
    """int32 classes [batch], or float32 values [batch, size]."""
    mask: np.ndarray
    """float32 [batch]: 1 where there is a sequence, 0 in a row that only fills up the batch."""
    place: np.ndarray
    """int32 [batch]: the number of each sequence in its split, -1 where there is none."""

    def take(self, columns: np.ndarray) -> "PaddedBatch":
        """The batch of some of the sequences."""
        return PaddedBatch(self.inputs[:, columns], *(array[columns] for array in self[1:]))


def pad(
    sequences: Sequence[np.ndarray], length: int, rows: int, kind: Tokens | Features
) -> np.ndarray:
    """Sequences as columns [length, rows, ...], with `kind.fill` where they have ended."""
    inputs = np.full((length, rows, *kind.shape), kind.fill, kind.dtype)
    for column, sequence in enumerate(sequences):
        inputs[: len(sequence), column] = sequence
    return inputs


class Sequences(NamedTuple):
    """The sequences of a split with their targets, in memory."""

    kind: Tokens | Features
    sequences: list[np.ndarray]
    lengths: np.ndarray
    targets: np.ndarray
    dropped: int
    """Steps beyond `max_length`."""
    trimmed: int
    """Sequences that had such steps."""

    def cut(self, batch: groups.Rows) -> PaddedBatch:
        """The batch of some of the sequences."""
        count = len(batch.members)
        after = (0, batch.rows - count)
        targets = np.zeros((batch.rows, *self.targets.shape[1:]), self.targets.dtype)
        targets[:count] = self.targets[batch.members]
        return PaddedBatch(
            pad([self.sequences[i] for i in batch.members], batch.length, batch.rows, self.kind),
            # A row that only fills up is a sequence of one step.
            np.pad(self.lengths[batch.members], after, constant_values=1).astype(np.int32),
            targets,
            np.pad(np.ones(count, np.float32), after),
            np.pad(batch.members, after, constant_values=-1).astype(np.int32),
        )


class PaddedBatches(Sequence[PaddedBatch]):
    """The batches of a pass over a split; each is made when it is asked for."""

    def __init__(self, sequences: Sequences, cut: list[groups.Rows]):
        self._sequences, self._cut = sequences, cut

    def __len__(self) -> int:
        return len(self._cut)

    @overload
    def __getitem__(self, index: int) -> PaddedBatch: ...
    @overload
    def __getitem__(self, index: slice) -> list[PaddedBatch]: ...
    def __getitem__(self, index: int | slice) -> PaddedBatch | list[PaddedBatch]:
        if isinstance(index, slice):
            return [self._sequences.cut(batch) for batch in self._cut[index]]
        return self._sequences.cut(self._cut[index])


class PaddedDataset:
    """The examples of a source, each a sequence with one target; satisfies `Dataset`.

    Batches come in at most `shapes` shapes whatever the lengths are. Every example is read once in
    an epoch, in an order that follows from the seed and the epoch.
    """

    items = "examples"

    def __init__(
        self,
        source: Source,
        preprocessor: Preprocessor,
        batch_size: int,
        shapes: int,
        seed: int = 0,
    ):
        self.source, self.preprocessor = source, preprocessor
        self.batch_size, self.items_per_batch = batch_size, batch_size
        self._shapes, self._seed = shapes, seed
        self._splits: dict[Split, Sequences] = {}
        self._epoch: tuple[int, list[groups.Rows]] = (-1, [])

    @property
    def steps_per_epoch(self) -> int:
        """The number of training batches in one pass over the training split."""
        return self._steps

    @property
    def digest(self) -> str:
        """SHA-256 of the sequences and the targets of the training and the validation split.

        Raises:
            DataError: a split cannot be read or has no examples.
        """
        hashed = hashlib.sha256()
        for split in ("train", "validation"):
            encoded = self._encoded(split)
            for sequence in encoded.sequences:
                hashed.update(len(sequence).to_bytes(8))
                hashed.update(sequence.tobytes())
            hashed.update(encoded.targets.tobytes())
        return hashed.hexdigest()

    def facts(self, split: Split) -> Mapping[str, int | float]:
        """How many steps lie beyond `max_length`, and what the preprocessor says of those read."""
        encoded = self._encoded(split)
        dropped = {f"dropped_{encoded.kind.unit}": encoded.dropped}
        return {**dropped, **self.preprocessor.facts(encoded.sequences)}

    def describe(self, split: Split = "train") -> str:
        """How a split is read, in one line: shapes, share of padding, what was cut off."""
        encoded, unit = self._encoded(split), self.preprocessor.inputs.unit
        cut = groups.batches(self._groups(encoded, self.batch_size))
        read = int(encoded.lengths.sum())
        padding = 1 - read / sum(batch.length * batch.rows for batch in cut)
        said = [
            f"{split}: {len(encoded.targets):,} examples of {self.preprocessor.targets.describe()}",
            f"{read:,} {unit} in batches of {len({batch[:2] for batch in cut})} shapes",
            f"{padding:.1%} padding",
            *self.preprocessor.describe_facts(self.facts(split)),
        ]
        line = ", ".join(said)
        if encoded.dropped:
            share = encoded.dropped / (read + encoded.dropped)
            line += (
                f"; {encoded.dropped:,} {unit} ({share:.1%}) of {encoded.trimmed:,} examples are "
                "dropped"
            )
        return describe_left_out(line, self.source, split)

    def batch(self, index: int) -> PaddedBatch:
        """Training batch number `index`."""
        if index < 0:
            raise IndexError(f"training batches are numbered from 0, got {index}")
        epoch, place = divmod(index, self.steps_per_epoch)
        if self._epoch[0] != epoch:
            random = np.random.default_rng((self._seed, epoch))
            self._epoch = epoch, groups.batches(self._train_groups, random)
        return self._encoded("train").cut(self._epoch[1][place])

    def evaluation(self, split: Split, batch_size: int | None = None) -> Sequence[PaddedBatch]:
        """The batches of a pass over `split`; each is made when it is asked for.

        Args:
            split: the part of the data.
            batch_size: the most sequences in a batch; by default the config's.
        """
        size = self.batch_size if batch_size is None else batch_size
        if not isinstance(size, numbers.Integral):
            raise ConfigError(f"batch_size must be a whole number, got {size!r}")
        if size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {size}")
        encoded = self._encoded(split)
        return PaddedBatches(encoded, groups.batches(self._groups(encoded, size)))

    @functools.cached_property
    def _steps(self) -> int:
        return len(groups.batches(self._train_groups))

    @functools.cached_property
    def _train_groups(self) -> list[groups.Group]:
        return self._groups(self._encoded("train"), self.batch_size)

    def _groups(self, encoded: Sequences, size: int) -> list[groups.Group]:
        return groups.group(encoded.lengths, size, self._shapes, encoded.kind.cost)

    def _encoded(self, split: Split) -> Sequences:
        if split not in SPLITS:
            raise DataError(f"there is no split {split!r}; the splits are {', '.join(SPLITS)}")
        if split not in self._splits:
            self._splits[split] = _read(self.source, self.preprocessor, split)
        return self._splits[split]


def _read(source: Source, preprocessor: Preprocessor, split: Split) -> Sequences:
    """A split, encoded.

    Raises:
        DataError: it has no examples, or one that cannot be encoded.
    """
    sequences, targets, beyond = [], [], []
    for example in checked_examples(source, split):
        inputs, dropped = encoded(preprocessor, example)
        sequences.append(inputs)
        targets.append(encoded_target(preprocessor, example))
        beyond.append(dropped)
    if not sequences:
        raise DataError(f"the {split} split of {source} has no examples")
    return Sequences(
        preprocessor.inputs,
        sequences,
        np.array([len(sequence) for sequence in sequences]),
        np.stack(targets),
        sum(beyond),
        sum(one > 0 for one in beyond),
    )
