"""Numbers that are none."""

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lstm_jax
from lstm_jax.data.windows import TokenWindows
from lstm_jax.errors import NonFiniteError
from lstm_jax.optimization.optimizers import Optimizer
from lstm_jax.storage import checkpoints
from lstm_jax.training import step as training
from lstm_jax.training.finite import check_report, check_state
from lstm_jax.training.step import Report
from tests.runs import arrays_of, log_of, tiny


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


# ---- whole runs ---------------------------------------------------------------------------------


def assert_newest_is_finite(workdir, step):
    assert checkpoints.steps(workdir / "checkpoints")[-1] == step
    arrays = arrays_of(workdir)
    arrays.pop(".progress.best_score")  # infinite before the first evaluation
    assert all(np.isfinite(array).all() for array in arrays.values())


def test_nan_stops_the_run_and_names_the_step(text, tmp_path, monkeypatch):
    batch = TokenWindows.batch

    def poisoned(self, index):
        given = batch(self, index)
        return given._replace(mask=given.mask * np.float32(np.nan)) if index == 9 else given

    with monkeypatch.context() as patch:
        patch.setattr(TokenWindows, "batch", poisoned)
        with pytest.raises(NonFiniteError) as error:
            lstm_jax.train(tiny(text, checkpoint_every=4), tmp_path)
    message = "loss nan and gradient norm nan at step 9; every checkpoint is finite; lower "
    assert str(error.value).startswith(message)
    assert_newest_is_finite(tmp_path, 8)
    assert log_of(tmp_path)[-1]["step"] == 8
    # The data mended, the run goes on.
    lstm_jax.train(tiny(text, checkpoint_every=4), tmp_path)
    assert_newest_is_finite(tmp_path, 24)


def test_a_huge_learning_rate_stops_within_a_step(text, tmp_path):
    optimizer = Optimizer("sgd", learning_rate=3e38)
    with pytest.raises(NonFiniteError) as error:
        lstm_jax.train(
            tiny(text, optimizer=optimizer, checkpoint_every=1, steps_per_dispatch=1), tmp_path
        )
    found = re.search(r" at step (\d+); every checkpoint is finite", str(error.value))
    assert found is not None
    # The step before it went well and was saved.
    assert_newest_is_finite(tmp_path, int(found[1]))


def test_parameters_that_are_no_numbers_are_not_saved(text, tmp_path, monkeypatch):
    update = optax.apply_updates

    def overflow(params, updates):
        return jax.tree.map(lambda leaf: leaf + jnp.inf, update(params, updates))

    monkeypatch.setattr(optax, "apply_updates", overflow)
    with pytest.raises(NonFiniteError, match="a parameter became NaN or infinite at step 0; "):
        # A rate that no other test uses, so that they share no program.
        lstm_jax.train(tiny(text, steps=1, optimizer__learning_rate=0.0178), tmp_path)
    assert checkpoints.steps(tmp_path / "checkpoints") == []
