"""The kernel on sequences in bfloat16: arithmetic and small arrays stay in float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax import recurrence
from lstm_jax.cells import GRU, LSTM, SimpleRNN
from lstm_jax.recurrence import backend
from tests.needs import needs_kernel
from tests.recurrence.test_native import WAYS, every_kind, problem
from tests.reference import assert_close

pytestmark = needs_kernel

ROUNDING = 2.0**-8
"""The largest relative error of a rounded number."""

# By units, in several chunks of steps, and of an LSTM with more gates than a block of a product.
LARGE = (3, 330, 260)


def wide(tree):
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)


def narrow(given):
    """The problem with inputs in bfloat16."""
    return (given[0], given[1].astype(jnp.bfloat16), *given[2:])


def outcome(name, cell, given, reverse=False):
    """Outputs, final carry and all gradients under a backend.

    The loss has the same gradients by outputs in bfloat16 as in any other type.
    """
    params, inputs, carry, lengths, resets = given

    def loss(params, inputs, carry):
        flags = {"lengths": lengths, "resets": resets, "reverse": reverse}
        outputs, final = recurrence.scan(cell, params, inputs, carry, **flags)
        weights = jnp.cos(jnp.arange(outputs.size)).reshape(outputs.shape).astype(jnp.bfloat16)
        total = (weights.astype(outputs.dtype) * outputs).sum().astype(jnp.float32)
        sums = [leaf.sum().astype(jnp.float32) for leaf in jax.tree.leaves(final)]
        return total + sum(sums), (outputs, final)

    with backend.use(name):
        compiled = jax.jit(jax.grad(loss, argnums=(0, 1, 2), has_aux=True))
        gradients, results = compiled(params, inputs, carry)
    return results, gradients


@every_kind
@pytest.mark.parametrize(("shape", "reverse"), [*WAYS, (LARGE, False), (LARGE, True)], ids=str)
def test_is_as_exact_as_what_is_stored(kind, shape, reverse):
    """Nearer than the scan, which rounds the factors of its products, or off by a rounding."""
    time, batch, hidden = shape
    cell = kind(hidden=hidden)
    given = narrow(problem(cell, time, batch))
    exact = outcome("native", cell, (given[0], given[1].astype(np.float32), *given[2:]), reverse)
    ours, theirs = (outcome(name, cell, given, reverse) for name in ("native", "scan"))
    assert [leaf.dtype for leaf in jax.tree.leaves(ours)] == [
        leaf.dtype for leaf in jax.tree.leaves(theirs)
    ]

    def errors(found):
        return jax.tree.leaves(
            jax.tree.map(lambda a, b: np.linalg.norm(a - b), wide(found), wide(exact))
        )

    # In few numbers either may be lucky.
    roundings = 4 if hidden == 1 else 1
    for our, their, leaf in zip(errors(ours), errors(theirs), jax.tree.leaves(exact), strict=True):
        assert our <= max(1.2 * their, roundings * ROUNDING * np.linalg.norm(leaf))
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
        outcome("native", cell, (given[0], given[1].astype(dtype), *given[2:]), reverse)
        for dtype in (jnp.bfloat16, jnp.float32)
    )
    exact = exact[0], exact[1].astype(jnp.bfloat16), exact[2]
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
    params["bias"] = params["bias"].at[gate].set(bias)
    given = narrow((params, inputs, carry, None, None))
    ours = outcome("native", cell, given)[1][2]
    exact = outcome("native", cell, (params, given[1].astype(np.float32), carry, None, None))[1][2]
    for our, leaf in zip(jax.tree.leaves(ours), jax.tree.leaves(exact), strict=True):
        assert np.linalg.norm(our - leaf) < 4 * ROUNDING * np.linalg.norm(leaf)


def test_numbers_are_rounded_to_the_nearest_and_ties_to_even():
    cell = SimpleRNN(hidden=20, activation="relu")  # more than the lanes of a vector
    params = jax.tree.map(jnp.zeros_like, cell.init(jax.random.key(0), 1))
    bits = np.arange(0x0080, 0x7F80, dtype=np.uint16)  # all but zero and the smallest numbers
    inputs = jnp.asarray(bits.view(jnp.bfloat16))[None, :, None]
    for factor in (1.0, 1.5, 1 + 2**-8, 1 + 2**-8 + 2**-20, 1 + 2**-8 - 2**-20, 1 + 3 * 2**-8):
        params["input_kernel"] = jnp.full((1, 20), factor, np.float32)
        with backend.use("native"):
            outputs, _ = recurrence.scan(cell, params, inputs)
        expected = (inputs.astype(np.float32) * np.float32(factor)).astype(jnp.bfloat16)
        assert_close(wide(outputs), wide(jnp.broadcast_to(expected, outputs.shape)), 0.0)


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
        nan = jnp.asarray(np.uint16(bits).view(jnp.bfloat16))
        expected = [[0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0]]
        assert rows_with_nan(inputs.at[1, 2, 0].set(nan), carry) == expected
    # Numbers that rounding would carry over into the sign, or cut off.
    for bits in (0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001):
        nan = jnp.asarray(np.uint32(bits).view(np.float32))
        first = carry._replace(hidden=carry.hidden.at[1].set(nan))
        assert rows_with_nan(inputs, first) == [[0, 1, 0, 0]] * 3


@pytest.mark.parametrize(
    ("of_params", "of_inputs"),
    [("bfloat16", "bfloat16"), ("float32", "bfloat16"), ("bfloat16", "float32")],
)
@every_kind
def test_dtypes_are_those_of_the_scan(kind, of_params, of_inputs):
    cell = kind(hidden=5)
    params, inputs, carry, *flags = problem(cell, 6, 3)
    params = jax.tree.map(lambda leaf: leaf.astype(of_params), params)
    given = params, inputs.astype(of_inputs), carry, *flags
    ours, theirs = (outcome(name, cell, given) for name in ("native", "scan"))
    for our, their in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert our.dtype == their.dtype
        np.testing.assert_allclose(*wide((our, their)), atol=0.1, rtol=0.1)


@every_kind
def test_vmap_over_members(kind):
    cell = kind(hidden=20)
    members = [narrow(problem(cell, 4, 6, seed)) for seed in range(5)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    together = jax.vmap(lambda given: outcome("native", cell, given))(stacked)
    for index, member in enumerate(members):
        alone = wide(outcome("native", cell, member))
        assert_close(wide(jax.tree.map(lambda leaf, i=index: leaf[i], together)), alone, 0.0)


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
                lambda x: recurrence.scan(cell, params, x)[0], inputs.astype(dtype)
            )
        sequences = [leaf for leaf in jax.tree.leaves(pull_back) if leaf.ndim == 3]
        assert len(sequences) == 4  # inputs, outputs, gates, cell states
        return sum(leaf.nbytes for leaf in sequences)

    assert 2 * kept(jnp.bfloat16) == kept(jnp.float32)
