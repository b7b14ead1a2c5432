"""Stopping a run before it goes on with numbers that are none."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool

from lstm_jax.errors import NonFiniteError
from lstm_jax.training.step import Report, TrainState, TrainSteps, stacks
from lstm_jax.types import Array, Batch


def dispatch(
    train_steps: TrainSteps, state: TrainState, batches: list[Batch]
) -> tuple[TrainState, float]:
    """Makes one optimizer step with each batch; returns the new state and the last loss.

    The buffers of the state it is given are used up.

    Raises:
        NonFiniteError: as `check_report`.
    """
    step, loss = int(state.step), 0.0
    for part in stacks(batches):
        state, report = train_steps(state, part)
        loss = check_report(report, step)
        step += len(report.loss)
    return state, loss


def check_report(report: Report, first_step: int) -> float:
    """Makes sure that the losses and gradients of a dispatch are numbers; returns the last loss.

    Raises:
        NonFiniteError: one is not; the message says at which step, counted from 0.
    """
    losses, norms = map(np.asarray, report)
    for step, (loss, norm) in enumerate(zip(losses, norms, strict=True), first_step):
        if not (np.isfinite(loss) and np.isfinite(norm)):
            raise _non_finite(f"loss {loss} and gradient norm {norm} at step {step}")
    return float(losses[-1])


def check_state(state: TrainState) -> None:
    """Makes sure that a state can be gone on from.

    Raises:
        NonFiniteError: it holds a parameter, a carry or a part of the optimizer's state that is
            NaN or infinite.
    """
    if not _all_finite((state.params, state.optimizer_state, state.carry)):
        raise _non_finite(f"a parameter became NaN or infinite at step {int(state.step) - 1}")


def _non_finite(what: str) -> NonFiniteError:
    advice = "lower learning_rate or clip_norm in another directory"
    return NonFiniteError(f"{what}; every checkpoint is finite; {advice}")


@jax.jit
def _all_finite(tree: Any) -> Bool[Array, ""]:
    """Whether no array of a tree holds NaN or infinity."""
    finite = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]
    return jnp.stack(finite).all() if finite else jnp.ones((), bool)
