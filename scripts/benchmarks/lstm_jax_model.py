"""The training step of lstm_jax, for a model whose weights are given or for a random one."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax import Experiment
from lstm_jax.data.padded import PaddedBatch
from lstm_jax.data.preprocessing import Preprocessor
from lstm_jax.data.text.preprocessors import LabelledTextPreprocessor, TextPreprocessor
from lstm_jax.data.text.vocabulary import Vocabulary
from lstm_jax.data.windows import WindowBatch
from lstm_jax.optimization.schedules import Constant
from lstm_jax.recurrence import backend
from lstm_jax.runtime.memory import release_freed_memory
from lstm_jax.tasks import Task
from lstm_jax.training import step as training
from scripts.benchmarks.classifier import CLASSES
from scripts.benchmarks.measuring import Train


def prepare(
    experiment: Experiment, vocabulary: int, example: tuple[np.ndarray, ...]
) -> tuple[training.TrainState, training.TrainSteps]:
    """The state before the first step, and the training steps, at a constant learning rate.

    Args:
        experiment: what is trained, and how.
        vocabulary: different tokens.
        example: any batch, as `language_model.make_batches` or that of `classifier` makes it.
    """
    task, optimizer = experiment.task, experiment.optimizer
    # A schedule may begin at zero, and the other libraries have none.
    optimizer = dataclasses.replace(optimizer, schedule=Constant())
    graph, state = training.init_state(
        task,
        optimizer,
        _preprocessor(task, Vocabulary(tuple(words(vocabulary)), "words")),
        _batch(task, example),
        batch_size=example[0].shape[1],
        steps_per_epoch=1,
        seed=experiment.seed,
    )
    seed = experiment.seed
    return state, training.make_train_steps(task, optimizer, graph, steps_per_epoch=1, seed=seed)


def _preprocessor(task: Task, vocabulary: Vocabulary) -> Preprocessor:
    if task.BATCH is PaddedBatch:
        return LabelledTextPreprocessor(vocabulary, CLASSES)
    return TextPreprocessor(vocabulary)


def stack(task: Task, batches: Sequence[tuple[np.ndarray, ...]]) -> Any:
    """Batches as the training steps of `prepare` take them."""
    return training.stack([_batch(task, batch) for batch in batches])


def build(model: Any, sizes: Any, experiment: Experiment, chosen: Any) -> Train:
    """Training under a backend, with as many steps in a dispatch as the experiment says.

    Args:
        model: the module `language_model` or `classifier`, which has the weights.
        sizes: what it is told.
        experiment: what the sizes are those of.
        chosen: the backend.
    """
    (example,) = model.make_batches(sizes, 1)
    with backend.use(chosen):
        state, train_steps = prepare(experiment, sizes.vocabulary, example)
    params = model.lstm_jax_params(model.make_weights(sizes))
    params = jax.tree.map(jnp.array, params)
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, state.params)
    state = state._replace(params=params)
    release_freed_memory()  # as `lstm_jax.train` does
    size = experiment.steps_per_dispatch

    def train(batches: Sequence[tuple[np.ndarray, ...]]) -> np.ndarray:
        nonlocal state
        losses = []
        with backend.use(chosen):
            for first in range(0, len(batches), size):
                stacked = stack(experiment.task, batches[first : first + size])
                state, report = train_steps(state, stacked)
                losses.append(report.loss)
        jax.block_until_ready(state)
        return np.concatenate(losses)

    return train


def words(count: int) -> list[str]:
    """So many different words, the first of them those that every vocabulary has."""
    return ["<unk>", "<eos>", *(f"w{index}" for index in range(count - 2))]


def _batch(task: Task, arrays: tuple[np.ndarray, ...]) -> Any:
    place = np.arange(arrays[0].shape[1], dtype=np.int32)
    if task.BATCH is PaddedBatch:
        return PaddedBatch(*arrays, mask=np.ones(len(place), np.float32), place=place)
    mask = np.ones(arrays[0].shape, np.float32)
    return WindowBatch(*arrays, mask=mask, start=np.bool_(False), place=place)
