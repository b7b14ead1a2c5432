"""Leaving out of training what occurs among the texts that are held out."""

import dataclasses
import functools
from collections.abc import Iterator

from lstm_jax.data.base import Example, LabelledSource, Split
from lstm_jax.data.held_out import position


@dataclasses.dataclass(frozen=True)
class Distinct(LabelledSource):
    """A source without the training texts that validation or test hold as well.

    Published sets hold such texts. In the training reviews of IMDB 109 of the test reviews occur
    word for word, among those without a label another 266: a language model that had read them
    would have seen what it is tested with. Texts are compared by their words
    (`lstm_jax.data.held_out`).
    """

    source: LabelledSource
    """Where the examples come from."""

    def class_names(self) -> tuple[str, ...]:
        """Those of the source."""
        return self.source.class_names()

    def examples(self, split: Split) -> Iterator[Example]:
        """The examples of the source, for training without those that are held out."""
        if split != "train":
            yield from self.source.examples(split)
            return
        held_out = _positions(self.source)
        for example in self.source.examples("train"):
            if position(example.text) not in held_out:
                yield example


@functools.lru_cache(maxsize=4)
def _positions(source: LabelledSource) -> frozenset[float]:
    """What stands for the texts of validation and test; equal words have equal positions."""
    splits: tuple[Split, ...] = ("validation", "test")
    texts = (example.text for split in splits for example in source.examples(split))
    return frozenset(map(position, texts))
