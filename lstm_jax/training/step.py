"""One optimizer step, and several in one dispatch: pure functions, compiled once."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int

from lstm_jax.data.base import Data, Dataset, learn
from lstm_jax.data.preprocessing import Preprocessor
from lstm_jax.metrics.means import Mean, Metric, merge_metrics
from lstm_jax.modules import Graph, initialize, merge, structure
from lstm_jax.optimization.optimizers import Optimizer
from lstm_jax.recurrence import backend, native_library
from lstm_jax.runtime.memory import release_freed_memory
from lstm_jax.tasks.base import Output, Task, minimized
from lstm_jax.tasks.contract import check_data, check_names, check_terms, checked, figures
from lstm_jax.tasks.evaluation import EvalStep, check_rows, make_eval_step
from lstm_jax.training.progress import Progress, first_progress
from lstm_jax.training.transfer import Origin, adopt, describe_adopted
from lstm_jax.types import Array, Batch, Carry, Key, Params

GRADIENT_NORM = "gradient_norm"
_AUGMENTATION = 2**32 - 2
"""What makes the key of augmentation another one than those of a task, which it splits."""


class TrainState(NamedTuple):
    """All that a checkpoint holds; batches and random keys follow from the step."""

    step: Int[Array, ""]
    params: Params
    optimizer_state: Any
    carry: Carry
    metrics: dict[str, Metric]
    """Sums since the last record in the log."""
    progress: Progress


class Report(NamedTuple):
    """What each step of a dispatch tells the loop."""

    loss: Float[Array, " steps"]
    gradient_norm: Float[Array, " steps"]


class Prepared(NamedTuple):
    """A model and its data, ready for the first step."""

    preprocessor: Preprocessor
    dataset: Dataset
    state: TrainState
    train_steps: "TrainSteps"
    eval_step: EvalStep
    backend: str
    """What the loops over time are compiled for, with the kernel's instruction set."""
    notes: str
    """What is to be said of them before the first step, a line or more."""


TrainSteps = Callable[[TrainState, Batch], tuple[TrainState, Report]]


def prepare(
    task: Task,
    data: Data,
    optimizer: Optimizer,
    seed: int,
    origin: Origin | None = None,
) -> Prepared:
    """Reads the training data and builds the model.

    Args:
        task: what is trained.
        data: what it is trained on.
        optimizer: how it is trained.
        seed: of the parameters, the noise and the order of the data.
        origin: what the model starts from instead of random parameters.

    Raises:
        DataError: the data cannot be read, or are too few.
        ConfigError: the optimizer refuses its options, the model does not fit its origin, or the
            task gives something else than its contract says.
    """
    preprocessor = learn(data, None if origin is None else origin.preprocessor)
    dataset = data.open(preprocessor, seed)
    batch = dataset.batch(0)
    check_data(task, data, batch, preprocessor)
    task.check(preprocessor, dataset)
    epoch = dataset.steps_per_epoch
    with backend.recorded() as used:
        graph, state = init_state(
            task,
            optimizer,
            preprocessor,
            batch,
            batch_size=dataset.batch_size,
            steps_per_epoch=epoch,
            seed=seed,
            origin=origin,
        )
    # Data that change nothing in a batch are no part of the program, which they all share.
    augmenting = None if type(data).augment is Data.augment else data
    train_steps = make_train_steps(
        task, optimizer, graph, augmenting, steps_per_epoch=epoch, seed=seed
    )
    notes = [dataset.describe("train"), dataset.describe("validation")]
    notes += task.describe(preprocessor)
    if used:
        notes.append("backend: " + backend.describe(used))
    if origin is not None and origin.params is not None:
        notes.insert(0, describe_adopted(state.params, origin, task.OWN))
    eval_step = make_eval_step(task, graph, seed)
    check_rows(eval_step, state.params, dataset.evaluation("validation"))
    named = (
        f"native {native_library.instruction_set()}" if name == "native" else name for name in used
    )
    release_freed_memory()
    return Prepared(
        preprocessor,
        dataset,
        state,
        train_steps,
        eval_step,
        " and ".join(sorted(named)),
        "\n".join(notes),
    )


