"""The kernel on sequences in bfloat16: arithmetic and small arrays stay in float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax import recurrence
from lstm_jax.cells import GRU, LSTM, SimpleRNN
from lstm_jax.recurrence import backend
from tests.combinations import combinations
from tests.needs import needs_kernel
from tests.recurrence import test_native
from tests.recurrence.test_native import (
    KINDS,
    SHAPES,
    WAYS,
    every_kind,
    every_way,
    problem,
)
from tests.reference import array, assert_close, params_of, scan

pytestmark = needs_kernel

ROUNDING = 2.0**-8
"""The largest relative error of a rounded number."""

# By units, in several chunks of steps, and of an LSTM with more gates than a block of a product.
LARGE = (3, 330, 260)


def outcome(*given):
    """As of float32, but of the plain sum of the carry."""
    return test_native.outcome(*given, of_carry=lambda shape: np.ones(shape, np.float32))


def wide(tree):
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)


def narrow(given):
    """The problem with inputs in bfloat16."""
    return of_type(jnp.bfloat16, given)


def of_type(dtype, given):
    """The problem with inputs of a type."""
    return (given[0], np.asarray(given[1]).astype(dtype), *given[2:])


@every_way(more=[(LARGE, False), (LARGE, True)])
def test_is_as_exact_as_what_is_stored(kind, way):
    """Nearer than the scan, which rounds the factors of its products, or off by a rounding."""
    (time, batch, hidden), reverse = way
    cell = kind(hidden=hidden)
    given = narrow(problem(cell, time, batch))
    exact = outcome("native", cell, of_type(np.float32, given), reverse)
    ours = outcome("native", cell, given, reverse)
    (outputs, _), (_, by_inputs, _) = ours
    narrow_ones = [leaf for leaf in jax.tree.leaves(ours) if leaf.dtype == jnp.bfloat16]
    assert [id(leaf) for leaf in narrow_ones] == [id(outputs), id(by_inputs)]

    def errors(found):
        return jax.tree.leaves(
            jax.tree.map(lambda a, b: np.linalg.norm(a - b), wide(found), wide(exact))
        )

    # In few numbers either may be lucky.
    roundings = 4 if hidden == 1 else 1
    allowed = [roundings * ROUNDING * np.linalg.norm(leaf) for leaf in jax.tree.leaves(exact)]
    if any(our > rounded for our, rounded in zip(errors(ours), allowed, strict=True)):
        # Only here, for compiling the scan would take most of the time of this test.
        theirs = errors(outcome("scan", cell, given, reverse))
        allowed = [max(1.2 * their, one) for their, one in zip(theirs, allowed, strict=True)]
    for our, most in zip(errors(ours), allowed, strict=True):
        assert our <= most
    # The carry is not rounded on the way.
    assert_close(ours[0][1], exact[0][1], 2e-6)
    np.testing.assert_allclose(*wide((ours[0][0], exact[0][0])), rtol=1.001 * ROUNDING, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "reverse"), [*WAYS, ((3, 40, 1100), False), ((3, 40, 1100), True)], ids=str
)
def test_a_gradient_that_needs_no_rounded_number_is_rounded_once(shape, reverse):
    """By blocks of 1024 gates, too. A gradient by the recurrent kernel needs rounded outputs."""
    time, batch, hidden = shape
    cell = SimpleRNN(hidden=hidden, activation="relu")
    given = narrow(problem(cell, time, batch))
    (_, ours), (_, exact) = (
        outcome("native", cell, of_type(dtype, given), reverse)
        for dtype in (jnp.bfloat16, jnp.float32)
    )
    exact = exact[0], np.asarray(exact[1]).astype(jnp.bfloat16), exact[2]
    for gradients in (ours, exact):
        del gradients[0]["recurrent_kernel"]
    assert_close(wide(ours), wide(exact), 0.0)


@pytest.mark.parametrize("kind", [LSTM, GRU])
@pytest.mark.parametrize("bias", [6.2, 100.0], ids=["long", "forever"])
def test_gates_that_remember_are_kept_exactly(kind, bias):
    """Of 0.998 rounded to 1 a gradient over a thousand steps would be six times too large."""
    cell = kind(hidden=8)
    params, inputs, carry, *_ = problem(cell, 1000, 2)
    gate = slice(8, 16)  # forget or update
    params["bias"] = np.array(params["bias"])
    params["bias"][gate] = bias
    given = narrow((params, inputs, carry, None, None))
    ours = outcome("native", cell, given)[1][2]
    exact = outcome("native", cell, of_type(np.float32, given))[1][2]
    for our, leaf in zip(jax.tree.leaves(ours), jax.tree.leaves(exact), strict=True):
        assert np.linalg.norm(our - leaf) < 4 * ROUNDING * np.linalg.norm(leaf)


def test_numbers_are_rounded_to_the_nearest_and_ties_to_even():
    cell = SimpleRNN(hidden=20, activation="relu")  # more than the lanes of a vector
    params = jax.tree.map(np.zeros_like, params_of(cell, 1))
    bits = np.arange(0x0080, 0x7F80, dtype=np.uint16)  # all but zero and the smallest numbers
    inputs = bits.view(jnp.bfloat16)[None, :, None]
    for factor in (1.0, 1.5, 1 + 2**-8, 1 + 2**-8 + 2**-20, 1 + 2**-8 - 2**-20, 1 + 3 * 2**-8):
        params["input_kernel"] = np.full((1, 20), factor, np.float32)
        with backend.use("native"):
            outputs, _ = scan(cell, params, inputs)
        with np.errstate(over="ignore"):
            expected = (inputs.astype(np.float32) * np.float32(factor)).astype(jnp.bfloat16)
        assert_close(wide(outputs), wide(np.broadcast_to(expected, outputs.shape)), 0.0)


@every_kind
def test_not_a_number_stays_one_and_stays_in_its_row(kind):
    cell = kind(hidden=20)
    params, inputs, carry, *_ = narrow(problem(cell, 3, 4))

    def rows_with_nan(inputs, carry):
        (outputs, _), _ = outcome("native", cell, (params, inputs, carry, None, None))
        rows = np.isnan(wide(outputs))
        np.testing.assert_array_equal(rows.any(-1), rows.all(-1))
        return rows.any(-1).astype(int).tolist()

    for bits in (0x7FC0, 0x7F81, 0xFFFF):
        expected = [[0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0]]
        spoilt = inputs.view(np.uint16).copy()
        spoilt[1, 2, 0] = bits
        assert rows_with_nan(spoilt.view(jnp.bfloat16), carry) == expected
    # Numbers that rounding would carry over into the sign, or cut off.
    for bits in (0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001):
        first = np.array(carry.hidden).view(np.uint32)
        first[1] = bits
        first = carry._replace(hidden=first.view(np.float32))
        assert rows_with_nan(inputs, first) == [[0, 1, 0, 0]] * 3


DTYPES = [("bfloat16", "bfloat16"), ("float32", "bfloat16"), ("bfloat16", "float32")]


# What converts numbers for the kernel asks for no kind: the others take turns.
@combinations(
    {"kind": KINDS, "dtypes": {"-".join(dtypes): dtypes for dtypes in DTYPES}},
    lambda kind, dtypes: (
        kind == "lstm"
        or (kind, dtypes)
        in {
            ("gru", "bfloat16-bfloat16"),
            ("tanh", "float32-bfloat16"),
            ("relu", "bfloat16-float32"),
        }
    ),
)
def test_dtypes_are_those_of_the_scan(kind, dtypes):
    of_params, of_inputs = dtypes
    # Of a size of WAYS, whose programs are compiled already.
    time, batch, hidden = SHAPES[3]
    cell = kind(hidden=hidden)
    params, inputs, carry, *flags = problem(cell, time, batch)
    params = jax.tree.map(lambda leaf: np.asarray(leaf).astype(of_params), params)
    given = params, np.asarray(inputs).astype(of_inputs), carry, *flags
    ours, theirs = (outcome(name, cell, given) for name in ("native", "scan"))
    for our, their in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert our.dtype == their.dtype
        np.testing.assert_allclose(*wide((our, their)), atol=0.1, rtol=0.1)


@every_kind
def test_vmap_over_members(kind):
    cell = kind(hidden=20)
    members = [narrow(problem(cell, 4, 6, seed)) for seed in range(5)]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *members)
    together = wide(jax.vmap(lambda given: outcome("native", cell, given))(stacked))
    for index, member in enumerate(members):
        alone = wide(outcome("native", cell, member))
        assert_close(jax.tree.map(lambda leaf, i=index: leaf[i], together), alone, 0.0)


@every_kind
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_number_of_threads_gives_the_same_bits(kind, threads, monkeypatch):
    # By rows, by units, and by units in several chunks.
    for shape in ((30, 40, 48), (3, 24, 300), LARGE):
        cell = kind(hidden=shape[2])
        given = narrow(problem(cell, *shape[:2]))
        monkeypatch.setenv("LSTM_JAX_NUM_THREADS", "1")
        alone = wide(outcome("native", cell, given))
        monkeypatch.setenv("LSTM_JAX_NUM_THREADS", str(threads))
        assert_close(wide(outcome("native", cell, given)), alone, 0.0)


def test_what_is_kept_for_the_backward_pass_is_half_as_large():
    cell = LSTM(hidden=64)
    params, inputs, *_ = problem(cell, 50, 16)

    def kept(dtype):
        with backend.use("native"):
            _, pull_back = jax.vjp(
                lambda x: recurrence.scan(cell, params, x)[0], array(inputs, dtype)
            )
        sequences = [leaf for leaf in jax.tree.leaves(pull_back) if leaf.ndim == 3]
        assert len(sequences) == 4  # inputs, outputs, gates, cell states
        return sum(leaf.nbytes for leaf in sequences)

    assert 2 * kept(jnp.bfloat16) == kept(jnp.float32)
