"""What the scan does that no cell can change. `cells/test_properties.py` has the rest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax import recurrence
from lstm_jax.cells import GRU, LSTM
from lstm_jax.recurrence import backend
from tests.cells.table import MatrixMemory
from tests.reference import BATCH, TIME, array, assert_close, params_of, problem, scan

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
    return jax.tree.map(lambda leaf: np.asarray(leaf)[b], tree)


@both_kinds
@both_directions
def test_padded_outputs_are_zero_and_the_rest_is_finite(cell, reverse):
    given = problem(cell)
    outputs, carry = run(cell, given, reverse)
    padding = np.arange(TIME)[:, None] >= np.asarray(given.lengths)
    assert not np.any(np.asarray(outputs)[padding])
    assert np.all(np.asarray(outputs)[~padding])
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(carry))


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
    resets, valid = np.asarray(given.resets), np.arange(TIME)[:, None] < np.asarray(given.lengths)
    assert np.any(resets & ~valid)
    actual = run(cell, given, reverse)
    assert_close(actual, run(cell, given._replace(resets=resets & valid), reverse), 0.0)
    everywhere = given._replace(resets=resets | ~valid)
    assert_close(actual, run(cell, everywhere, reverse), 0.0)


def resets_at(step):
    resets = np.zeros((TIME, BATCH), bool)
    resets[step] = True
    return resets


@both_kinds
def test_a_reset_at_the_first_step(cell):
    given = problem(cell)
    whole = given._replace(
        inputs=np.nan_to_num(given.inputs),
        lengths=np.full(BATCH, TIME, np.int32),
        resets=np.zeros((TIME, BATCH), bool),
    )
    at_first_step = whole._replace(resets=resets_at(0))
    fresh = whole._replace(carry=cell.initial_carry(BATCH))
    # Forward, the sequence begins there; in reverse it ends there, and nothing comes after.
    assert_close(run(cell, at_first_step), run(cell, fresh), 0.0)
    assert_close(run(cell, at_first_step, True), run(cell, whole, True), 0.0)


@both_kinds
@both_directions
def test_what_stands_before_a_boundary_has_no_influence_past_it(cell, reverse):
    given = problem(cell)._replace(lengths=np.full(BATCH, TIME, np.int32), resets=resets_at(2))
    given = given._replace(inputs=np.nan_to_num(given.inputs))
    read_first = slice(2, None) if reverse else slice(None, 2)
    read_last = slice(None, 2) if reverse else slice(2, None)
    inputs = given.inputs.copy()
    inputs[read_first] += 1
    other = given._replace(
        inputs=inputs, carry=jax.tree.map(lambda leaf: np.asarray(leaf) + 1, given.carry)
    )
    outputs, final = jax.tree.map(np.asarray, run(cell, given, reverse))
    other_outputs, other_final = jax.tree.map(np.asarray, run(cell, other, reverse))
    assert_close((outputs[read_last], final), (other_outputs[read_last], other_final), 0.0)
    assert np.all(outputs[read_first] != other_outputs[read_first])


@both_kinds
def test_reverse_is_a_scan_of_the_turned_sequence(cell):
    given = problem(cell)
    inputs = np.nan_to_num(given.inputs)
    outputs, final = scan(cell, given.params, inputs, given.carry, reverse=True)
    turned, turned_final = scan(cell, given.params, inputs[::-1], given.carry)
    assert_close((outputs, final), (np.asarray(turned)[::-1], turned_final), TOLERANCE)


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
    assert_close(outputs, np.concatenate([left, right], axis=-1), TOLERANCE)
    assert_close(finals, (left_final, right_final), TOLERANCE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"lengths": array(np.ones(BATCH + 1), np.int32)},
        {"lengths": array(np.ones(BATCH), np.float32)},
        {"resets": array(np.zeros((BATCH, TIME)), bool)},
        {"resets": array(np.zeros((TIME, BATCH)), np.int32)},
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
    params, inputs = params_of(cell, 3), array(np.ones((5, 2, 3)), np.float32)
    expected = r"carry.hidden must be \[2, 4\] of floating-point numbers, got float32 \[1, 4\]"
    with backend.use(name), pytest.raises(ValueError, match=expected):
        recurrence.scan(cell, params, inputs, cell.initial_carry(1))


@pytest.mark.parametrize("name", ["bias", "recurrent_kernel"])
def test_the_carry_has_the_widest_dtype_of_the_parameters(name):
    cell = LSTM(hidden=4)
    params = params_of(cell, 2)
    params[name] = array(params[name], jnp.bfloat16)
    for chosen in ("scan", "auto"):
        with backend.use(chosen), jax.numpy_dtype_promotion("standard"):
            _, carry = scan(cell, params, np.ones((5, 3, 2), np.float32))
        assert carry.hidden.dtype == jnp.float32, chosen
