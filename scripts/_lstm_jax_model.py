"""The same language model in lstm_jax: its training step alone, and the whole loop around it."""

import dataclasses
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from _models import ModelWeights, Sizes, Train, Windows
from _weights import lstm_jax_params

import lstm_jax
from lstm_jax import Experiment, training
from lstm_jax.cells import LSTM
from lstm_jax.data import TextWindows
from lstm_jax.data.base import Source, Split
from lstm_jax.data.vocabulary import Vocabulary
from lstm_jax.data.windows import TokenWindows, WindowBatch
from lstm_jax.errors import ConfigError
from lstm_jax.tasks import LanguageModeling


def sizes_of(experiment: Experiment, vocabulary: int) -> Sizes:
    """What the plain models need to be told to train as the experiment does.

    Raises:
        ConfigError: they cannot, because the experiment is not of the kind they are written for.
    """
    task, data, optimizer = experiment.task, experiment.data, experiment.optimizer
    if not (
        isinstance(task, LanguageModeling)
        and type(task.cell) is LSTM
        and isinstance(data, TextWindows)
        and task.embedding is None
        and not task.tied
        and task.reduction == "sum_over_time"
        and optimizer.name == "sgd"
        and optimizer.clip_norm
    ):
        raise ConfigError(
            "the plain models are LSTM language models trained as in configs/lm_ptb_*.py"
        )
    return Sizes(
        vocabulary=vocabulary,
        hidden=task.cell.hidden,
        layers=task.layers,
        window=data.window,
        batch=data.batch_size,
        dropout=task.dropout,
        clip_norm=optimizer.clip_norm,
        learning_rate=optimizer.learning_rate,
    )


def lstm_jax_model(experiment: Experiment, sizes: Sizes, weights: ModelWeights) -> Train:
    """`lstm_jax.training`, with as many steps in a dispatch as the experiment says."""
    vocabulary = Vocabulary(tuple(_words(sizes.vocabulary)), "words")
    steps_per_epoch = 1_000_000  # so that the learning rate stays at its first value
    example = _window_batch(*np.zeros((2, sizes.window, sizes.batch), np.int32))
    graph, state = training.init_state(
        experiment.task,
        experiment.optimizer,
        vocabulary,
        example,
        batch_size=sizes.batch,
        steps_per_epoch=steps_per_epoch,
        seed=experiment.seed,
    )
    params = {
        "embedding": {"table": weights.embedding},
        "stack": {
            "layers": {index: lstm_jax_params(one) for index, one in enumerate(weights.layers)}
        },
        "softmax": {"kernel": weights.softmax_kernel, "bias": weights.softmax_bias},
    }
    state = state._replace(params=jax.tree.map(jnp.array, params))
    train_steps = training.make_train_steps(
        experiment.task,
        experiment.optimizer,
        graph,
        steps_per_epoch=steps_per_epoch,
        seed=experiment.seed,
    )
    size = experiment.steps_per_dispatch

    def train(windows: Windows) -> np.ndarray:
        nonlocal state
        losses = []
        for first in range(0, len(windows), size):
            batches = [_window_batch(*window) for window in windows[first : first + size]]
            state, report = train_steps(state, training.stack(batches))
            losses.append(report.loss)
        jax.block_until_ready(state)
        return np.concatenate(losses)

    return train


def runner_tokens_per_second(experiment: Experiment, sizes: Sizes, seconds: float) -> float:
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
class RandomWords(Source):
    """Text of as many distinct words as wanted, 93 times as long, as the Penn Treebank is."""

    vocabulary: int = 10_000

    def documents(self, split: Split) -> Iterator[str]:
        """One document. Every word occurs in it."""
        words = _words(self.vocabulary)[2:]  # a vocabulary adds the first two itself
        length = 93 * self.vocabulary if split == "train" else self.vocabulary
        ids = np.random.default_rng(0).integers(0, len(words), length)
        yield " ".join([*words, *(words[i] for i in ids)])


@dataclasses.dataclass(frozen=True)
class TimedWindows(TextWindows):
    """Windows that stop the training when they have been read for long enough."""

    dispatch: int = 1
    """The clock is read before each so many batches, and starts at the third time."""
    seconds: float = 1.0

    def open(self, vocabulary: Vocabulary, seed: int = 0) -> TokenWindows:
        """The batches."""
        del seed
        return _TimedTokenWindows(self, vocabulary)


class _TimedTokenWindows(TokenWindows):
    def __init__(self, config: TimedWindows, vocabulary: Vocabulary):
        super().__init__(config, vocabulary)
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


def _window_batch(inputs: np.ndarray, targets: np.ndarray) -> Any:
    mask = np.ones(inputs.shape, np.float32)
    return WindowBatch(inputs, targets, mask, np.bool_(False))


def _words(count: int) -> list[str]:
    return ["<unk>", "<eos>", *(f"w{index}" for index in range(count - 2))]
