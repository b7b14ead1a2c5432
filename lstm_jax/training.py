"""One optimizer step, several in one dispatch, and evaluation: pure functions, compiled once."""

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Bool, Float, Int

from lstm_jax.data.vocabulary import Vocabulary
from lstm_jax.metrics import Mean
from lstm_jax.modules import Graph, initialize, merge
from lstm_jax.optimizers import Optimizer
from lstm_jax.schedules import Plateau
from lstm_jax.tasks.base import Score, Task
from lstm_jax.types import Array, Batch, Carry, Params

GRADIENT_NORM = "gradient_norm"


class Progress(NamedTuple):
    """What the loop decides by; it changes at evaluations only."""

    evaluated_step: Int[Array, ""]
    """The step of the last evaluation, 0 before the first."""
    best_step: Int[Array, ""]
    best_score: Float[Array, ""]
    evaluations_since_best: Int[Array, ""]
    plateau_evaluations: Int[Array, ""]
    """Evaluations without improvement since the learning rate was last lowered."""
    learning_rate_scale: Float[Array, ""]


class TrainState(NamedTuple):
    """All that a checkpoint holds; batches and random keys follow from the step."""

    step: Int[Array, ""]
    params: Params
    optimizer_state: Any
    carry: Carry
    metrics: dict[str, Mean]
    """Sums since the last record in the log."""
    progress: Progress


class Report(NamedTuple):
    """What each step of a dispatch tells the loop."""

    loss: Float[Array, " steps"]
    gradient_norm: Float[Array, " steps"]


TrainSteps = Callable[[TrainState, Batch], tuple[TrainState, Report]]
EvalStep = Callable[[Params, Carry, Batch], tuple[Carry, dict[str, Mean]]]


def init_state(
    task: Task,
    optimizer: Optimizer,
    vocabulary: Vocabulary,
    batch: Batch,
    *,
    batch_size: int,
    steps_per_epoch: int,
    seed: int,
) -> tuple[Graph, TrainState]:
    """The structure of the model, and the state before the first step.

    Args:
        task: what is trained.
        optimizer: how it is trained.
        vocabulary: that of the data.
        batch: any training batch, for the shapes of the metrics.
        batch_size: sequences in a training batch.
        steps_per_epoch: training batches in an epoch.
        seed: of the parameters.
    """
    build = functools.partial(task.build, vocabulary=vocabulary)
    graph, params = initialize(build, jax.random.fold_in(jax.random.key(seed), 2**32 - 1))
    carry = task.initial_carry(batch_size)

    def metrics(params: Params) -> dict[str, Mean]:
        output = task.loss(merge(graph, params), batch, carry, None)[1]
        return output.metrics | {GRADIENT_NORM: Mean(jnp.zeros(()), jnp.zeros(()))}

    state = TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        optimizer_state=optimizer.build(steps_per_epoch).init(params),
        carry=carry,
        metrics=zeros_like(jax.eval_shape(metrics, params)),
        progress=Progress(
            evaluated_step=jnp.zeros((), jnp.int32),
            best_step=jnp.zeros((), jnp.int32),
            best_score=jnp.full((), task.score.worst, jnp.float32),
            evaluations_since_best=jnp.zeros((), jnp.int32),
            plateau_evaluations=jnp.zeros((), jnp.int32),
            learning_rate_scale=jnp.ones((), jnp.float32),
        ),
    )
    # Donated buffers must be distinct, and JAX may share those of equal constants.
    return graph, jax.tree.map(jnp.copy, state)


def make_train_steps(
    task: Task, optimizer: Optimizer, graph: Graph, *, steps_per_epoch: int, seed: int
) -> TrainSteps:
    """The compiled training step.

    It takes batches stacked along a new first axis and makes one optimizer step with each, in one
    dispatch. The buffers of the state it is given are used up. The noise of step i is drawn from
    `fold_in(key(seed), i)`.
    """
    noise = jax.random.key(seed)

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Report]:
        key = jax.random.fold_in(noise, state.step)

        def loss(params: Params) -> tuple[Array, Any]:
            return task.loss(merge(graph, params), batch, state.carry, key)

        (value, output), gradients = jax.value_and_grad(loss, has_aux=True)(state.params)
        transformation = optimizer.build(steps_per_epoch, state.progress.learning_rate_scale)
        updates, optimizer_state = transformation.update(
            gradients, state.optimizer_state, state.params
        )
        norm = optax.tree.norm(gradients)
        metrics = output.metrics | {GRADIENT_NORM: Mean(norm, jnp.ones_like(norm))}
        state = state._replace(
            step=state.step + 1,
            params=optax.apply_updates(state.params, updates),
            optimizer_state=optimizer_state,
            carry=output.carry,
            metrics={name: mean.merge(metrics[name]) for name, mean in state.metrics.items()},
        )
        return state, Report(value, norm)

    def train_steps(state: TrainState, batches: Batch) -> tuple[TrainState, Report]:
        return jax.lax.scan(train_step, state, batches)

    return jax.jit(train_steps, donate_argnums=0)


def make_eval_step(task: Task, graph: Graph) -> EvalStep:
    """The compiled evaluation of one batch: no noise, no gradient."""

    def eval_step(params: Params, carry: Carry, batch: Batch) -> tuple[Carry, dict[str, Mean]]:
        output = task.loss(merge(graph, params), batch, carry, None)[1]
        return output.carry, output.metrics

    return jax.jit(eval_step)


def evaluate(
    eval_step: EvalStep, params: Params, carry: Carry, batches: Iterable[Batch]
) -> dict[str, Mean]:
    """Merges the metrics of all batches in float64, whatever their number."""
    merged: dict[str, Mean] = {}
    for batch in batches:
        carry, metrics = eval_step(params, carry, batch)
        for name, mean in metrics.items():
            host = mean.to_host()
            merged[name] = merged[name].merge(host) if name in merged else host
    return merged


def update_progress(
    progress: Progress, score: Score, optimizer: Optimizer, step: int, value: float
) -> Progress:
    """What an evaluation that gave `value` at `step` changes."""
    if score.improves(value, float(progress.best_score)):
        bad, plateau, scale, best = 0, 0, float(progress.learning_rate_scale), (step, value)
    else:
        bad = int(progress.evaluations_since_best) + 1
        plateau, scale = int(progress.plateau_evaluations), float(progress.learning_rate_scale)
        if isinstance(optimizer.schedule, Plateau):
            scale, plateau = optimizer.schedule.next_scale(scale, plateau)
        best = (int(progress.best_step), float(progress.best_score))
    return Progress(
        evaluated_step=jnp.int32(step),
        best_step=jnp.int32(best[0]),
        best_score=jnp.float32(best[1]),
        evaluations_since_best=jnp.int32(bad),
        plateau_evaluations=jnp.int32(plateau),
        learning_rate_scale=jnp.float32(scale),
    )


def stack(batches: list[Batch]) -> Batch:
    """Batches along a new first axis, as `make_train_steps` takes them."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *batches)


def zeros_like(tree: Any) -> Any:
    """Zeros in the shapes of a tree of arrays or of their descriptions."""
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), tree)


@jax.jit
def all_finite(tree: Any) -> Bool[Array, ""]:
    """Whether no array of a tree holds NaN or infinity."""
    finite = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]
    return jnp.stack(finite).all() if finite else jnp.ones((), bool)