def init_state(
    task: Task,
    optimizer: Optimizer,
    preprocessor: Preprocessor,
    batch: Batch,
    *,
    batch_size: int,
    steps_per_epoch: int,
    seed: int,
    origin: Origin | None = None,
) -> tuple[Graph, TrainState]:
    """The structure of the model, and the state before the first step.

    Args:
        task: what is trained.
        optimizer: how it is trained.
        preprocessor: that of the data.
        batch: any training batch, for the shapes of the metrics.
        batch_size: sequences in a training batch.
        steps_per_epoch: training batches in an epoch.
        seed: of the parameters.
        origin: where the parameters come from that do not start at random.
    """
    graph, draw = _initializer(task, preprocessor)
    params = draw(jax.random.fold_in(jax.random.key(seed), 2**32 - 1))
    if origin is not None and origin.params is not None:
        params = adopt(params, origin, task.OWN)
    carry = task.initial_carry(merge(graph, params), batch_size)

    def metrics(params: Params, batch: Batch) -> dict[str, Metric]:
        output = checked(task, task.loss(merge(graph, params), batch, carry, None), batch)
        check_terms(task, output.terms)
        return output.metrics | {GRADIENT_NORM: Mean(jnp.zeros(()), jnp.zeros(()))}

    state = TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        optimizer_state=optimizer.build(steps_per_epoch).init(params),
        carry=carry,
        metrics=zeros_like(jax.eval_shape(metrics, params, batch)),
        progress=first_progress(task.score),
    )
    return graph, own(state)


def own(state: TrainState) -> TrainState:
    """The state in buffers of its own, as `make_train_steps` wants it: they are used up."""
    # Donated buffers must be distinct, and JAX may share those of equal constants.
    return jax.tree.map(jnp.array, state)


@functools.lru_cache(maxsize=8)
def _initializer(task: Task, preprocessor: Preprocessor) -> tuple[Graph, Callable[[Key], Params]]:
    """The structure of the model, and the compiled function that draws its first parameters."""
    build = functools.partial(task.build, preprocessor=preprocessor)
    return structure(build)[0], jax.jit(lambda key: initialize(build, key)[1])


def make_train_steps(
    task: Task,
    optimizer: Optimizer,
    graph: Graph,
    data: Data | None = None,
    *,
    steps_per_epoch: int,
    seed: int,
) -> TrainSteps:
    """The compiled training step.

    It takes batches stacked along a new first axis and makes one optimizer step with each, in one
    dispatch. The buffers of the state it is given are used up. The noise of step i is drawn from
    `fold_in(key(seed), i)`. Called with the same arguments again, but for the seed, it returns the
    same program, compiled already. With `data`, each batch is read as their `augment` makes it.
    """
    program = _train_steps(task, optimizer, graph, data, steps_per_epoch)
    return functools.partial(program, noise=jax.random.key(seed))


@functools.lru_cache(maxsize=8)
def _train_steps(
    task: Task, optimizer: Optimizer, graph: Graph, data: Data | None, steps_per_epoch: int
) -> Callable[..., tuple[TrainState, Report]]:
    def train_step(noise: Key, state: TrainState, batch: Batch) -> tuple[TrainState, Report]:
        key = jax.random.fold_in(noise, state.step)
        if data is not None:
            batch = data.augment(jax.random.fold_in(key, _AUGMENTATION), batch)

        def loss(params: Params) -> tuple[Array, Output]:
            output = checked(task, task.loss(merge(graph, params), batch, state.carry, key), batch)
            check_terms(task, output.terms)
            check_names(task, state.metrics, {*output.metrics, GRADIENT_NORM})
            return minimized(output.terms), output

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
            metrics=merge_metrics(state.metrics, metrics),
        )
        return state, Report(value, norm)

    def train_steps(state: TrainState, batches: Batch, noise: Key) -> tuple[TrainState, Report]:
        return jax.lax.scan(functools.partial(train_step, noise), state, batches)

    return jax.jit(train_steps, donate_argnums=0)


def summarize(
    state: TrainState,
    task: Task,
    optimizer: Optimizer,
    preprocessor: Preprocessor,
    steps_per_epoch: int,
) -> dict[str, float]:
    """The figures of the training steps since the last record; none if there was no step."""
    sums: dict[str, Any] = {name: mean.to_host() for name, mean in state.metrics.items()}
    norm, scale = sums[GRADIENT_NORM], float(state.progress.learning_rate_scale)
    if norm.count == 0:
        return {}
    rate = optimizer.learning_rate_at(int(state.step) - 1, steps_per_epoch, scale)
    own_figures = {GRADIENT_NORM: norm.compute(), "learning_rate": rate}
    return figures(task, sums, {}, preprocessor) | own_figures


def stack(batches: list[Batch]) -> Batch:
    """Batches along a new first axis, as `make_train_steps` takes them."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *batches)


def stacks(batches: list[Batch]) -> list[Batch]:
    """One stack of all batches if they have the same shapes, and otherwise one of each.

    So two programs are compiled for each shape, not one for every number of batches in a row.
    """
    shapes = [jax.tree.map(np.shape, batch) for batch in batches]
    same = shapes.count(shapes[0]) == len(shapes)
    return [stack(batches)] if same else [stack([batch]) for batch in batches]


def zeros_like(tree: Any) -> Any:
    """Zeros in the shapes of a tree of arrays or of their descriptions."""
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), tree)
