"""Leaving out of training what occurs among the texts that are held out."""

import dataclasses
import functools
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from lstm_jax.data.held_out import Comparison, position
from lstm_jax.data.sources import Example, LabelledSource, Split
from lstm_jax.data.text.documents import text_of


@dataclasses.dataclass(frozen=True)
class Distinct(LabelledSource):
    """A source without the training texts that validation or test hold as well.

    Published sets hold such texts. In the training reviews of IMDB 109 of the test reviews occur
    word for word, among those without a label another 266: a language model that had read them
    would have seen what it is tested with. Every run says at its start how many were left out.
    """

    BEFORE: ClassVar[Mapping[str, Any]] = {"compared_by": "words"}

    source: LabelledSource
    """Where the examples come from."""
    compared_by: Comparison = "text"
    """What makes two texts equal; see `lstm_jax.data.held_out.Comparison`."""

    def class_names(self) -> tuple[str, ...]:
        """Those of the source."""
        return self.source.class_names()

    def examples(self, split: Split) -> Iterator[Example]:
        """The examples of the source, for training without those that are held out."""
        if split != "train":
            yield from self.source.examples(split)
            return
        held_out = _positions(self.source, self.compared_by)
        for example in self.source.examples("train"):
            if position(text_of(example), self.compared_by) not in held_out:
                yield example

    def read(self, path: pathlib.Path) -> Iterator[Example]:
        """As the source does."""
        return self.source.read(path)

    def left_out(self, split: Split) -> tuple[str, ...]:
        """How many training texts are held out, and what the source itself leaves out."""
        by_source = self.source.left_out(split)
        count = _count(self.source, self.compared_by) if split == "train" else 0
        if not count:
            return by_source
        return (*by_source, f"{count:,} texts that validation or test hold as well")


@functools.lru_cache(maxsize=4)
def _positions(source: LabelledSource, by: Comparison) -> frozenset[float]:
    """What stands for the texts of validation and test; equal texts have equal positions."""
    splits: tuple[Split, ...] = ("validation", "test")
    texts = (text_of(example) for split in splits for example in source.examples(split))
    return frozenset(position(text, by) for text in texts)


@functools.lru_cache(maxsize=4)
def _count(source: LabelledSource, by: Comparison) -> int:
    """How many training texts are held out."""
    held_out = _positions(source, by)
    return sum(position(text_of(example), by) in held_out for example in source.examples("train"))
