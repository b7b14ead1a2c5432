"""What the scan does that no cell can change. `cells/test_properties.py` has the rest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax import recurrence
from lstm_jax.cells import GRU, LSTM
from lstm_jax.recurrence import backend
from tests.cells.table import MatrixMemory
from tests.reference import BATCH, TIME, assert_close, problem, scan

TOLERANCE = 1e-5
# One cell that has a backward pass of its own and one that has plain autodiff.
both_kinds = pytest.mark.parametrize(
    "cell", [LSTM(hidden=3), MatrixMemory(hidden=3)], ids=["elementwise", "plain"]
)
both_directions = pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])


def run(cell, given, reverse=False):
    flags = {"lengths": given.lengths, "resets": given.resets, "reverse": reverse}
    return scan(cell, given.params, given.inputs, given.carry, **flags)


def column(tree, b):
    return jax.tree.map(lambda leaf: leaf[b], tree)


@both_kinds
@both_directions
def test_padded_outputs_are_zero_and_the_rest_is_finite(cell, reverse):
    given = problem(cell)
    outputs, carry = run(cell, given, reverse)
    padding = np.arange(TIME)[:, None] >= np.asarray(given.lengths)
    assert not np.any(np.asarray(outputs)[padding])
    assert np.all(np.asarray(outputs)[~padding])
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(carry))


@both_kinds
@both_directions
def test_a_sequence_of_length_zero_keeps_its_carry(cell, reverse):
    given = problem(cell)
    _, final = run(cell, given, reverse)
    assert_close(column(final, 4), column(given.carry, 4), 0.0)


@both_kinds
@both_directions
def test_resets_in_the_padding_mean_nothing(cell, reverse):
    given = problem(cell)
    valid = jnp.arange(TIME)[:, None] < given.lengths
    assert jnp.any(given.resets & ~valid)
    actual = run(cell, given, reverse)
    assert_close(actual, run(cell, given._replace(resets=given.resets & valid), reverse), 0.0)
    everywhere = given._replace(resets=given.resets | ~valid)
    assert_close(actual, run(cell, everywhere, reverse), 0.0)


@both_kinds
def test_a_reset_at_the_first_step(cell):
    given = problem(cell)
    whole = given._replace(
        inputs=jnp.nan_to_num(given.inputs),
        lengths=jnp.full(BATCH, TIME, jnp.int32),
        resets=jnp.zeros((TIME, BATCH), bool),
    )
    at_first_step = whole._replace(resets=whole.resets.at[0].set(True))
    fresh = whole._replace(carry=cell.initial_carry(BATCH))
    # Forward, the sequence begins there; in reverse it ends there, and nothing comes after.
    assert_close(run(cell, at_first_step), run(cell, fresh), 0.0)
    assert_close(run(cell, at_first_step, True), run(cell, whole, True), 0.0)


@both_kinds
@both_directions
def test_what_stands_before_a_boundary_has_no_influence_past_it(cell, reverse):
    given = problem(cell)._replace(
        lengths=jnp.full(BATCH, TIME, jnp.int32),
        resets=jnp.zeros((TIME, BATCH), bool).at[2].set(True),
    )
    given = given._replace(inputs=jnp.nan_to_num(given.inputs))
    read_first = slice(2, None) if reverse else slice(None, 2)
    read_last = slice(None, 2) if reverse else slice(2, None)
    other = given._replace(
        inputs=given.inputs.at[read_first].add(1.0),
        carry=jax.tree.map(lambda leaf: leaf + 1.0, given.carry),
    )
    outputs, final = run(cell, given, reverse)
    other_outputs, other_final = run(cell, other, reverse)
    assert_close((outputs[read_last], final), (other_outputs[read_last], other_final), 0.0)
    assert jnp.all(outputs[read_first] != other_outputs[read_first])


@both_kinds
def test_reverse_is_a_scan_of_the_turned_sequence(cell):
    given = problem(cell)
    inputs = jnp.nan_to_num(given.inputs)
    outputs, final = scan(cell, given.params, inputs, given.carry, reverse=True)
    turned, turned_final = scan(cell, given.params, inputs[::-1], given.carry)
    assert_close((outputs, final), (turned[::-1], turned_final), TOLERANCE)


@pytest.mark.parametrize("has_carries", [False, True])
def test_bidirectional_is_two_scans_side_by_side(has_carries):
    cells = (LSTM(hidden=3), GRU(hidden=4))
    forward, backward = problem(cells[0]), problem(cells[1], seed=1)
    carries = (forward.carry, backward.carry) if has_carries else (None, None)
    flags = {"lengths": forward.lengths, "resets": forward.resets}
    params = (forward.params, backward.params)

    @jax.jit
    def bidirectional(params, inputs, carries):
        carries = carries if has_carries else None
        return recurrence.bidirectional(cells, params, inputs, carries, **flags)

    outputs, finals = bidirectional(params, forward.inputs, carries)
    assert outputs.shape == (TIME, BATCH, 7)
    left, left_final = scan(cells[0], params[0], forward.inputs, carries[0], **flags)
    right, right_final = scan(
        cells[1], params[1], forward.inputs, carries[1], reverse=True, **flags
    )
    assert_close(outputs, jnp.concatenate([left, right], axis=-1), TOLERANCE)
    assert_close(finals, (left_final, right_final), TOLERANCE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"lengths": jnp.ones(BATCH + 1, jnp.int32)},
        {"lengths": jnp.ones(BATCH, jnp.float32)},
        {"resets": jnp.zeros((BATCH, TIME), bool)},
        {"resets": jnp.zeros((TIME, BATCH), jnp.int32)},
    ],
)
def test_wrong_axes_are_noticed(wrong):
    cell = LSTM(hidden=3)
    given = problem(cell)
    with pytest.raises(TypeError, match=next(iter(wrong))):
        recurrence.scan(cell, given.params, given.inputs, given.carry, **wrong)


@pytest.mark.parametrize("name", ["auto", "scan"])
def test_a_carry_of_another_batch_is_refused(name):
    cell = LSTM(hidden=4)
    params = cell.init(jax.random.key(0), 3)
    expected = r"carry.hidden must be \[2, 4\] of floating-point numbers, got float32 \[1, 4\]"
    with backend.use(name), pytest.raises(ValueError, match=expected):
        recurrence.scan(cell, params, jnp.ones((5, 2, 3)), cell.initial_carry(1))


@pytest.mark.parametrize("name", ["bias", "recurrent_kernel"])
def test_the_carry_has_the_widest_dtype_of_the_parameters(name):
    cell = LSTM(hidden=4)
    params = cell.init(jax.random.key(0), 2)
    params[name] = params[name].astype(jnp.bfloat16)
    for chosen in ("scan", "auto"):
        with backend.use(chosen), jax.numpy_dtype_promotion("standard"):
            _, carry = scan(cell, params, jnp.ones((5, 3, 2)))
        assert carry.hidden.dtype == jnp.float32, chosen
