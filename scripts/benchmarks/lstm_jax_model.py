"""The training step of lstm_jax, for a model whose weights are given or for a random one."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax import Experiment
from lstm_jax.data import SeriesBatch, SeriesPreprocessor, SeriesWindows
from lstm_jax.data.padded import PaddedBatch
from lstm_jax.data.preprocessing import Preprocessor
from lstm_jax.data.series.panel import Schema
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
    experiment: Experiment, sizes: Any, example: tuple[np.ndarray, ...]
) -> tuple[training.TrainState, training.TrainSteps]:
    """The state before the first step, and the training steps, at a constant learning rate.

    Args:
        experiment: what is trained, and how.
        sizes: of the model; of texts `sizes.vocabulary` is the number of different tokens.
        example: any batch, as `make_batches` of the model's module makes it.
    """
    task, optimizer = experiment.task, experiment.optimizer
    # A schedule may begin at zero, and the other libraries have none.
    optimizer = dataclasses.replace(optimizer, schedule=Constant())
    graph, state = training.init_state(
        task,
        optimizer,
        _preprocessor(experiment, sizes),
        _batch(task, example),
        batch_size=example[0].shape[1],
        steps_per_epoch=1,
        seed=experiment.seed,
    )
    seed = experiment.seed
    return state, training.make_train_steps(task, optimizer, graph, steps_per_epoch=1, seed=seed)


def _preprocessor(experiment: Experiment, sizes: Any) -> Preprocessor:
    if isinstance(experiment.data, SeriesWindows):
        return _series_preprocessor(experiment.data, sizes.channels)
    vocabulary = Vocabulary(tuple(words(sizes.vocabulary)), "words")
    if experiment.task.BATCH is PaddedBatch:
        return LabelledTextPreprocessor(vocabulary, CLASSES)
    return TextPreprocessor(vocabulary)


def _series_preprocessor(data: SeriesWindows, channels: int) -> SeriesPreprocessor:
    """What would be learned of one series that is scaled already."""
    names = tuple(map(str, range(channels)))
    return SeriesPreprocessor(
        schema=Schema("h", 0, None, names),
        context=data.context,
        horizon=data.horizon,
        season=data.season,
        scaling=data.scaling,
        calendar=data.calendar,
        standardised=data.standardised,
        items=("series",),
        center=((0.0,) * channels,),
        scale=((1.0,) * channels,),
        deviation=(1.0,) * channels,
    )


def stack(task: Task, batches: Sequence[tuple[np.ndarray, ...]]) -> Any:
    """Batches as the training steps of `prepare` take them."""
    return training.stack([_batch(task, batch) for batch in batches])


def build(model: Any, sizes: Any, experiment: Experiment, chosen: Any) -> Train:
    """Training under a backend, with as many steps in a dispatch as the experiment says.

    Args:
        model: the module `language_model`, `classifier` or `forecaster`, which has the weights.
        sizes: what it is told.
        experiment: what the sizes are those of.
        chosen: the backend.
    """
    (example,) = model.make_batches(sizes, 1)
    with backend.use(chosen):
        state, train_steps = prepare(experiment, sizes, example)
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
    if task.BATCH is SeriesBatch:
        return _series_batch(*arrays, mask=mask, place=place)
    return WindowBatch(*arrays, mask=mask, start=np.bool_(False), place=place)


def _series_batch(
    values: np.ndarray,
    targets: np.ndarray,
    covariates: np.ndarray,
    future: np.ndarray,
    *,
    mask: np.ndarray,
    place: np.ndarray,
) -> SeriesBatch:
    """Windows of one series, of which every value was observed."""
    one, nothing = np.ones_like(values[0]), np.zeros_like(place)
    return SeriesBatch(
        values=values,
        observed=mask,
        covariates=covariates,
        future=future,
        targets=targets,
        weight=np.ones_like(targets),
        center=np.zeros_like(one),
        scale=one,
        naive_error=one,
        reference=np.full((len(place), 2), np.nan, np.float32),
        item=nothing,
        phase=nothing,
        padding=nothing,
        place=place,
    )
