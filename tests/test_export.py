"""A training step compiles for every platform, none of which has to be here."""

from typing import Any

import jax
import jax.export
import pytest

from lstm_jax.data import TextWindows
from lstm_jax.modules import structure
from lstm_jax.optimization.optimizers import Optimizer
from lstm_jax.recurrence import backend
from lstm_jax.tasks import LanguageModeling
from lstm_jax.training import step as training
from tests.cells.table import CELLS
from tests.data.sources import Documents

PLATFORMS = ("cpu", "cuda", "tpu")
DATA = TextWindows(
    source=Documents(train=("to be or not to be " * 5,)),
    tokens="characters",
    batch_size=2,
    window=3,
)
PREPROCESSOR = DATA.fit()
DATASET = DATA.open(PREPROCESSOR)
BATCHES = training.stack([DATASET.batch(0), DATASET.batch(1)])


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
def test_a_training_step_is_exported_for_every_platform(cell):
    task = LanguageModeling(cell=cell, layers=1, dropout=0.5, init_scale=0.1)
    optimizer = Optimizer("adam", clip_norm=1.0)
    graph = structure(lambda rngs: task.build(rngs, PREPROCESSOR))[0]
    train_steps = training.make_train_steps(task, optimizer, graph, steps_per_epoch=10, seed=0)
    state = jax.eval_shape(lambda: first_state(task, optimizer))
    leaves, tree = jax.tree.flatten((state, BATCHES))

    # Only plain containers can be serialized.
    def steps(leaves: list[Any]) -> list[Any]:
        return jax.tree.leaves(train_steps(*jax.tree.unflatten(tree, leaves)))

    with backend.use("scan"):
        exported = jax.export.export(jax.jit(steps), platforms=PLATFORMS)(leaves)
    again = jax.export.deserialize(exported.serialize())
    assert again.platforms == PLATFORMS
    assert len(again.out_avals) == len(jax.tree.leaves(state)) + 2  # and the loss and the norm


def first_state(task: Any, optimizer: Any) -> Any:
    batch = DATASET.batch(0)
    return training.init_state(
        task, optimizer, PREPROCESSOR, batch, batch_size=2, steps_per_epoch=10, seed=0
    )[1]
