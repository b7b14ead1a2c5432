"""Texts as tokens: of a language model, and of a classifier."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from lstm_jax.data.kinds import Classes, Tokens
from lstm_jax.data.preprocessing import Encoded, Preprocessor
from lstm_jax.data.sources import Example
from lstm_jax.data.text.documents import text_of
from lstm_jax.data.text.tokenization import Unit
from lstm_jax.data.text.unknown import describe_unknown, share_of_unknown
from lstm_jax.data.text.vocabulary import Vocabulary
from lstm_jax.errors import ConfigError, DataError


@dataclasses.dataclass(frozen=True)
class TextPreprocessor(Preprocessor):
    """Text as tokens, of which each is predicted from those before it."""

    vocabulary: Vocabulary

    @property
    def inputs(self) -> Tokens:
        """The tokens of the vocabulary."""
        return tokens_of(self.vocabulary)

    @property
    def targets(self) -> Tokens:
        """The same."""
        return self.inputs

    def encode(self, example: Example) -> Encoded:
        """The tokens of a text."""
        return Encoded(self.vocabulary.encode(text_of(example)))

    def decode(self, output: Any) -> str:
        """The text of ids of tokens."""
        return self.vocabulary.decode(output)

    def facts(self, inputs: Sequence[np.ndarray]) -> Mapping[str, int | float]:
        """The share of unknown tokens."""
        return share_of_unknown(self.vocabulary, inputs)

    def describe_facts(self, facts: Mapping[str, int | float]) -> list[str]:
        """The share of unknown tokens."""
        return describe_unknown(facts)

    def describe(self) -> str:
        """How many tokens of what unit."""
        return self.vocabulary.describe()


@dataclasses.dataclass(frozen=True)
class LabelledTextPreprocessor(Preprocessor):
    """A text as the token `start` followed by its own, to one of several classes.

    So an empty text is a sequence of one.

    Source of `trim`: Dai and Le 2015 train on the last 400 tokens of a review.
    """

    vocabulary: Vocabulary
    classes: tuple[str, ...]
    max_length: int | None = None
    """The most tokens of a text that are read, the start token included; None: all."""
    trim: Literal["head", "tail"] = "tail"
    """Which end of a longer text is cut off."""

    def __post_init__(self):
        Classes(self.classes)  # refuses what are none

    @property
    def inputs(self) -> Tokens:
        """The tokens of the vocabulary."""
        return tokens_of(self.vocabulary)

    @property
    def targets(self) -> Classes:
        """The classes."""
        return Classes(self.classes)

    def encode(self, example: Example) -> Encoded:
        """The start token and as many of the text's own as `max_length` leaves."""
        tokens = self.vocabulary.encode(text_of(example))
        kept = tokens[self.kept(len(tokens))]
        start = np.array([self.vocabulary.start], np.int32)
        return Encoded(np.concatenate([start, kept]), len(tokens) - len(kept))

    def kept(self, tokens: int) -> slice:
        """Which of so many tokens of a text are read."""
        room = tokens if self.max_length is None else min(tokens, self.max_length - 1)
        return slice(tokens - room, tokens) if self.trim == "head" else slice(0, room)

    def facts(self, inputs: Sequence[np.ndarray]) -> Mapping[str, int | float]:
        """The share of unknown tokens behind the start."""
        return share_of_unknown(self.vocabulary, [sequence[1:] for sequence in inputs])

    def describe_facts(self, facts: Mapping[str, int | float]) -> list[str]:
        """The share of unknown tokens."""
        return describe_unknown(facts)

    def describe(self) -> str:
        """How many tokens of what unit, and the classes."""
        return f"{self.vocabulary.describe()}, {self.targets.describe()}"


def tokens_of(vocabulary: Vocabulary) -> Tokens:
    """What a vocabulary is to a model. Padding is the token that stands before every text."""
    return Tokens(len(vocabulary), fill=vocabulary.start, unknown=vocabulary.unknown)


def fit_vocabulary(config: Any, given: Preprocessor | None) -> Vocabulary:
    """The vocabulary of the training texts, or that of a run whose model knows its tokens.

    Args:
        config: `TextWindows` or `LabelledTexts`.
        given: the preprocessor of that run.

    Raises:
        ConfigError: the run had none.
        DataError: it is of other tokens; or there is no text.
    """
    unit, limits = config.tokens, (config.max_vocabulary, config.min_count)
    if given is None:
        return Vocabulary.build(config.documents("train"), unit, *limits, config.rules)
    vocabulary = getattr(given, "vocabulary", None)
    if not isinstance(vocabulary, Vocabulary):
        raise ConfigError(
            f"task.pretrained: a model that reads {given.inputs.describe()} knows no tokens of text"
        )
    check_unit(unit, vocabulary)
    return vocabulary


def check_unit(unit: Unit, vocabulary: Vocabulary) -> None:
    """Makes sure that a vocabulary is of the tokens that a config asks for.

    Raises:
        DataError: it is of others.
    """
    if vocabulary.unit != unit:
        raise DataError(
            f"the config's tokens are {unit}, but the vocabulary is of {vocabulary.unit}"
        )
