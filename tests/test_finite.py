"""Numbers that are none."""

import math

import jax
import jax.numpy as jnp
import pytest

from lstm_jax import training
from lstm_jax.errors import NonFiniteError
from lstm_jax.finite import check_report, check_state
from lstm_jax.training import Report
from tests.runs import tiny


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_the_step_of_a_loss_or_gradient_that_is_no_number_is_named(wrong):
    fine = jnp.array([1.0, 2.0, 3.0])
    check_report(Report(fine, fine), 5)
    bad = jnp.array([1.0, wrong, math.nan])
    for report, message in (
        (Report(bad, fine), f"loss {wrong} and gradient norm 2.0 at step 6"),
        (Report(fine, bad), f"loss 2.0 and gradient norm {wrong} at step 6"),
    ):
        with pytest.raises(NonFiniteError, match=message):
            check_report(report, 5)


def test_a_state_that_cannot_be_gone_on_from_is_refused(text):
    experiment = tiny(text)
    parts = experiment.task, experiment.data, experiment.optimizer, experiment.seed
    state = training.prepare(*parts).state._replace(step=jnp.int32(1))
    check_state(state)

    for part in ("params", "optimizer_state", "carry"):
        leaves, structure = jax.tree.flatten(getattr(state, part))
        leaves[-1] = jnp.full(leaves[-1].shape, jnp.nan)
        bad = state._replace(**{part: jax.tree.unflatten(structure, leaves)})
        with pytest.raises(NonFiniteError, match=r"NaN or infinite at step 0; .* learning_rate"):
            check_state(bad)
