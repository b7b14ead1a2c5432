"""Sequences of any kind with one target each."""

import dataclasses
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from lstm_jax.data.base import Data
from lstm_jax.data.padded import PaddedDataset
from lstm_jax.data.preprocessing import Preprocessor
from lstm_jax.data.sources import Example, Source, checked_examples
from lstm_jax.errors import ConfigError, DataError


@dataclasses.dataclass(frozen=True)
class PaddedSequences(Data):
    """Sequences of unequal length with one target each, in batches of sequences of similar length.

    Batches come in at most `groups` shapes whatever the lengths are, chosen so that as little as
    possible is padding. Every sequence is read once in an epoch, in an order that follows from the
    seed and the epoch.

    Raises:
        ConfigError: a size below 1.
    """

    FITTED: ClassVar[tuple[str, ...]] = ("preprocessor",)

    source: Source
    preprocessor: Preprocessor
    """What sequences and targets are, before anything was learned of the training part."""
    batch_size: int = 32
    """Sequences in a batch; fewer where it would have over 131,072 steps, or steps of more than 128
    features in proportion."""
    groups: int = 8
    """The most shapes that batches may have: each is a compilation."""

    def __post_init__(self):
        for name in ("batch_size", "groups"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")

    def fit(self, given: Preprocessor | None = None) -> Preprocessor:
        """The preprocessor with what the training part teaches."""
        if next(checked_examples(self.source, "train"), None) is None:
            raise DataError(f"the train split of {self.source} has no examples")
        fitted = self.preprocessor.fit(self.source, given)
        if given is not None and given.inputs != fitted.inputs:
            raise ConfigError(
                f"task.pretrained: that model reads {given.inputs.describe()}, and these data are "
                f"{fitted.inputs.describe()}"
            )
        return fitted

    def open(self, preprocessor: Preprocessor, seed: int = 0) -> PaddedDataset:
        """The batches. A split is read and encoded when it is first asked for."""
        return PaddedDataset(self.source, preprocessor, self.batch_size, self.groups, seed)

    def read(self, given: Any, column: str | None = None) -> Iterable[Example]:
        """Sequences in any iterable that has an order; the source reads files."""
        if column is not None:
            raise ConfigError("these data are read from no table: leave the column out")
        if isinstance(given, pathlib.Path):
            return self.source.read(given)
        if isinstance(given, str | bytes | Mapping | set | frozenset) or not isinstance(
            given, Iterable
        ):
            kind = type(given).__name__
            raise ConfigError(f"a list of sequences is needed, not a {kind}: [sequence]")
        return [Example(one, None, f"sequence {index}") for index, one in enumerate(given)]
