"""The metrics of a model on all examples of a split."""

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import numpy as np

from lstm_jax.metrics.means import Metric, merge_metrics
from lstm_jax.modules import Graph, merge
from lstm_jax.tasks.base import Task
from lstm_jax.tasks.contract import check_same_rows, checked
from lstm_jax.types import Array, Batch, Carry, Key, Params


class EvalStep(NamedTuple):
    """The compiled evaluation of a batch."""

    initial_carry: Callable[[Params, int], Carry]
    """Of parameters and the number of columns: the carry before the first batch."""
    observe: Callable[[Params, Carry, Batch], tuple[Carry, dict[str, Metric], dict[str, Array]]]
    """Of parameters, carry and batch: the next carry, sums, and rows."""
    task: str = "the task"
    """The name of its class, for error messages."""


class Evaluated(NamedTuple):
    """What is known of all examples of a split."""

    sums: dict[str, Metric]
    """Merged in float64, whatever their number."""
    rows: dict[str, np.ndarray]
    """What the task keeps of each example, in the order of their places."""


def make_eval_step(task: Task, graph: Graph, seed: int = 0) -> EvalStep:
    """The compiled evaluation of one batch: no noise, no gradient. One program for one model.

    What a task draws in evaluation is the same at every step, and whatever the batches are.
    """
    initial_carry, observe = _eval_step(task, graph)
    with_key = functools.partial(observe, key=jax.random.key(seed))
    return EvalStep(initial_carry, with_key, type(task).__name__)


@functools.lru_cache(maxsize=8)
def _eval_step(task: Task, graph: Graph) -> tuple[Callable[..., Carry], Callable[..., Any]]:
    """The compiled functions, which do not depend on the seed."""

    def initial_carry(params: Params, batch_size: int) -> Carry:
        return task.initial_carry(merge(graph, params), batch_size)

    def observe(
        params: Params, carry: Carry, batch: Batch, key: Key
    ) -> tuple[Carry, dict[str, Metric], dict[str, Array]]:
        output = checked(task, task.observe(merge(graph, params), batch, carry, key), batch)
        return output.carry, output.metrics, output.rows or {}

    return jax.jit(initial_carry, static_argnums=1), jax.jit(observe)


def evaluate(eval_step: EvalStep, params: Params, batches: Iterable[Batch]) -> Evaluated:
    """The metrics of all batches, merged, and the rows of all examples.

    Where a batch has other columns than the one before, the carry starts afresh.

    Raises:
        ConfigError: the rows of two batches do not fit one array.
    """
    carry, columns = None, -1
    merged: dict[str, Metric] = {}
    rows: dict[str, list[np.ndarray]] = {}
    places: list[np.ndarray] = []
    shapes: dict[str, tuple[int, ...]] = {}
    for batch in batches:
        if len(batch.place) != columns:
            columns = len(batch.place)
            carry = eval_step.initial_carry(params, columns)
        carry, metrics, kept = eval_step.observe(params, carry, batch)
        host = {name: metric.to_host() for name, metric in metrics.items()}
        merged = merge_metrics(merged, host) if merged else host
        is_example = np.asarray(batch.place) >= 0
        if kept:
            places.append(np.asarray(batch.place)[is_example])
        for name, array in kept.items():
            check_same_rows(eval_step.task, name, shapes.setdefault(name, array.shape), array.shape)
            rows.setdefault(name, []).append(np.asarray(array)[is_example])
    if not rows:
        return Evaluated(merged, {})
    # Of an example in several batches, one after another, the rows stay in that order.
    order = np.argsort(np.concatenate(places), kind="stable")
    return Evaluated(merged, {name: np.concatenate(parts)[order] for name, parts in rows.items()})


def check_rows(eval_step: EvalStep, params: Params, batches: Iterable[Batch]) -> None:
    """Says before the first step that the rows of batches of other shapes do not fit one array.

    They are traced and not computed; without rows it looks at one batch alone.

    Raises:
        ConfigError: the rows of two batches do not fit one array.
    """
    seen: set[Any] = set()
    shapes: dict[str, tuple[int, ...]] = {}
    for batch in batches:
        if (shape := tuple(map(np.shape, jax.tree.leaves(batch)))) in seen:
            continue
        seen.add(shape)
        rows = jax.eval_shape(functools.partial(_first_rows, eval_step), params, batch)
        if not rows:
            return
        for name, row in rows.items():
            check_same_rows(eval_step.task, name, shapes.setdefault(name, row.shape), row.shape)


def _first_rows(eval_step: EvalStep, params: Params, batch: Batch) -> dict[str, Array]:
    carry = eval_step.initial_carry(params, len(batch.place))
    return eval_step.observe(params, carry, batch)[2]
