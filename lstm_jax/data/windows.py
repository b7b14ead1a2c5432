"""Windows for truncated backpropagation through time, cut from one stream of tokens."""

import dataclasses
import hashlib
import numbers
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, overload

import numpy as np

from lstm_jax.data.base import Data
from lstm_jax.data.preprocessing import Preprocessor
from lstm_jax.data.sources import SPLITS, Example, Source, Split, describe_left_out
from lstm_jax.data.text import tokenization
from lstm_jax.data.text.before import read_vocabulary
from lstm_jax.data.text.corpora import PythonDocumentation
from lstm_jax.data.text.documents import joined, texts_of
from lstm_jax.data.text.given import examples_of
from lstm_jax.data.text.preprocessors import TextPreprocessor, check_unit, fit_vocabulary
from lstm_jax.data.text.tokenization import Unit
from lstm_jax.errors import ConfigError, DataError


class WindowBatch(NamedTuple):
    """Consecutive tokens of several columns: `inputs[:t + 1]` are to predict `targets[t]`."""

    inputs: np.ndarray
    """int32 [time, batch]: the token before each target."""
    targets: np.ndarray
    """int32 [time, batch]"""
    mask: np.ndarray
    """float32 [time, batch]: 1 where the target counts, 0 where it is padding."""
    start: np.bool_
    """Whether the carry starts afresh; otherwise it goes on from the batch before."""
    place: np.ndarray
    """int32 [batch]: the number of each column, -1 where it only fills up."""

    def take(self, columns: np.ndarray) -> "WindowBatch":
        """The batch of some of the columns."""
        inputs, targets, mask = (array[:, columns] for array in self[:3])
        return WindowBatch(inputs, targets, mask, self.start, self.place[columns])


