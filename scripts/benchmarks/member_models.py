"""Several settings of one small language model, trained in one program or one after the other."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax import Experiment
from lstm_jax.cells import LSTM
from lstm_jax.data import TextWindows
from lstm_jax.optimization.optimizers import Optimizer
from lstm_jax.recurrence import backend
from lstm_jax.tasks import LanguageModeling
from lstm_jax.training import step as training
from scripts.benchmarks import lstm_jax_model
from scripts.benchmarks.language_model import make_windows
from scripts.benchmarks.measuring import Train


class Sizes(NamedTuple):
    """All that the models need to be told; they differ in their learning rates alone."""

    members: int = 8
    hidden: int = 64
    batch: int = 16
    window: int = 32
    vocabulary: int = 100
    """As many as characters: a small model of words would be all softmax."""


def build(way: str, sizes: Sizes, chosen: Any) -> Train:
    """Training of all members on the same batches; it gives losses [members, steps].

    Args:
        way: "vmap": `jax.vmap` of the library's training step over the states of all members, in
            one compiled program; "in_turn": one member after the other, with one program compiled
            for all of them.
        sizes: of the members.
        chosen: the backend.
    """
    experiment = Experiment(
        task=LanguageModeling(LSTM(hidden=sizes.hidden), layers=1),
        data=TextWindows(batch_size=sizes.batch, window=sizes.window),
        optimizer=Optimizer("sgd", learning_rate=1.0, clip_norm=1.0),
        steps=1,
    )
    example = np.zeros((sizes.window, sizes.batch), np.int32)
    with backend.use(chosen):
        state, steps = lstm_jax_model.prepare(experiment, sizes, (example, example))
    train_all = {"vmap": _vmapped, "in_turn": _in_turn}[way](state, steps, sizes.members)

    def train(batches: Sequence[tuple[np.ndarray, ...]]) -> np.ndarray:
        with backend.use(chosen):
            return train_all(lstm_jax_model.stack(experiment.task, batches))

    return train


def make_batches(sizes: Sizes, steps: int) -> Sequence[tuple[np.ndarray, ...]]:
    """Random token ids and targets [time, batch], a window for each step."""
    return make_windows(steps, sizes.window, sizes.batch, sizes.vocabulary)


def _vmapped(state: training.TrainState, train_steps: training.TrainSteps, members: int) -> Any:
    states = jax.vmap(_at_rate, in_axes=(None, 0))(state, _rates(members))
    run = jax.jit(jax.vmap(train_steps, in_axes=(0, None)), donate_argnums=0)

    def train(batches: Any) -> np.ndarray:
        nonlocal states
        states, report = run(states, batches)
        jax.block_until_ready(states)
        return np.array(report.loss)

    return train


def _in_turn(state: training.TrainState, train_steps: training.TrainSteps, members: int) -> Any:
    states = [training.own(_at_rate(state, rate)) for rate in _rates(members)]

    def train(batches: Any) -> np.ndarray:
        losses = []
        for index, one in enumerate(states):
            states[index], report = train_steps(one, batches)
            losses.append(report.loss)
        jax.block_until_ready(states)
        return np.stack(losses)

    return train


def _rates(members: int) -> jax.Array:
    """A learning rate for each member, from 1 downwards."""
    return 0.8 ** jnp.arange(members, dtype=jnp.float32)


def _at_rate(state: training.TrainState, rate: jax.Array) -> training.TrainState:
    return state._replace(progress=state.progress._replace(learning_rate_scale=rate))
