"""The whole loop of lstm_jax around a language model, timed while it trains."""

import dataclasses
import tempfile
import time
from collections.abc import Iterator

import numpy as np

import lstm_jax
from lstm_jax import Experiment
from lstm_jax.data import TextWindows
from lstm_jax.data.preprocessing import Preprocessor
from lstm_jax.data.sources import Split
from lstm_jax.data.text.corpora import TextSource
from lstm_jax.data.text.preprocessors import TextPreprocessor
from lstm_jax.data.windows import TokenWindows, WindowBatch
from scripts.benchmarks.language_model import Sizes
from scripts.benchmarks.lstm_jax_model import words


def tokens_per_second(experiment: Experiment, sizes: Sizes, seconds: float) -> float:
    """The speed of `lstm_jax.train`: reading, training steps, logging, all that its loop does.

    It trains on random words until `seconds` are measured, the first two dispatches not counted.
    That is less than an epoch, so no evaluation is among them.
    """
    size = experiment.steps_per_dispatch
    data = experiment.data
    assert isinstance(data, TextWindows)
    timed = TimedWindows(
        source=RandomWords(sizes.vocabulary),
        batch_size=data.batch_size,
        window=data.window,
        dispatch=size,
        seconds=seconds,
    )
    # A rest of steps before a record would compile a second program within the time measured.
    log_every = -(-experiment.log_every // size) * size
    experiment = dataclasses.replace(experiment, data=timed, log_every=log_every)
    with tempfile.TemporaryDirectory() as workdir:
        try:
            lstm_jax.train(experiment, workdir)
        except _EnoughMeasuredError as enough:
            return enough.batches * sizes.window * sizes.batch / enough.seconds
    raise RuntimeError("the experiment ended before it was measured: give it more epochs")


@dataclasses.dataclass(frozen=True)
class RandomWords(TextSource):
    """Text of as many distinct words as wanted, 93 times as long, as the Penn Treebank is."""

    vocabulary: int = 10_000

    def documents(self, split: Split) -> Iterator[str]:
        """One document. Every word occurs in it."""
        known = words(self.vocabulary)[2:]  # a vocabulary adds the first two itself
        length = 93 * self.vocabulary if split == "train" else self.vocabulary
        ids = np.random.default_rng(0).integers(0, len(known), length)
        yield " ".join([*known, *(known[i] for i in ids)])


@dataclasses.dataclass(frozen=True)
class TimedWindows(TextWindows):
    """Windows that stop the training when they have been read for long enough."""

    dispatch: int = 1
    """The clock is read before each so many batches, and starts at the third time."""
    seconds: float = 1.0

    def open(self, preprocessor: Preprocessor, seed: int = 0) -> TokenWindows:
        """The batches."""
        del seed
        assert isinstance(preprocessor, TextPreprocessor)
        return _TimedTokenWindows(self, preprocessor)


class _TimedTokenWindows(TokenWindows):
    def __init__(self, config: TimedWindows, preprocessor: TextPreprocessor):
        super().__init__(config, preprocessor)
        self._dispatch, self._seconds, self._started = config.dispatch, config.seconds, 0.0

    def batch(self, index: int) -> WindowBatch:
        measured = index - 2 * self._dispatch
        if measured == 0:
            self._started = time.perf_counter()
        elif measured > 0 and measured % self._dispatch == 0:
            elapsed = time.perf_counter() - self._started
            if elapsed >= self._seconds:
                raise _EnoughMeasuredError(measured, elapsed)
        return super().batch(index)


class _EnoughMeasuredError(Exception):
    def __init__(self, batches: int, seconds: float):
        super().__init__()
        self.batches, self.seconds = batches, seconds
