"""Labelled texts as padded batches."""

import dataclasses
import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from lstm_jax.data import groups
from lstm_jax.data.base import (
    SPLITS,
    Data,
    Example,
    LabelledSource,
    Split,
    describe_left_out,
)
from lstm_jax.data.padded import LabelledBatch, PaddedBatches, Sequences
from lstm_jax.data.text import tokenization
from lstm_jax.data.text.given import as_texts
from lstm_jax.data.text.reviews import MovieReviews
from lstm_jax.data.text.tokenization import Tokens
from lstm_jax.data.text.unknown import describe_unknown, share_of_unknown
from lstm_jax.data.text.vocabulary import Vocabulary, check_unit
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

    source: LabelledSource = dataclasses.field(default_factory=MovieReviews)
    tokens: Tokens = "prose"
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

    def build_vocabulary(self, given: Vocabulary | None = None) -> Vocabulary:
        """The tokens of the training split, or those that are given, and the classes."""
        classes = self.source.class_names()
        if len(classes) < 2:
            raise DataError(
                f"{self.source} has {len(classes)} classes; a classifier tells at least 2 apart"
            )
        if given is None:
            texts = self.source.documents("train")
            limits = self.max_vocabulary, self.min_count
            given = Vocabulary.build(texts, self.tokens, *limits, self.rules)
        elif self.max_vocabulary is not None or self.min_count != 1:
            raise ConfigError(
                "max_vocabulary and min_count have no say where task.pretrained gives the "
                "vocabulary: leave them out"
            )
        check_unit(self.tokens, given)
        return dataclasses.replace(given, classes=classes)

    def read(self, given: Any) -> list[str]:
        """Texts, in any iterable that has an order, or the lines of an open file."""
        return as_texts(given)

    def encode(self, text: str, vocabulary: Vocabulary) -> np.ndarray:
        """The sequence that stands for a text, int32 [length]: the start token, then its tokens."""
        return self.sequence(vocabulary.encode(text), vocabulary.start)

    def encode_all(
        self, texts: Sequence[str], vocabulary: Vocabulary
    ) -> tuple[list[np.ndarray], str]:
        """The sequences of texts, and what `max_length` cut off, in a line; "" if nothing."""
        tokens = [vocabulary.encode(text) for text in texts]
        sequences = [self.sequence(one, vocabulary.start) for one in tokens]
        lost = [len(one) + 1 - len(kept) for one, kept in zip(tokens, sequences, strict=True)]
        if not sum(lost):
            return sequences, ""
        count = f"{sum(lost):,} tokens of {sum(map(bool, lost)):,} texts"
        return sequences, f"max_length={self.max_length} drops {count}"

    def sequence(self, tokens: np.ndarray, start: int) -> np.ndarray:
        """The start token and as many of the tokens as `max_length` leaves."""
        return np.concatenate([np.array([start], np.int32), tokens[self.kept(len(tokens))]])

    def kept(self, tokens: int) -> slice:
        """Which of so many tokens of a text are read."""
        room = tokens if self.max_length is None else min(tokens, self.max_length - 1)
        return slice(tokens - room, tokens) if self.trim == "head" else slice(0, room)

    def open(self, vocabulary: Vocabulary, seed: int = 0) -> "PaddedTexts":
        """The batches. A split is read and encoded when it is first asked for.

        Raises:
            DataError: the vocabulary is of other tokens than these.
        """
        check_unit(self.tokens, vocabulary)
        return PaddedTexts(self, vocabulary, seed)


