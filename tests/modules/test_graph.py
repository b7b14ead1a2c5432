"""Models become structures and arrays, and come back."""

from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx

from lstm_jax.cells import LSTM
from lstm_jax.modules import Recurrent, Stack, draw_uniform, initialize, merge, split, structure
from tests.cells.table import MatrixMemory
from tests.reference import INPUT, Noise, array, assert_close, stack_of

KEY = jax.random.key(7)


def build(rngs: nnx.Rngs, hidden: int = 20) -> Stack:
    return stack_of(
        (LSTM(hidden=hidden, peepholes=True), MatrixMemory(hidden=4)), INPUT, Noise(0.5), rngs
    )


@pytest.fixture(scope="module")
def initialized():
    return initialize(build, KEY)


def test_uniform_draws_replace_kernels_and_are_added_to_biases(initialized):
    graph, before = initialized

    @jax.jit
    def draw(params: Any, key: Any) -> Any:
        model = merge(graph, params)
        draw_uniform(model, 0.1, key)
        return split(model)[1]

    params, same, other = (
        jax.tree.map(np.asarray, draw(before, jax.random.key(seed))) for seed in (0, 0, 1)
    )
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
    doubled = jax.tree.map(lambda leaf: array(2 * np.asarray(leaf)), params)
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
    kernel, other_kernel = (
        np.asarray(tree["layers"][0]["input_kernel"]) for tree in (params, other)
    )
    assert np.all(kernel != other_kernel)


def test_the_structure_is_known_without_any_arithmetic(initialized):
    graph, shapes = structure(build)
    expected_graph, params = initialized
    assert graph == expected_graph
    described = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), shapes)
    assert described == jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), params)
    assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(shapes))
