import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lstm_jax import recurrence
from lstm_jax.cells import GRU, LSTM
from lstm_jax.modules import (
    Embedding,
    Recurrent,
    Softmax,
    Stack,
    TiedSoftmax,
    draw_uniform,
    initialize,
    merge,
    split,
    structure,
)
from lstm_jax.regularization import dropout
from tests.cells.table import MatrixMemory
from tests.reference import BATCH, INPUT, TIME, assert_close, problem, scan

KEY = jax.random.key(7)
CELLS = (LSTM(hidden=3), MatrixMemory(hidden=4), GRU(hidden=6))


# LLVM is told not to spend time on making it fast.
quickly_compiled = functools.partial(
    jax.jit, compiler_options={"xla_backend_optimization_level": 0}
)


def call(model: Any, *arguments: Any, **options: Any) -> Any:
    """Calls a model, compiled."""
    graph, params = split(model)

    @quickly_compiled
    def run(params: Any, *arguments: Any) -> Any:
        return merge(graph, params)(*arguments, **options)

    return run(params, *arguments)


def random(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(sum(shape)).normal(size=shape), np.float32)


@functools.cache
def stack(rate: float) -> tuple[Stack, jax.Array, Any]:
    """A stack of unlike cells, its inputs, and a carry for each layer."""
    carries = tuple(problem(cell).carry for cell in CELLS)
    return Stack(CELLS, INPUT, rate, nnx.Rngs(0)), random(TIME, BATCH, INPUT), carries


@functools.partial(quickly_compiled, static_argnames="rate")
def chain(params: Any, inputs: Any, carries: Any, keys: Any, rate: float) -> Any:
    """What a stack does, by hand."""
    finals = []
    for cell, layer, carry, key in zip(CELLS, params, carries, keys[:-1], strict=True):
        inputs, final = recurrence.scan(cell, layer, dropout(key, inputs, rate), carry)
        finals.append(final)
    return dropout(keys[-1], inputs, rate), tuple(finals)


# ---- layers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", [LSTM(hidden=3), MatrixMemory(hidden=3)], ids=str)
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
def test_a_recurrent_layer_is_a_scan(cell, reverse):
    layer, given = Recurrent(cell, INPUT, nnx.Rngs(0)), problem(cell)
    assert_close(layer.params(), cell.init(nnx.Rngs(0).params(), INPUT), 0.0)
    flags = {"lengths": given.lengths, "resets": given.resets, "reverse": reverse}
    expected = scan(cell, layer.params(), given.inputs, given.carry, **flags)
    assert_close(call(layer, given.inputs, given.carry, **flags), expected, 1e-6)


def test_a_recurrent_layer_without_a_carry_starts_from_the_initial_one():
    cell = MatrixMemory(hidden=3)
    layer, inputs = Recurrent(cell, INPUT, nnx.Rngs(0)), random(TIME, BATCH, INPUT)
    assert_close(call(layer, inputs), call(layer, inputs, cell.initial_carry(BATCH)), 1e-6)


def test_a_stack_reads_from_below():
    model, inputs, carries = stack(rate=0.0)
    params = [layer.params() for layer in model.layers]
    assert [layer["key_kernel"].shape for layer in params[1:2]] == [(3, 4)]
    assert params[2]["input_kernel"].shape == (4, 3 * 6)
    outputs, finals = call(model, inputs, carries)
    assert outputs.shape == (TIME, BATCH, 6)
    expected = chain(params, inputs, carries, [None] * 4, rate=0.0)
    assert_close((outputs, finals), expected, 1e-6)


def test_options_reach_every_layer():
    model, inputs, carries = stack(rate=0.0)
    resets = jnp.zeros((TIME, BATCH), bool).at[0].set(True)
    initial = tuple(cell.initial_carry(BATCH) for cell in CELLS)
    params = [layer.params() for layer in model.layers]
    expected = chain(params, inputs, initial, [None] * 4, rate=0.0)
    assert_close(call(model, inputs, carries, None, resets=resets), expected, 1e-6)


def test_a_stack_wants_a_carry_for_each_layer():
    model, inputs, carries = stack(rate=0.0)
    with pytest.raises(ValueError, match="shorter"):
        model(inputs, carries[:2])


def test_layers_start_from_parameters_of_their_own():
    model = Stack((GRU(hidden=3), GRU(hidden=3)), 3, 0.0, nnx.Rngs(0))
    first, second = (layer.params() for layer in model.layers)
    assert np.abs(first["input_kernel"] - second["input_kernel"]).max() > 0.1


# ---- dropout ------------------------------------------------------------------------------------


def test_dropout_falls_between_layers_and_at_both_ends():
    model, inputs, carries = stack(rate=0.5)
    params = [layer.params() for layer in model.layers]
    keys = jax.random.split(KEY, len(CELLS) + 1)
    assert_close(
        call(model, inputs, carries, KEY), chain(params, inputs, carries, keys, rate=0.5), 1e-5
    )


def test_dropout_never_falls_on_a_recurrent_connection():
    # Deaf to its inputs, the layer sees nothing of what is dropped from them.
    cell = LSTM(hidden=3)
    model = Stack((cell,), INPUT, 0.5, nnx.Rngs(0))
    model.layers[0].input_kernel[...] = jnp.zeros((INPUT, 4 * cell.hidden))
    carries = (jax.tree.map(lambda leaf: leaf + 0.5, cell.initial_carry(BATCH)),)
    inputs = random(TIME, BATCH, INPUT)
    kept, finals = call(model, inputs, carries)
    dropped, noisy_finals = call(model, inputs, carries, KEY)
    assert_close(noisy_finals, finals, 1e-6)
    zero = np.asarray(dropped) == 0
    assert 0.3 < zero.mean() < 0.7
    assert_close(dropped, jnp.where(zero, 0.0, 2 * kept), 1e-6)
    # Every step draws a mask of its own.
    assert np.any(zero[0] != zero[1])