class PaddedTexts:
    """An opened `LabelledTexts`; satisfies `Dataset`."""

    def __init__(self, config: LabelledTexts, vocabulary: Vocabulary, seed: int = 0):
        self.config = config
        self.vocabulary = vocabulary
        self._seed = seed
        self._splits: dict[Split, Sequences] = {}
        self._epoch: tuple[int, list[groups.Rows]] = (-1, [])

    @property
    def batch_size(self) -> int:
        """The number of texts in a training batch."""
        return self.config.batch_size

    @property
    def items_per_batch(self) -> int:
        """The texts of a training batch."""
        return self.config.batch_size

    @property
    def items(self) -> str:
        """Examples."""
        return "examples"

    @property
    def steps_per_epoch(self) -> int:
        """The number of training batches in one pass over the training split."""
        return self._steps

    @property
    def digest(self) -> str:
        """SHA-256 of the sequences and the classes of the training and the validation split.

        Raises:
            DataError: a split cannot be read or has no examples.
        """
        hashed = hashlib.sha256()
        for split in ("train", "validation"):
            encoded = self._encoded(split)
            for sequence in encoded.sequences:
                hashed.update(len(sequence).to_bytes(8))
                hashed.update(sequence.tobytes())
            hashed.update(encoded.labels.tobytes())
        return hashed.hexdigest()

    def facts(self, split: Split) -> dict[str, int | float]:
        """How many tokens lie beyond `max_length`, and the share of unknown ones of those read."""
        encoded = self._encoded(split)
        words = [sequence[1:] for sequence in encoded.sequences]  # behind the start
        return {"dropped_tokens": encoded.dropped, **share_of_unknown(self.vocabulary, words)}

    def describe(self, split: Split = "train") -> str:
        """How a split is read, in one line: shapes, share of padding, what was cut off."""
        encoded = self._encoded(split)
        parts = groups.group(encoded.lengths, self.config.batch_size, self.config.groups)
        cut = groups.batches(parts)
        read = int(encoded.lengths.sum())
        padding = 1 - read / sum(batch.length * batch.rows for batch in cut)
        said = [
            f"{split}: {len(encoded.labels):,} examples of {len(self.vocabulary.classes)} classes",
            f"{read:,} tokens in batches of {len({batch[:2] for batch in cut})} shapes",
            f"{padding:.1%} padding",
            *describe_unknown(self.facts(split)),
        ]
        line = ", ".join(said)
        if encoded.dropped:
            share = encoded.dropped / (read + encoded.dropped)
            line += (
                f"; max_length={self.config.max_length} drops {encoded.dropped:,} tokens "
                f"({share:.1%}) of {encoded.trimmed:,} examples"
            )
        return describe_left_out(line, self.config.source, split)

    def batch(self, index: int) -> LabelledBatch:
        """Training batch number `index`."""
        if index < 0:
            raise IndexError(f"training batches are numbered from 0, got {index}")
        epoch, place = divmod(index, self.steps_per_epoch)
        if self._epoch[0] != epoch:
            random = np.random.default_rng((self._seed, epoch))
            self._epoch = epoch, groups.batches(self._train_groups, random)
        return self._encoded("train").cut(self._epoch[1][place], self.vocabulary.start)

    def evaluation(self, split: Split, batch_size: int | None = None) -> Sequence[LabelledBatch]:
        """The batches of a pass over `split`; each is made when it is asked for.

        Args:
            split: the part of the data.
            batch_size: the most texts in a batch; by default the config's.
        """
        size = self.config.batch_size if batch_size is None else batch_size
        if size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {size}")
        encoded = self._encoded(split)
        cut = groups.batches(groups.group(encoded.lengths, size, self.config.groups))
        return PaddedBatches(encoded, cut, self.vocabulary.start)

    @functools.cached_property
    def _steps(self) -> int:
        return len(groups.batches(self._train_groups))

    @functools.cached_property
    def _train_groups(self) -> list[groups.Group]:
        lengths = self._encoded("train").lengths
        return groups.group(lengths, self.config.batch_size, self.config.groups)

    def _encoded(self, split: Split) -> Sequences:
        if split not in SPLITS:
            raise DataError(f"there is no split {split!r}; the splits are {', '.join(SPLITS)}")
        if split not in self._splits:
            self._splits[split] = _read(self.config, self.vocabulary, split)
        return self._splits[split]


def _read(config: LabelledTexts, vocabulary: Vocabulary, split: Split) -> Sequences:
    """A split as sequences and classes.

    Raises:
        DataError: it has no examples, or one without a label of the vocabulary's classes.
    """
    ids = {name: index for index, name in enumerate(vocabulary.classes)}
    sequences, labels, dropped, trimmed = [], [], 0, 0
    for example in config.source.examples(split):
        tokens = vocabulary.encode(example.text)
        sequence = config.sequence(tokens, vocabulary.start)
        beyond = len(tokens) + 1 - len(sequence)
        sequences.append(sequence)
        labels.append(_class_of(example, ids))
        dropped += beyond
        trimmed += beyond > 0
    if not sequences:
        raise DataError(f"the {split} split of {config.source} has no examples")
    lengths = np.array([len(sequence) for sequence in sequences])
    return Sequences(sequences, lengths, np.array(labels, np.int32), dropped, trimmed)


def _class_of(example: Example, ids: dict[str, int]) -> int:
    if example.label is None:
        raise DataError(
            f"{example.place}: no label; a classifier learns from and is measured on labelled text"
        )
    if example.label not in ids:
        raise DataError(f"{example.place}: label {example.label!r} is not one of {', '.join(ids)}")
    return ids[example.label]
