"""Labelled texts as padded batches."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Literal

from lstm_jax.data.base import Data
from lstm_jax.data.padded import PaddedDataset
from lstm_jax.data.preprocessing import Preprocessor
from lstm_jax.data.sources import Example, LabelledSource, Split
from lstm_jax.data.text import tokenization
from lstm_jax.data.text.before import read_vocabulary
from lstm_jax.data.text.documents import texts_of
from lstm_jax.data.text.given import examples_of
from lstm_jax.data.text.preprocessors import (
    LabelledTextPreprocessor,
    check_unit,
    fit_vocabulary,
)
from lstm_jax.data.text.reviews import MovieReviews
from lstm_jax.data.text.tokenization import Unit
from lstm_jax.data.text.vocabulary import Vocabulary
from lstm_jax.errors import ConfigError, DataError


@dataclasses.dataclass(frozen=True)
class LabelledTexts(Data):
    """Texts with one label each, in batches of texts of similar length.

    A text is read as `vocabulary.start` followed by its tokens, so that an empty text is a sequence
    of one. Batches come in at most `groups` shapes whatever the lengths are, chosen so that as
    little as possible is padding; longer texts than `max_length` lose what is beyond it. Every text
    is read once in an epoch, in an order that follows from the seed and the epoch.

    Source of `trim`: Dai and Le 2015 train on the last 400 tokens of a review.

    Raises:
        ConfigError: a size below 1.
    """

    BEFORE: ClassVar[Mapping[str, Any]] = {"rules": 1}
    FITTED: ClassVar[tuple[str, ...]] = ("max_vocabulary", "min_count", "rules")

    source: LabelledSource = dataclasses.field(default_factory=MovieReviews)
    tokens: Unit = "prose"
    batch_size: int = 32
    """Texts in a batch; fewer where they are so long that it would have over 131,072 steps."""
    groups: int = 8
    """The most shapes that batches may have: each is a compilation."""
    max_length: int | None = None
    """The most tokens of a text that are read, the start token included; None: all."""
    trim: Literal["head", "tail"] = "tail"
    """Which end of a longer text is cut off."""
    max_vocabulary: int | None = None
    """The most tokens the vocabulary may have; None: no limit."""
    min_count: int = 1
    """How often a token must occur in the training split to be in the vocabulary."""
    rules: int = tokenization.RULES
    """The number of the rules by which prose is cut; see `tokenization.RULES`."""

    def __post_init__(self):
        tokenization.check_rules(self.rules)
        for name in ("batch_size", "groups", "min_count"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.max_length is not None and self.max_length < 2:
            raise ConfigError(f"max_length must be at least 2, got {self.max_length}")

    def documents(self, split: Split) -> Iterator[str]:
        """The texts of a split."""
        return texts_of(self.source, split)

    def fit(self, given: Preprocessor | None = None) -> LabelledTextPreprocessor:
        """The tokens of the training texts, or those that are given, and the classes."""
        classes = self.source.class_names()
        if len(classes) < 2:
            raise DataError(
                f"{self.source} has {len(classes)} classes; a classifier tells at least 2 apart"
            )
        if given is not None and (self.max_vocabulary, self.min_count) != (None, 1):
            raise ConfigError(
                "max_vocabulary and min_count have no say where task.pretrained gives the "
                "vocabulary: leave them out"
            )
        return self._preprocessor(fit_vocabulary(self, given), classes)

    def open(self, preprocessor: Preprocessor, seed: int = 0) -> PaddedDataset:
        """The batches. A split is read and encoded when it is first asked for.

        Raises:
            DataError: the preprocessor is of other tokens than these.
        """
        if not isinstance(preprocessor, LabelledTextPreprocessor):
            raise DataError(f"labelled texts are not read by a {type(preprocessor).__name__}")
        check_unit(self.tokens, preprocessor.vocabulary)
        # An evaluation may change how much of a text is read.
        changed = self._preprocessor(preprocessor.vocabulary, preprocessor.classes)
        return PaddedDataset(self.source, changed, self.batch_size, self.groups, seed)

    def read(self, given: Any, column: str | None = None) -> Iterable[Example]:
        """Texts, in any iterable that has an order, or the lines of an open file.

        Of a file that is a table, the column is "text" by default.
        """
        return examples_of(given, column)

    def show(self, example: Example) -> dict[str, Any]:
        """The text."""
        return {"text": example.inputs}

    def restore(self, text: str) -> LabelledTextPreprocessor:
        """That of a run of before, whose vocabulary had the classes."""
        return self._preprocessor(*read_vocabulary(text))

    def _preprocessor(
        self, vocabulary: Vocabulary, classes: tuple[str, ...]
    ) -> LabelledTextPreprocessor:
        return LabelledTextPreprocessor(vocabulary, classes, self.max_length, self.trim)
