"""What holds for every cell of the table."""

import functools
import importlib
import inspect
import pkgutil
from typing import Any, NamedTuple

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

import lstm_jax.cells
from lstm_jax import recurrence
from lstm_jax.cells import Cell, ElementwiseCell
from lstm_jax.recurrence import backend, native
from tests import reference
from tests.cells.table import CELLS
from tests.combinations import combinations
from tests.reference import BATCH, INPUT, TIME, assert_close, plain_scan, problem, results, scan

FLOAT32, FLOAT64 = 1e-5, 1e-12
NATIVE = 2e-5
ELEMENTWISE = {name: cell for name, cell in CELLS.items() if isinstance(cell, ElementwiseCell)}

every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
DIRECTIONS = {"forward": False, "reverse": True}
BACKENDS = {"scan": "scan", "native": "native"}
every_backend = pytest.mark.parametrize("precision", BACKENDS, indirect=True)

# No cell knows which way it is read: backwards a few stand for all, of each kind of backward pass.
BACKWARDS = ("lstm", "gru", "matrix_memory")
both_directions = combinations(
    {"cell": CELLS, "reverse": DIRECTIONS},
    lambda cell, reverse: reverse == "forward" or cell in BACKWARDS,
)
every_backend_and_direction = combinations(
    {"precision": BACKENDS, "cell": CELLS, "reverse": DIRECTIONS},
    lambda precision, cell, reverse: reverse == "forward" or cell in BACKWARDS,
    indirect=["precision"],
)
# What is done to inputs and axes outside of a cell: each cell meets it under one backend or both.
every_backend_in_turn = combinations(
    {"precision": BACKENDS, "cell": CELLS},
    lambda precision, cell: precision == "native" or cell not in ("lstm", "simple_relu"),
    indirect=["precision"],
)


class Precision(NamedTuple):
    dtype: Any
    tolerance: float


@pytest.fixture
def float64():
    # The scan is chosen as it is below, though nothing else runs this: so they share programs.
    with jax.enable_x64(True), backend.use("scan"):
        yield


@pytest.fixture
def precision(request, cell):
    """A backend, in the widest numbers it computes with."""
    if request.param == "scan":
        with jax.enable_x64(True), backend.use("scan"):
            yield Precision(np.float64, FLOAT64)
    elif reason := native.why_not(cell):
        pytest.skip(f"not run by the kernel: {reason}")
    else:
        with backend.use("native"):
            yield Precision(np.float32, NATIVE)


def widened(given):
    """The same numbers in float64."""

    def widen(leaf):
        leaf = np.asarray(leaf)
        return leaf.astype(np.float64) if leaf.dtype == np.float32 else leaf

    return jax.tree.map(widen, given)


def dtypes(tree):
    return {leaf.dtype.name for leaf in jax.tree.leaves(tree)}


def test_every_cell_of_the_library_is_in_the_table():
    modules = [
        importlib.import_module(info.name)
        for info in pkgutil.iter_modules(lstm_jax.cells.__path__, "lstm_jax.cells.")
    ]
    cells = {
        value
        for module in modules
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Cell) and not inspect.isabstract(value)
    }
    missing = cells - {type(cell) for cell in CELLS.values()}
    assert not missing, f"add a row to tests/cells/table.py for {missing}"


@every_cell
def test_shapes_names_and_dtypes(cell):
    params, carry = cell.init(jax.random.key(0), INPUT), cell.initial_carry(BATCH)
    run = functools.partial(recurrence.scan, cell)
    outputs, final = jax.eval_shape(run, params, jnp.ones((TIME, BATCH, INPUT)))
    assert outputs.shape == (TIME, BATCH, cell.hidden)
    assert type(final) is type(carry)
    assert carry._fields
    assert jax.tree.map(jnp.shape, final) == jax.tree.map(jnp.shape, carry)
    assert dtypes((params, carry, outputs, final)) == {"float32"}
    if isinstance(cell, ElementwiseCell):
        gates = params["bias"].size
        assert params["input_kernel"].shape == (INPUT, gates)
        assert params["recurrent_kernel"].shape == (cell.hidden, gates)


@every_cell
def test_init_follows_the_key(cell):
    first, same, other = (cell.init(jax.random.key(seed), INPUT) for seed in (1, 1, 2))
    for name in first:
        np.testing.assert_array_equal(first[name], same[name])
        if name.endswith("kernel"):
            assert np.abs(first[name] - other[name]).max() > 0.01


