"""The kernel in C++ beside `jax.lax.scan`, which says what is right.

The cells' property tests run under both backends; here is what only the kernel has.
"""

import functools
import inspect
import threading
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax import recurrence
from lstm_jax.cells import GRU, LSTM, Cell, SimpleRNN
from lstm_jax.errors import ConfigError
from lstm_jax.recurrence import backend, native
from tests.combinations import combinations
from tests.needs import needs_kernel
from tests.reference import array, assert_close, params_of, scan

pytestmark = needs_kernel

KINDS = {
    "lstm": LSTM,
    "gru": GRU,
    "tanh": SimpleRNN,
    "relu": functools.partial(SimpleRNN, activation="relu"),
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
# Below, at and above the sizes of vectors and tiles; shared out by rows and by units.
SHAPES = [(0, 2, 3), (3, 1, 1), (2, 7, 16), (3, 13, 33), (2, 64, 65), (4, 5, 300)]
# Read backwards, every second of them.
WAYS = [*((shape, False) for shape in SHAPES), *((shape, True) for shape in SHAPES[1::2])]
# So large that kernels are beyond a core's cache, and longer than a chunk of steps for such ones.
LARGE = (45, 30, 730)


def every_way(more: Sequence[Any] = ()) -> pytest.MarkDecorator:
    """Parametrizes by kind and by shape and direction, those of `WAYS` and `more`.

    Tiles hold vectors of all gates of some units: of four, three and one they are tried at every
    size. To them neither the direction nor an activation is anything: the kinds take turns
    backwards, and the two of one gate forwards, too.
    """
    tried = {str(way): way for way in (*WAYS, *more)}

    def is_quick(kind: str, way: str) -> bool:
        kinds, turn = list(KINDS), list(tried).index(way)
        if tried[way][1]:
            return kinds.index(kind) % 3 == turn % 3
        return kind not in ("tanh", "relu") or kind == ("tanh", "relu")[turn % 2]

    return combinations({"kind": KINDS, "way": tried}, is_quick)


@functools.cache
def _problem(cell: Cell, time: int, batch: int, seed: int):
    random = np.random.default_rng(seed)

    def drawn(*shape: int) -> jax.Array:
        return array(random.normal(size=shape), np.float32)

    params = params_of(cell, 3, seed)
    shapes = jax.eval_shape(lambda: cell.initial_carry(batch))
    carry = jax.tree.map(lambda leaf: drawn(*leaf.shape), shapes)
    lengths = array(random.integers(0, time + 1, batch), np.int32)
    resets = array(random.random((time, batch)) < 0.3)
    return params, drawn(time, batch, 3), carry, lengths, resets


def problem(cell: Cell, time: int, batch: int, seed: int = 0):
    params, *others = _problem(cell, time, batch, seed)
    return dict(params), *others


@functools.partial(jax.jit, static_argnums=(0, 1))
def _outcome(cell: Cell, reverse: bool, given, by_outputs, by_carry):
    *arguments, lengths, resets = given

    def scan(*arguments):
        flags = {"lengths": lengths, "resets": resets, "reverse": reverse}
        return recurrence.scan(cell, *arguments, **flags)

    (outputs, final), pull_back = jax.vjp(scan, *arguments)
    by_carry = jax.tree.map(lambda a, b: a.astype(b.dtype), by_carry, final)
    return (outputs, final), pull_back((by_outputs.astype(outputs.dtype), by_carry))


def _weights(shape: tuple[int, ...]) -> np.ndarray:
    """Each its own, and the same in bfloat16."""
    values = np.cos(np.arange(np.prod(shape, dtype=int))).reshape(shape)
    return values.astype(jnp.bfloat16).astype(np.float32)


def outcome(name: str, cell: Cell, given, reverse: bool = False, of_carry: Any = _weights):
    """Outputs, final carry and all gradients under a backend.

    They are of a weighted sum, whose weights of a part of the carry are what `of_carry` makes of
    its shape. Cases of the same shapes share a program.
    """
    _, inputs, carry, *_ = given
    by_outputs = _weights((*inputs.shape[:2], cell.hidden))
    by_carry = jax.tree.map(lambda leaf: of_carry(leaf.shape), carry)
    with backend.use(name):
        return _outcome(cell, reverse, given, by_outputs, by_carry)


def test_equals_the_scan_where_kernels_are_large():
    time, batch, hidden = LARGE
    cell = LSTM(hidden=hidden)
    given = problem(cell, time, batch)
    assert_close(outcome("native", cell, given), outcome("scan", cell, given), 2e-5)


@every_way()
def test_equals_the_scan_at_every_size(kind, way):
    shape, reverse = way
    time, batch, hidden = shape
    cell = kind(hidden=hidden)
    given = problem(cell, time, batch)
    if shape == SHAPES[3] and not reverse:
        given = (*given[:3], None, None)  # without lengths and resets
    actual, expected = (outcome(b, cell, given, reverse) for b in ("native", "scan"))
    assert_close(actual, expected, 2e-5)


@every_kind
def test_errors_do_not_grow_over_a_thousand_steps(kind):
    cell = kind(hidden=20)
    params, inputs, carry, *_ = problem(cell, 1000, 4)
    params["recurrent_kernel"] = np.asarray(params["recurrent_kernel"]) * np.float32(0.5)
    given = (params, inputs, carry, None, None)
    with jax.enable_x64(True):
        exact = outcome("scan", cell, jax.tree.map(lambda x: np.asarray(x, np.float64), given))

    def errors(name: str) -> Any:
        differences = jax.tree.map(
            lambda x, y: float(np.linalg.norm(np.asarray(x, np.float64) - np.asarray(y))),
            outcome(name, cell, given),
            exact,
        )
        return jax.tree.leaves(differences)

    for ours, theirs in zip(errors("native"), errors("scan"), strict=True):
        assert ours <= 2 * theirs


@every_kind
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_number_of_threads_gives_the_same_bits(kind, threads, monkeypatch):
    # Large enough to be worth several threads, by rows (hidden 48) and by units (hidden 300).
    for batch, hidden, time in ((40, 48, 30), (24, 300, 3)):
        cell = kind(hidden=hidden)
        given = problem(cell, time, batch)
        monkeypatch.setenv("LSTM_JAX_NUM_THREADS", "1")
        alone = outcome("native", cell, given)
        monkeypatch.setenv("LSTM_JAX_NUM_THREADS", str(threads))
        assert_close(outcome("native", cell, given), alone, 0.0)


def test_many_calls_at_once():
    cell = GRU(hidden=64)
    givens = [problem(cell, 30, 32, seed) for seed in range(4)]
    expected = [outcome("native", cell, given) for given in givens]
    wrong = []

    def work(index: int) -> None:
        for _ in range(8):
            found = outcome("native", cell, givens[index])
            if not jax.tree.all(jax.tree.map(np.array_equal, found, expected[index])):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("sizes", [(0, 2), (3, 0)], ids=["time", "batch"])
def test_gradients_of_empty_arrays_are_zeros(sizes):
    cell = LSTM(hidden=3)
    params, inputs, *_ = problem(cell, *sizes)
    with backend.use("native"):
        slopes = jax.jit(jax.grad(lambda p: recurrence.scan(cell, p, inputs)[0].sum()))
        gradients = slopes(params)
    assert_close(gradients, jax.tree.map(np.zeros_like, params), 0.0)


@every_kind
def test_a_gradient_is_the_same_whatever_else_is_wanted(kind):
    cell = kind(hidden=5)
    given = problem(cell, 4, 6)[:3]

    def loss(*arguments):
        outputs, final = recurrence.scan(cell, *arguments)
        return (outputs**2).sum() + sum(jnp.sin(leaf).sum() for leaf in jax.tree.leaves(final))

    with backend.use("native"):
        together = jax.jit(jax.grad(loss, argnums=(0, 1, 2)))(*given)
        for index, expected in enumerate(together):
            assert_close(jax.jit(jax.grad(loss, argnums=index))(*given), expected, 0.0)
    assert all(np.asarray(leaf).any() for leaf in jax.tree.leaves(together))


def test_saturated_gates_stay_within_their_range():
    cell = SimpleRNN(hidden=16)
    params = jax.tree.map(np.zeros_like, params_of(cell, 1))
    params["input_kernel"] = np.ones((1, 16), np.float32)
    inputs = np.linspace(-12, 12, 4096, dtype=np.float32)[:, None, None]
    with backend.use("native"):
        outputs = np.asarray(scan(cell, params, inputs)[0])
    assert np.abs(outputs).max() == 1.0
    np.testing.assert_allclose(outputs[:, 0, 0], np.tanh(inputs[:, 0, 0]), atol=2e-7)


def test_inputs_of_another_size_are_refused():
    cell = LSTM(hidden=4)
    params, inputs, *_ = problem(cell, 3, 2)
    expected = "inputs have 2 features, and the cell takes 3"
    with backend.use("native"), pytest.raises(ValueError, match=expected):
        recurrence.scan(cell, params, array(np.asarray(inputs)[..., :2]))


# ---- what it does not run -----------------------------------------------------------------------


class Scaled(LSTM):
    """Other arithmetic than that of its base class."""

    def elementwise(self, *arguments):
        carry, output = super().elementwise(*arguments)
        return carry, 2 * output


NOT_RUN = [
    (LSTM(hidden=2, peepholes=True), np.float32, "the kernel has no LSTM"),
    (Scaled(hidden=2), np.float32, "the kernel has no Scaled"),
    (LSTM(hidden=2), np.float16, "the kernel stores float32 or bfloat16, not float16;"),
]


def test_all_dtypes_that_it_does_not_store_are_told():
    arrays = (np.zeros(1, dtype) for dtype in (np.float64, np.float32, np.float16))
    expected = "the kernel stores float32 or bfloat16, not float16, float64"
    assert inspect.unwrap(native.why_not)(LSTM(hidden=2), *arrays) == expected


@pytest.mark.parametrize(("cell", "dtype", "reason"), NOT_RUN, ids=["peepholes", "own", "float16"])
def test_what_it_does_not_run_is_told_or_left_to_the_scan(cell, dtype, reason):
    params, inputs, carry, *_ = problem(cell, 3, 2)
    inputs = np.asarray(inputs).astype(dtype)
    with backend.use("native"), pytest.raises(ConfigError, match=reason):
        scan(cell, params, inputs, carry)
    with backend.use("scan"):
        expected = scan(cell, params, inputs, carry)
    assert_close(scan(cell, params, inputs, carry), expected, 0.0)
