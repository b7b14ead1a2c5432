"""The whole loop of lstm_jax around a language model or a forecaster, timed while it trains."""

import dataclasses
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

import lstm_jax
from lstm_jax import Experiment
from lstm_jax.data import Data, Panel, SeriesSource, SeriesWindows, TextWindows, TimeSplit
from lstm_jax.data.preprocessing import Preprocessor
from lstm_jax.data.sources import Split
from lstm_jax.data.text.corpora import TextSource
from scripts.benchmarks import forecaster, language_model
from scripts.benchmarks.lstm_jax_model import words

STEPS = 400_000
"""Of a random series: hours of 45 years, of which no epoch comes to its end while it is timed."""


def tokens_per_second(experiment: Experiment, sizes: language_model.Sizes, seconds: float) -> float:
    """The speed of `lstm_jax.train`: reading, training steps, logging, all that its loop does.

    It trains on random words until `seconds` are measured, the first two dispatches not counted.
    That is less than an epoch, so no evaluation is among them.
    """
    data = experiment.data
    assert isinstance(data, TextWindows)
    timed = TimedWindows(
        source=RandomWords(sizes.vocabulary),
        batch_size=data.batch_size,
        window=data.window,
        dispatch=experiment.steps_per_dispatch,
        seconds=seconds,
    )
    return _batches_per_second(experiment, timed) * sizes.window * sizes.batch


def windows_per_second(experiment: Experiment, sizes: forecaster.Sizes, seconds: float) -> float:
    """The same with a forecaster, on a random series."""
    data = experiment.data
    assert isinstance(data, SeriesWindows)
    names = ("context", "horizon", "season", "scaling", "calendar", "batch_size", "standardised")
    timed = TimedSeries(
        source=RandomSeries(sizes.channels),
        split=TimeSplit(),
        dispatch=experiment.steps_per_dispatch,
        seconds=seconds,
        **{name: getattr(data, name) for name in names},
    )
    return _batches_per_second(experiment, timed) * sizes.batch


def _batches_per_second(experiment: Experiment, data: Data) -> float:
    # A rest of steps before a record would compile a second program within the time measured.
    size = experiment.steps_per_dispatch
    log_every = -(-experiment.log_every // size) * size
    experiment = dataclasses.replace(experiment, data=data, log_every=log_every)
    with tempfile.TemporaryDirectory() as workdir:
        try:
            lstm_jax.train(experiment, workdir)
        except _EnoughMeasuredError as enough:
            return enough.batches / enough.seconds
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
class RandomSeries(SeriesSource):
    """One series of numbers between 1 and 2, hour by hour."""

    channels: int = 1

    def panel(self) -> Panel:
        """The series."""
        values = np.random.default_rng(0).uniform(1, 2, (STEPS, self.channels))
        return Panel.from_arrays(values, frequency="h", start="1980-01-01")


@dataclasses.dataclass(frozen=True)
class TimedWindows(TextWindows):
    """Windows that stop the training when they have been read for long enough."""

    dispatch: int = 1
    """The clock is read before each so many batches, and starts at the third time."""
    seconds: float = 1.0

    def open(self, preprocessor: Preprocessor, seed: int = 0) -> Any:
        """The batches."""
        return _timed(super().open(preprocessor, seed), self.dispatch, self.seconds)


@dataclasses.dataclass(frozen=True)
class TimedSeries(SeriesWindows):
    """The same of series."""

    dispatch: int = 1
    seconds: float = 1.0

    def open(self, preprocessor: Preprocessor, seed: int = 0) -> Any:
        """The batches."""
        return _timed(super().open(preprocessor, seed), self.dispatch, self.seconds)


def _timed(dataset: Any, dispatch: int, seconds: float) -> Any:
    """The dataset, whose batches end the training once they have been read for so long."""
    read, started = dataset.batch, 0.0

    def batch(index: int) -> Any:
        nonlocal started
        measured = index - 2 * dispatch
        if measured == 0:
            started = time.perf_counter()
        elif measured > 0 and measured % dispatch == 0:
            elapsed = time.perf_counter() - started
            if elapsed >= seconds:
                raise _EnoughMeasuredError(measured, elapsed)
        return read(index)

    dataset.batch = batch
    return dataset


class _EnoughMeasuredError(Exception):
    def __init__(self, batches: int, seconds: float):
        super().__init__()
        self.batches, self.seconds = batches, seconds
