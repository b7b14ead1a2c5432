"""The metrics of a model on all examples of a split."""

import functools
from collections.abc import Callable, Iterable

import jax

from lstm_jax.metrics.means import Metric, merge_metrics
from lstm_jax.modules import Graph, merge
from lstm_jax.tasks.base import Task
from lstm_jax.types import Batch, Carry, Params

EvalStep = Callable[[Params, Carry, Batch], tuple[Carry, dict[str, Metric]]]


@functools.lru_cache(maxsize=8)
def make_eval_step(task: Task, graph: Graph) -> EvalStep:
    """The compiled evaluation of one batch: no noise, no gradient. One program for one model."""

    def eval_step(params: Params, carry: Carry, batch: Batch) -> tuple[Carry, dict[str, Metric]]:
        output = task.loss(merge(graph, params), batch, carry, None)[1]
        return output.carry, output.metrics

    return jax.jit(eval_step)


def evaluate(
    task: Task, eval_step: EvalStep, params: Params, batches: Iterable[Batch]
) -> dict[str, Metric]:
    """The metrics of all batches, merged in float64 whatever their number."""
    carry: Carry = None
    merged: dict[str, Metric] = {}
    for batch in batches:
        if carry is None:
            carry = task.initial_carry(batch.inputs.shape[1])
        carry, metrics = eval_step(params, carry, batch)
        host = {name: metric.to_host() for name, metric in metrics.items()}
        merged = merge_metrics(merged, host) if merged else host
    return merged
