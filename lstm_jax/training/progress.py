"""What the training loop decides by: the best score so far, and how long ago that was."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from lstm_jax.data.preprocessing import Preprocessor
from lstm_jax.errors import ConfigError
from lstm_jax.optimization.optimizers import Optimizer
from lstm_jax.optimization.schedules import Plateau
from lstm_jax.tasks.base import Score, Task
from lstm_jax.tasks.contract import figures
from lstm_jax.tasks.evaluation import EvalStep, evaluate
from lstm_jax.types import Array, Batch, Params


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


def first_progress(score: Score) -> Progress:
    """Before the first evaluation."""
    return Progress(
        evaluated_step=jnp.zeros((), jnp.int32),
        best_step=jnp.zeros((), jnp.int32),
        best_score=jnp.full((), score.worst, jnp.float32),
        evaluations_since_best=jnp.zeros((), jnp.int32),
        plateau_evaluations=jnp.zeros((), jnp.int32),
        learning_rate_scale=jnp.ones((), jnp.float32),
    )


def update_progress(
    progress: Progress, score: Score, optimizer: Optimizer, step: int, value: float
) -> Progress:
    """What an evaluation that gave `value` at `step` changes."""
    # Rounded as the best score is kept, or the same score could seem to improve on itself.
    value = float(np.float32(value))
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


def check_score(
    task: Task,
    eval_step: EvalStep,
    params: Params,
    batches: Sequence[Batch],
    preprocessor: Preprocessor,
) -> None:
    """Evaluates a few batches, so that a score which nothing computes is not missed an epoch later.

    Raises:
        ConfigError: the task's score is not among its metrics, or they are no figures for the log.
    """
    metrics = figures(task, *evaluate(eval_step, params, batches), preprocessor)
    if (score := task.score.metric) not in metrics:
        name, known = type(task).__name__, ", ".join(metrics)
        raise ConfigError(f"{name}.score is {score!r}, which is not among its metrics: {known}")


def check_same_score(
    task: Task, progress: Progress, metrics: Mapping[str, Mapping[str, np.ndarray]]
) -> None:
    """Compares what a run has logged with its best score, so that no other one is compared with it.

    Where the record of the best step is lost, nothing can be said.

    Args:
        task: that of today.
        progress: of the checkpoint that the run goes on from.
        metrics: the log, as `run_directory.read_metrics` returns it.

    Raises:
        ConfigError: by the task's score of today the best step so far was another one.
    """
    score, columns = task.score, metrics.get("validation", {})
    best, last = int(progress.best_step), int(progress.evaluated_step)
    steps = columns.get("step", np.zeros(0)).tolist()
    if best not in steps:
        return
    # As `update_progress` rounds them.
    missing = np.full(len(steps), np.nan)
    values = columns.get(score.metric, missing).astype(np.float32).tolist()
    value = float(progress.best_score)
    is_best = values[steps.index(best)] == value and not any(
        score.improves(one, value) for step, one in zip(steps, values, strict=True) if step <= last
    )
    if not is_best:
        raise ConfigError(
            f"{type(task).__name__}.score is {score.metric!r} ({score.direction}) now, by which "
            f"{value:.6g} at step {best} is not the best so far: the run has compared another "
            "score; undo the change or choose another directory"
        )