@every_backend_and_direction
def test_equals_a_python_loop_over_separate_sequences(cell, reverse, precision):
    given = problem(cell, precision.dtype)
    actual = results(recurrence.scan, cell, given, reverse=reverse)
    expected = reference.separate_sequences(cell, given, reverse)
    assert_close((actual.outputs, actual.carry), expected, precision.tolerance)


@every_backend
@every_cell
def test_lengths_resets_and_carry_may_be_left_out(cell, precision):
    given = problem(cell, precision.dtype)
    given = given._replace(
        inputs=np.nan_to_num(given.inputs),
        carry=cell.initial_carry(BATCH, precision.dtype),
        lengths=np.full(BATCH, TIME, np.int32),
        resets=np.zeros((TIME, BATCH), bool),
    )
    spelled_out = results(recurrence.scan, cell, given)
    bare = scan(cell, given.params, given.inputs)
    assert_close(bare, (spelled_out.outputs, spelled_out.carry), precision.tolerance)


@every_backend_and_direction
def test_two_halves_equal_one_scan(cell, reverse, precision):
    given, half = jax.tree.map(np.asarray, problem(cell, precision.dtype)), TIME // 2
    # Each half is filled up with padding to the length of the whole.
    padding = np.full_like(given.inputs[:half], np.nan)
    left = given._replace(
        inputs=np.concatenate([given.inputs[:half], padding]),
        lengths=np.minimum(given.lengths, half),
    )
    right = given._replace(
        inputs=np.concatenate([given.inputs[half:], padding]),
        lengths=np.maximum(given.lengths - half, 0),
        resets=np.roll(given.resets, -half, axis=0),
    )
    # In reverse, a reset at the first step of the right half is a boundary only the whole can see.
    severed = given.resets[half] & (given.lengths > half) & reverse

    def carry_on(carry):
        def select(fresh, leaf):
            return np.where(severed.reshape(-1, *[1] * (leaf.ndim - 1)), fresh, leaf)

        return jax.tree.map(select, cell.initial_carry(BATCH, precision.dtype), carry)

    run = functools.partial(results, recurrence.scan, cell, reverse=reverse)
    whole = run(given)
    first, second = (right, left) if reverse else (left, right)
    first = run(first)
    second = run(second._replace(carry=carry_on(first.carry)))
    halves = (second, first) if reverse else (first, second)
    outputs = np.concatenate([np.asarray(part.outputs)[:half] for part in halves])
    assert_close((outputs, second.carry), (whole.outputs, whole.carry), precision.tolerance)


@every_cell
def test_jit_equals_eager(cell):
    given = problem(cell)
    flags = {"lengths": given.lengths, "resets": given.resets}
    with jax.disable_jit():
        eager = recurrence.scan(cell, *given[:3], **flags)
    assert_close(scan(cell, *given[:3], **flags), eager, FLOAT32)


@pytest.mark.usefixtures("float64")
@both_directions
def test_gradients_equal_finite_differences(cell, reverse):
    given, step = problem(cell, np.float64), 1e-5
    given = given._replace(inputs=np.nan_to_num(given.inputs))
    gradients = results(recurrence.scan, cell, given, reverse=reverse).gradients
    leaves, structure = jax.tree.flatten(jax.tree.map(np.asarray, tuple(given[:3])))
    random = np.random.default_rng(0)
    # One random direction for each parameter, the inputs and each part of the carry.
    for n, gradient in enumerate(jax.tree.leaves(gradients)):
        direction = random.normal(size=gradient.shape)

        def loss(distance, n=n, direction=direction):
            moved = [*leaves[:n], leaves[n] + distance * direction, *leaves[n + 1 :]]
            params, inputs, carry = jax.tree.unflatten(structure, moved)
            there = given._replace(params=params, inputs=inputs, carry=carry)
            return float(results(recurrence.scan, cell, there, reverse=reverse).loss)

        slope = (loss(step) - loss(-step)) / (2 * step)
        np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-6, atol=1e-8)


@every_backend_and_direction
def test_gradients_equal_plain_autodiff(cell, reverse, precision):
    given = problem(cell, precision.dtype)
    actual = results(recurrence.scan, cell, given, reverse=reverse)
    with jax.enable_x64(True), backend.use("scan"):  # one program for both backends
        expected = results(plain_scan, cell, widened(given), reverse=reverse)
    assert_close(actual.gradients, expected.gradients, precision.tolerance)
    assert all(np.asarray(leaf).any() for leaf in jax.tree.leaves(expected.gradients))