@dataclasses.dataclass(frozen=True)
class TextWindows(Data):
    """Text as one stream of tokens, read by several columns side by side.

    Every token is predicted from those before it, the first from `vocabulary.start`, so that N
    tokens give N predictions. Documents follow each other, parted by a newline where the text has
    none.

    Training (Zaremba, Sutskever and Vinyals 2014): column b is block b of `N // batch_size`
    consecutive predictions, and a batch is the next `window` of each column. What is left over at
    the end, less than `batch_size * (window + 1)` predictions, is dropped: the same ones in every
    epoch.

    Evaluation: columns of `ceil(N / batch)`, of which every prediction counts exactly once.

    Raises:
        ConfigError: a size below 1.
    """

    BEFORE: ClassVar[Mapping[str, Any]] = {"rules": 1}
    FITTED: ClassVar[tuple[str, ...]] = ("max_vocabulary", "min_count", "rules")

    source: Source = dataclasses.field(default_factory=PythonDocumentation)
    tokens: Unit = "words"
    batch_size: int = 20
    """Columns in a batch of training, and of evaluation on the train and validation splits."""
    window: int = 35
    """Time steps in a batch of training: how far backpropagation reaches."""
    evaluation_window: int = 200
    """Time steps in a batch of evaluation. The result does not depend on it."""
    test_batch_size: int = 1
    """Columns in a batch of evaluation on the test split. Every column starts without context."""
    max_vocabulary: int | None = None
    """The most tokens the vocabulary may have; None: no limit."""
    min_count: int = 1
    """How often a token must occur in the training split to be in the vocabulary."""
    rules: int = tokenization.RULES
    """The number of the rules by which prose is cut; see `tokenization.RULES`."""

    def __post_init__(self):
        tokenization.check_rules(self.rules)
        for name in ("batch_size", "window", "evaluation_window", "test_batch_size", "min_count"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")

    def documents(self, split: Split) -> Iterator[str]:
        """The one text of a split, in pieces."""
        return joined(texts_of(self.source, split))

    def fit(self, given: Preprocessor | None = None) -> TextPreprocessor:
        """The vocabulary of the training split, or that of the preprocessor which is given."""
        return TextPreprocessor(fit_vocabulary(self, given))

    def open(self, preprocessor: Preprocessor, seed: int = 0) -> "TokenWindows":
        """The batches. A split is read and encoded when it is first asked for.

        Nothing is random here: text is read in its order.

        Raises:
            DataError: the preprocessor is of other tokens than these.
        """
        del seed
        if not isinstance(preprocessor, TextPreprocessor):
            raise DataError(f"a text is not read by a {type(preprocessor).__name__}")
        check_unit(self.tokens, preprocessor.vocabulary)
        return TokenWindows(self, preprocessor)

    def read(self, given: Any, column: str | None = None) -> Iterable[Example]:
        """Texts, in any iterable that has an order, or the lines of an open file."""
        return examples_of(given, column)

    def show(self, example: Example) -> dict[str, Any]:
        """The text."""
        return {"text": example.inputs}

    def restore(self, text: str) -> TextPreprocessor:
        """That of a run of before."""
        return TextPreprocessor(read_vocabulary(text)[0])


class TokenWindows:
    """An opened `TextWindows`; satisfies `Dataset`."""

    def __init__(self, config: TextWindows, preprocessor: TextPreprocessor):
        self.config = config
        self.preprocessor = preprocessor
        self.vocabulary = preprocessor.vocabulary
        self._streams: dict[Split, np.ndarray] = {}
        self._training: _Columns | None = None

    @property
    def batch_size(self) -> int:
        """The number of columns in a training batch."""
        return self.config.batch_size

    @property
    def items_per_batch(self) -> int:
        """Tokens predicted in a training batch."""
        return self.config.batch_size * self.config.window

    @property
    def items(self) -> str:
        """Tokens."""
        return "tokens"

    @property
    def steps_per_epoch(self) -> int:
        """The number of windows in a training column.

        Raises:
            ConfigError: the text is too short for one.
        """
        return self._train().length // self.config.window

    @property
    def digest(self) -> str:
        """SHA-256 of the tokens of the training and the validation split.

        Raises:
            DataError: a split cannot be read or has no tokens.
        """
        hashed = hashlib.sha256()
        for split in ("train", "validation"):
            hashed.update(self._stream(split).tobytes())
        return hashed.hexdigest()

    def describe(self, split: Split = "train") -> str:
        """How a split is read, in one line."""
        parts = [
            f"{split}: {len(self.tokens(split)):,} tokens over a vocabulary of "
            f"{len(self.vocabulary):,} {self.vocabulary.unit}",
            *self.preprocessor.describe_facts(self.facts(split)),
            f"in {self.config.batch_size} columns",
        ]
        return describe_left_out(", ".join(parts), self.config.source, split)

    def facts(self, split: Split) -> Mapping[str, int | float]:
        """The share of the tokens that the vocabulary lacks."""
        return self.preprocessor.facts([self.tokens(split)])

    def tokens(self, split: Split) -> np.ndarray:
        """The ids of all tokens of a split, int32 [tokens].

        Raises:
            DataError: the split cannot be read or has no tokens.
        """
        return self._stream(split)[1:]

    def batch(self, index: int) -> WindowBatch:
        """Training batch number `index`, of `window` time steps and `batch_size` columns."""
        if index < 0:
            raise IndexError(f"training batches are numbered from 0, got {index}")
        return self._train().cut(index % self.steps_per_epoch, self.config.window)

    def evaluation(self, split: Split, batch_size: int | None = None) -> Sequence[WindowBatch]:
        """The batches of a pass over `split`; each is made when it is asked for.

        Args:
            split: the part of the data.
            batch_size: the number of columns, at most one for each token. By default the config's
                `test_batch_size` for the test split and `batch_size` for the others.
        """
        if batch_size is None:
            config = self.config
            batch_size = config.test_batch_size if split == "test" else config.batch_size
        if not isinstance(batch_size, numbers.Integral):
            raise ConfigError(f"batch_size must be a whole number, got {batch_size!r}")
        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {batch_size}")
        stream = self._stream(split)
        count = len(stream) - 1
        columns = min(batch_size, count)
        length = -(-count // columns)
        return _Evaluation(_Columns(stream, columns, length), self.config.evaluation_window)

    def _train(self) -> "_Columns":
        if self._training is None:
            columns, window = self.config.batch_size, self.config.window
            stream = self._stream("train")
            length = (len(stream) - 1) // columns
            if length < window:
                raise ConfigError(
                    f"the training text has {len(stream) - 1} {self.config.tokens}, but batch_size "
                    f"{columns} times window {window} needs {columns * window}: make one smaller"
                )
            self._training = _Columns(stream, columns, length)
        return self._training

    def _stream(self, split: Split) -> np.ndarray:
        """The start token followed by the tokens of the split."""
        if split not in SPLITS:
            raise DataError(f"there is no split {split!r}; the splits are {', '.join(SPLITS)}")
        if split not in self._streams:
            pieces = [np.array([self.vocabulary.start], np.int32)]
            pieces += map(self.vocabulary.encode, self.config.documents(split))
            stream = np.concatenate(pieces)
            if len(stream) == 1:
                raise DataError(f"the {split} split of {self.config.source} has no tokens")
            stream.flags.writeable = False
            self._streams[split] = stream
        return self._streams[split]


class _Columns:
    """A stream as `columns` blocks of `length` consecutive predictions each, padded at the end."""

    def __init__(self, stream: np.ndarray, columns: int, length: int):
        self.length = length
        self.count = len(stream) - 1
        total = columns * length
        if total > self.count:
            stream = np.pad(stream, (0, total - self.count))
        # Views: transposing costs nothing here, and a window is copied when it is cut.
        self.inputs = stream[:total].reshape(columns, length).T
        self.targets = stream[1 : total + 1].reshape(columns, length).T
        self.first = np.arange(columns) * length

    def cut(self, index: int, window: int) -> WindowBatch:
        """Window number `index`, padded where the columns or the stream end before it does."""
        begin = index * window
        end = min(begin + window, self.length)
        inputs = self.inputs[begin:end].copy()
        targets = self.targets[begin:end].copy()
        mask = np.ones(inputs.shape, np.float32)
        if self.first[-1] + end > self.count:
            mask[np.arange(begin, end)[:, None] + self.first >= self.count] = 0
        if end < begin + window:
            after = ((0, begin + window - end), (0, 0))
            inputs, targets, mask = (np.pad(array, after) for array in (inputs, targets, mask))
        number = np.arange(inputs.shape[1], dtype=np.int32)
        place = np.where(self.first < self.count, number, np.int32(-1))
        return WindowBatch(inputs, targets, mask, np.bool_(index == 0), place)


class _Evaluation(Sequence[WindowBatch]):
    """The windows of `_Columns`, all of one shape."""

    def __init__(self, columns: _Columns, window: int):
        self.columns = columns
        self.window = min(window, columns.length)

    def __len__(self) -> int:
        return -(-self.columns.length // self.window)

    @overload
    def __getitem__(self, index: int) -> WindowBatch: ...
    @overload
    def __getitem__(self, index: slice) -> list[WindowBatch]: ...
    def __getitem__(self, index: int | slice) -> WindowBatch | list[WindowBatch]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self.columns.cut(range(len(self))[index], self.window)