def test_without_a_key_nothing_is_dropped():
    model, inputs, carries = stack(rate=0.5)
    params = [layer.params() for layer in model.layers]
    expected = chain(params, inputs, carries, [None] * 4, rate=0.0)
    assert_close(call(model, inputs, carries), expected, 1e-6)


# ---- embedding and softmax ----------------------------------------------------------------------


def test_an_embedding_is_a_row_for_each_token():
    model = Embedding(1000, 16, nnx.Rngs(0))
    tokens = jnp.array([[0, 5, 999], [5, 5, 1]])
    table = np.asarray(model.table[...])
    assert_close(model(tokens), jnp.asarray(table[np.asarray(tokens)]), 0.0)
    np.testing.assert_allclose(table.std(), 0.25, rtol=0.05)


def test_a_softmax_is_affine():
    model = Softmax(50, 400, nnx.Rngs(0))
    hidden = random(TIME, BATCH, 50)
    np.testing.assert_allclose(np.std(model.kernel[...]), 50**-0.5, rtol=0.05)
    model.bias[...] = random(400)
    assert_close(model(hidden), hidden @ model.kernel[...] + model.bias[...], 1e-5)


def test_a_tied_softmax_uses_the_table_and_teaches_it():
    model, hidden, table = TiedSoftmax(7), random(TIME, BATCH, 4), random(7, 4)
    assert list(split(model)[1]) == ["bias"]
    model.bias[...] = random(7)
    assert_close(model(hidden, table), hidden @ table.T + model.bias[...], 1e-5)
    weights = random(TIME, BATCH, 7)
    gradient = jax.grad(lambda table: jnp.sum(weights * model(hidden, table)))(table)
    assert_close(gradient, jnp.einsum("tbv,tbh->vh", weights, hidden), 1e-5)


# ---- parameters ---------------------------------------------------------------------------------


def build(rngs: nnx.Rngs, hidden: int = 20) -> Stack:
    return Stack((LSTM(hidden=hidden, peepholes=True), MatrixMemory(hidden=4)), INPUT, 0.5, rngs)


@pytest.fixture(scope="module")
def initialized():
    return initialize(build, KEY)


def test_uniform_draws_replace_kernels_and_are_added_to_biases(initialized):
    graph, before = initialized

    @quickly_compiled
    def draw(params: Any, key: Any) -> Any:
        model = merge(graph, params)
        draw_uniform(model, 0.1, key)
        return split(model)[1]

    params, same, other = (draw(before, jax.random.key(seed)) for seed in (0, 0, 1))
    assert_close(same, params, 0.0)
    pairs = zip(jax.tree.leaves(params), jax.tree.leaves(other), strict=True)
    assert all(np.all(one != two) for one, two in pairs)

    drawn = params["layers"][0]
    purposes = np.repeat([0.0, 1.0, 0.0, 0.0], 20)  # the forget-gate bias
    np.testing.assert_array_equal(before["layers"][0]["bias"], purposes)
    noise = [drawn["bias"] - purposes, *(v for name, v in drawn.items() if name != "bias")]
    assert len(noise) == 4  # the peepholes, no kernel but no bias either, are among them
    for leaf in noise:
        assert 0.09 < np.abs(leaf).max() <= 0.1 + 1e-6
        assert abs(np.mean(leaf)) < 4 * 0.1 / np.sqrt(3 * leaf.size)
        np.testing.assert_allclose(np.std(leaf), 0.1 / np.sqrt(3), rtol=0.2)
    firsts = [float(np.ravel(leaf)[0]) for leaf in noise]
    assert len(set(firsts)) == len(firsts)


def test_split_and_merge(initialized):
    graph, params = initialized
    assert params["layers"][1].keys() == {"key_kernel", "value_kernel", "query_kernel", "decay"}
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(params))
    again, same = split(merge(graph, params))
    assert again == graph
    assert_close(same, params, 0.0)
    doubled = jax.tree.map(lambda leaf: 2 * leaf, params)
    assert_close(split(merge(graph, doubled))[1], doubled, 0.0)


def test_equal_models_have_equal_structures_that_can_be_keys_of_a_cache():
    first, second, wider = (
        split(Recurrent(MatrixMemory(hidden=hidden), INPUT, nnx.Rngs(seed)))[0]
        for hidden, seed in ((3, 0), (3, 1), (4, 0))
    )
    assert first == second
    assert hash(first) == hash(second)
    assert first != wider


def test_first_parameters_follow_from_the_key_and_are_those_of_an_eager_build(initialized):
    graph, params = initialized
    eager_graph, eager = split(build(nnx.Rngs(KEY)))
    assert graph == eager_graph
    assert_close(params, eager, 1e-6)
    other = split(build(nnx.Rngs(8)))[1]
    kernel, other_kernel = (tree["layers"][0]["input_kernel"] for tree in (params, other))
    assert np.all(kernel != other_kernel)


def test_the_structure_is_known_without_any_arithmetic(initialized):
    graph, shapes = structure(build)
    expected_graph, params = initialized
    assert graph == expected_graph
    described = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), shapes)
    assert described == jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), params)
    assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(shapes))
