"""Sequences of tokens as padded batches."""

from collections.abc import Sequence
from typing import NamedTuple, overload

import numpy as np

from lstm_jax.data import groups


class LabelledBatch(NamedTuple):
    """Texts of a batch, padded to one length, and their classes."""

    inputs: np.ndarray
    """int32 [time, batch]: the tokens; the first of each text is `vocabulary.start`."""
    lengths: np.ndarray
    """int32 [batch]: the tokens of each text, the start token included."""
    labels: np.ndarray
    """int32 [batch]: the class of each text."""
    mask: np.ndarray
    """float32 [batch]: 1 where there is a text, 0 in a row that only fills up the batch."""
    place: np.ndarray
    """int32 [batch]: the number of each text in its split, -1 where there is none."""

    def take(self, columns: np.ndarray) -> "LabelledBatch":
        """The batch of some of the texts."""
        return LabelledBatch(self.inputs[:, columns], *(array[columns] for array in self[1:]))


def pad(sequences: Sequence[np.ndarray], length: int, rows: int, fill: int) -> np.ndarray:
    """Sequences as columns, int32 [length, rows], with `fill` where there is no token."""
    inputs = np.full((length, rows), fill, np.int32)
    for column, sequence in enumerate(sequences):
        inputs[: len(sequence), column] = sequence
    return inputs


class Sequences(NamedTuple):
    """The labelled sequences of a split, in memory."""

    sequences: list[np.ndarray]
    lengths: np.ndarray
    labels: np.ndarray
    dropped: int
    """Tokens beyond `max_length`."""
    trimmed: int
    """Texts that had such tokens."""

    def cut(self, batch: groups.Rows, fill: int) -> LabelledBatch:
        """The batch of some of the sequences."""
        after = (0, batch.rows - len(batch.members))
        return LabelledBatch(
            pad([self.sequences[i] for i in batch.members], batch.length, batch.rows, fill),
            # A row that only fills up is a text of one token.
            np.pad(self.lengths[batch.members], after, constant_values=1).astype(np.int32),
            np.pad(self.labels[batch.members], after),
            np.pad(np.ones(len(batch.members), np.float32), after),
            np.pad(batch.members, after, constant_values=-1).astype(np.int32),
        )


class PaddedBatches(Sequence[LabelledBatch]):
    """The batches of a pass over a split."""

    def __init__(self, sequences: Sequences, cut: list[groups.Rows], fill: int):
        self._sequences, self._cut, self._fill = sequences, cut, fill

    def __len__(self) -> int:
        return len(self._cut)

    @overload
    def __getitem__(self, index: int) -> LabelledBatch: ...
    @overload
    def __getitem__(self, index: slice) -> list[LabelledBatch]: ...
    def __getitem__(self, index: int | slice) -> LabelledBatch | list[LabelledBatch]:
        if isinstance(index, slice):
            return [self._sequences.cut(batch, self._fill) for batch in self._cut[index]]
        return self._sequences.cut(self._cut[index], self._fill)