@every_backend_and_direction
def test_what_stands_in_the_padding_changes_nothing(cell, reverse, precision):
    given = problem(cell, precision.dtype)
    padding = np.isnan(given.inputs)
    assert padding.any()
    actual = results(recurrence.scan, cell, given, reverse=reverse)
    zeros = given._replace(inputs=np.nan_to_num(given.inputs))
    assert_close(actual, results(recurrence.scan, cell, zeros, reverse=reverse), 0.0)
    _, by_inputs, _ = actual.gradients
    assert not np.asarray(by_inputs)[padding].any()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(actual))


@pytest.mark.usefixtures("float64")
@every_cell
def test_float64_throughout(cell):
    given = problem(cell, np.float64)
    assert dtypes(results(recurrence.scan, cell, given)) == {"float64"}
    assert dtypes(jax.eval_shape(functools.partial(scan, cell), *given[:2])) == {"float64"}


@every_backend
@every_cell
def test_a_training_loop_is_traced_once(cell, precision):
    given = problem(cell, precision.dtype)
    given = given._replace(carry=cell.initial_carry(BATCH, precision.dtype))
    descend = functools.partial(jax.tree.map, lambda p, g: np.asarray(p) - 0.1 * np.asarray(g))
    already = len(reference.traces)
    for lengths in ([6, 6, 4, 1, 0], [1, 2, 3, 4, 5], [0, 0, 0, 0, 0]):
        resets = ~np.asarray(given.resets)
        given = given._replace(lengths=np.array(lengths, np.int32), resets=resets)
        step = results(recurrence.scan, cell, given)
        given = given._replace(params=descend(given.params, step.gradients[0]), carry=step.carry)
    assert len(reference.traces) - already <= 1


@every_backend_in_turn
def test_bfloat16_inputs(cell, precision):
    given = problem(cell)
    inputs = np.asarray(given.inputs).astype(jnp.bfloat16)
    actual = results(recurrence.scan, cell, given._replace(inputs=inputs))
    wide = given if precision.dtype == np.float32 else widened(given)
    expected = results(recurrence.scan, cell, wide)
    by_params, by_inputs, by_carry = actual.gradients
    assert dtypes((actual.outputs, by_inputs)) == {"bfloat16"}
    assert dtypes((actual.carry, by_params, by_carry)) == {"float32"}
    for a, e in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        difference = np.linalg.norm(np.asarray(a, np.float64) - np.asarray(e))
        # More than by the rounding of float32.
        assert 1e-5 < difference / np.linalg.norm(e) < 0.05


@every_backend_in_turn
def test_vmap_over_parameters(cell, precision):
    given, other = problem(cell, precision.dtype), problem(cell, precision.dtype, seed=1)

    def run(params):
        return results(recurrence.scan, cell, given._replace(params=params))

    def stack(*trees):
        return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)

    actual = jax.vmap(run)(stack(given.params, other.params))
    assert_close(actual, stack(run(given.params), run(other.params)), precision.tolerance)


def shapes_made_in_loops(jaxpr):
    """Shapes of all that loops carry from step to step or hand out at a step, nested loops too."""
    for equation in jaxpr.eqns:
        for parameter in equation.params.values():
            for inner in parameter if isinstance(parameter, tuple | list) else [parameter]:
                inner = getattr(inner, "jaxpr", inner)
                if not hasattr(inner, "eqns"):
                    continue
                yield from shapes_made_in_loops(inner)
                if equation.primitive.name in ("scan", "while"):
                    yield from (variable.aval.shape for variable in inner.outvars)


@combinations(
    {
        "cell": ELEMENTWISE,
        "has_flags": {"bare": False, "lengths_and_resets": True},
        "reverse": DIRECTIONS,
    },
    lambda cell, has_flags, reverse: reverse == "forward" or cell in BACKWARDS,
)
def test_weight_gradient_is_formed_outside_the_loop(cell, has_flags, reverse):
    given = problem(cell)
    bare = given if has_flags else given._replace(lengths=None, resets=None)

    def shapes(scan, given):
        run = functools.partial(reference.run, scan, cell, reverse)
        with backend.use("scan"):
            return set(shapes_made_in_loops(jax.make_jaxpr(run)(given).jaxpr))

    kernel = given.params["recurrent_kernel"].shape
    assert kernel in shapes(plain_scan, given), "the test no longer finds what it looks for"
    assert kernel not in shapes(recurrence.scan, bare)


@every_cell
def test_lowers_for_cpu_cuda_and_tpu(cell):
    platforms = ("cpu", "cuda", "tpu")
    run = jax.jit(functools.partial(reference.run, recurrence.scan, cell, False))
    with backend.use("scan"):
        exported = jax.export.export(run, platforms=platforms)(problem(cell))
    assert exported.platforms == platforms
    assert "stablehlo.while" in exported.mlir_module()
