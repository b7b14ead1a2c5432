"""The recurrence said again, slowly and plainly, for the tests to compare with."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lstm_jax import recurrence
from lstm_jax.cells import Cell
from lstm_jax.modules import Stack, merge, recurrent_layers, split, structure

TIME, BATCH, INPUT = 6, 5, 2

scan = jax.jit(recurrence.scan, static_argnums=0, static_argnames="reverse")


def array(values: Any, dtype: Any = None) -> jax.Array:
    """An array of JAX; `jnp.asarray` would compile a program for each shape."""
    return jax.device_put(np.asarray(values, dtype))


def drawn(build: Any, seed: int = 0) -> Any:
    """The Flax model that `build` makes of `nnx.Rngs`, with normal parameters drawn by NumPy.

    Compiling what each of its own initializers does would take seconds.
    """
    return filled(*structure(build), seed)


def filled(graph: Any, shapes: Any, seed: int = 0) -> Any:
    """The same of what `structure` says."""
    random = np.random.default_rng(seed)

    def draw(leaf: Any) -> jax.Array:
        return array(random.normal(scale=0.7, size=leaf.shape), leaf.dtype)

    return merge(graph, jax.tree.map(draw, shapes))


def params_of(cell: Cell, input_size: int, seed: int = 0) -> dict[str, jax.Array]:
    """Parameters in the shapes and about as large as those of `cell.init`, drawn by NumPy."""
    shapes = jax.eval_shape(lambda: cell.init(jax.random.key(0), input_size))
    random = np.random.default_rng(seed)

    def draw(leaf: Any) -> jax.Array:
        scale = leaf.shape[0] ** -0.5 if len(leaf.shape) > 1 else 0.3
        return array(random.normal(scale=scale, size=leaf.shape), leaf.dtype)

    return jax.tree.map(draw, shapes)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _call(graph: Any, fixed: Any, params: Any, arguments: Any, arrays: Any) -> Any:
    return merge(graph, params)(*arguments, **dict(fixed), **arrays)


def call(model: Any, *arguments: Any, **options: Any) -> Any:
    """Calls a Flax model, compiled once for all models and arguments of the same form."""
    fixed = tuple((name, value) for name, value in options.items() if isinstance(value, bool))
    arrays = {name: value for name, value in options.items() if not isinstance(value, bool)}
    graph, params = split(model)
    return _call(graph, fixed, params, arguments, arrays)


class Problem(NamedTuple):
    """What a scan is given; batches of sequences that meet every special case at once."""

    params: dict[str, Any]
    inputs: Any
    carry: Any
    lengths: Any
    resets: Any


@functools.cache
def problem(cell: Cell, dtype: Any = np.float32, seed: int = 0) -> Problem:
    """Random values everywhere, in parameters that start at zero too; NaN stands in the padding."""
    random = np.random.default_rng(seed)

    def noisy(leaf: jax.Array) -> jax.Array:
        return array(np.asarray(leaf) + 0.5 * random.normal(size=leaf.shape), dtype)

    lengths = np.array([TIME, TIME, 4, 1, 0], np.int32)
    resets = np.zeros((TIME, BATCH), bool)
    resets[[2, 5], 0] = True
    resets[[0, 3, 4], 1] = True
    resets[[2, 4, 5], 2] = True  # 4 and 5 lie in the padding, where they mean nothing
    resets[[0, 1], 3] = True
    resets[[0, 3], 4] = True
    inputs = random.normal(size=(TIME, BATCH, INPUT))
    inputs[np.arange(TIME)[:, None] >= lengths] = np.nan
    return Problem(
        params=jax.tree.map(noisy, params_of(cell, INPUT, seed)),
        inputs=array(inputs, dtype),
        carry=jax.tree.map(noisy, cell.initial_carry(BATCH)),
        lengths=array(lengths),
        resets=array(resets),
    )


@functools.partial(jax.jit, static_argnums=0)
def _step(cell: Cell, params: Any, carry: Any, inputs: jax.Array) -> tuple[Any, jax.Array]:
    projected = cell.project(params, inputs[None])
    return cell.step(params, carry, jax.tree.map(lambda array: array[0], projected))


def separate_sequences(cell: Cell, given: Problem, reverse: bool) -> tuple[np.ndarray, Any]:
    """Python loops over the sequences, one at a time: padding cut off, and cut at each reset.

    Only the sequence that is read first is given a carry, and that not if it begins with a reset.
    """
    dtype = given.inputs.dtype
    given = jax.tree.map(np.asarray, given)
    initial = jax.tree.map(np.asarray, cell.initial_carry(1, dtype))
    outputs = np.zeros((TIME, BATCH, cell.hidden), dtype)
    carries = []
    for b, length in enumerate(np.asarray(given.lengths)):
        carry = jax.tree.map(lambda array, b=b: array[b : b + 1], given.carry)
        boundaries = [t for t in range(length) if given.resets[t, b]]
        inner = [t for t in boundaries if t > 0]
        sequences = np.split(np.arange(length), inner)
        fresh = 0 in boundaries
        if reverse:
            sequences = [sequence[::-1] for sequence in reversed(sequences)]
            fresh = False
        for sequence in sequences:
            if fresh:
                carry = initial
            for t in sequence:
                carry, output = _step(cell, given.params, carry, given.inputs[t, b : b + 1])
                outputs[t, b] = output[0]
            fresh = True
        carries.append(carry)
    return outputs, jax.tree.map(lambda *parts: np.concatenate(parts), *carries)


def where(condition: jax.Array, chosen: Any, other: Any) -> Any:
    """`chosen` in the columns where `condition` [batch] holds, `other` elsewhere."""

    def select(a: jax.Array, b: jax.Array) -> jax.Array:
        return jnp.where(condition.reshape(-1, *[1] * (a.ndim - 1)), a, b)

    return jax.tree.map(select, chosen, other)


def plain_scan(
    cell: Cell, params: Any, inputs: Any, carry: Any, *, lengths: Any, resets: Any, reverse: bool
) -> tuple[jax.Array, Any]:
    """`lax.scan` over `cell.step`, to be differentiated by JAX alone."""
    valid = jnp.arange(TIME, dtype=lengths.dtype)[:, None] < lengths
    if reverse:
        last = jnp.zeros_like(resets[:1])
        resets = jnp.concatenate([resets[1:] & valid[1:], last])
    initial = cell.initial_carry(BATCH, inputs.dtype)
    inputs = jnp.where(valid[..., None], inputs, jnp.zeros_like(inputs))

    def step(carry: Any, slices: Any) -> tuple[Any, jax.Array]:
        projected, valid, resets = slices
        carry = where(resets & valid, initial, carry)
        new, output = cell.step(params, carry, projected)
        return where(valid, new, carry), where(valid, output, jnp.zeros_like(output))

    slices = (cell.project(params, inputs), valid, resets)
    carry, outputs = jax.lax.scan(step, carry, slices, reverse=reverse)
    return outputs, carry


class Results(NamedTuple):
    """All that comes of a scan and of its backward pass."""

    loss: jax.Array
    outputs: jax.Array
    carry: Any
    gradients: Any
    """Of the loss, by parameters, inputs and first carry."""


traces: list[Cell] = []
"""The cells that `run` was traced for, once for each trace."""


def run(scan: Any, cell: Cell, reverse: bool, given: Problem) -> Results:
    """Runs `scan` and differentiates a loss on which each output and carry acts in its own way."""
    traces.append(cell)
    flags = {"lengths": given.lengths, "resets": given.resets, "reverse": reverse}
    dtype = jax.tree.leaves(given.params)[0].dtype

    def weighted(array: jax.Array) -> jax.Array:
        weights = jnp.sin(1.0 + jnp.arange(array.size, dtype=dtype)).reshape(array.shape)
        return jnp.sum(weights * array.astype(dtype))

    def loss(params: Any, inputs: Any, carry: Any) -> Any:
        scanned = scan(cell, params, inputs, carry, **flags)
        terms = [weighted(leaf) for leaf in jax.tree.leaves(scanned)]
        return jnp.sum(jnp.stack(terms)), scanned

    value_and_grad = jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)
    (value, (outputs, carry)), gradients = value_and_grad(*given[:3])
    return Results(value, outputs, carry, gradients)


_compiled = jax.jit(run, static_argnums=(0, 1, 2))


def results(scan: Any, cell: Cell, given: Problem, reverse: bool = False) -> Results:
    """`run`, compiled.

    So that little is compiled, the tests of a cell share this one function, with arguments of the
    same shapes.
    """
    return _compiled(scan, cell, reverse, given)


def assert_close(actual: Any, expected: Any, tolerance: float) -> None:
    """The same tree, with the same numbers up to `tolerance`, absolute and relative."""
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, atol=tolerance, rtol=tolerance),
        actual,
        expected,
    )


class Noise(NamedTuple):
    """What a stack is disturbed by."""

    dropout: float = 0.0
    variational: bool = False
    weight_drop: float = 0.0


def stack_of(
    cells: Any, input_size: int, noise: Noise, rngs: nnx.Rngs, bidirectional: bool = False
) -> Stack:
    """A stack of recurrent layers."""
    options = {"bidirectional": bidirectional, "weight_drop": noise.weight_drop}
    layers = recurrent_layers(cells, input_size, rngs, **options)
    return Stack(layers, noise.dropout, noise.variational)
