import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lstm_jax.functional import losses
from lstm_jax.functional.affine import affine
from tests.combinations import combinations
from tests.reference import array, assert_close

CLASSES = 4
cross_entropy = jax.jit(losses.cross_entropy)
reference = jax.jit(optax.softmax_cross_entropy_with_integer_labels)
every_shape = pytest.mark.parametrize("positions", [(), (5, 3)], ids=str)


def problem(positions: tuple[int, ...], dtype: Any = np.float32) -> tuple[jax.Array, ...]:
    """Logits, labels and a weight for each position."""
    random = np.random.default_rng(len(positions))
    logits = 3 * random.normal(size=(*positions, CLASSES))
    labels = random.integers(CLASSES, size=positions)
    weights = random.normal(size=positions)
    return array(logits, dtype), array(labels, np.int32), array(weights, dtype)


@functools.partial(jax.jit, static_argnums=0)
def slopes(function: Any, logits: Any, labels: Any, weights: Any) -> jax.Array:
    def weighted(logits: jax.Array) -> jax.Array:
        nats = function(logits, labels)
        return jnp.sum(nats * weights.astype(nats.dtype))

    return jax.grad(weighted)(logits)


@every_shape
def test_values_and_weighted_gradients_are_those_of_optax(positions):
    logits, labels, weights = problem(positions)
    assert cross_entropy(logits, labels).shape == positions
    assert_close(cross_entropy(logits, labels), reference(logits, labels), 1e-6)
    found = slopes(cross_entropy, logits, labels, weights)
    assert_close(found, slopes(reference, logits, labels, weights), 1e-6)


def test_finite_differences():
    with jax.enable_x64(True):
        logits, labels, weights = problem((5,), np.float64)
        found = slopes(cross_entropy, logits, labels, weights)
        assert found.dtype == np.float64
        step = 1e-6
        found, logits, weights = map(np.asarray, (found, logits, weights))
        for i, j in np.ndindex(logits.shape):
            moved = [logits.copy(), logits.copy()]
            moved[0][i, j] += step
            moved[1][i, j] -= step
            higher, lower = (np.asarray(cross_entropy(one, labels))[i] for one in moved)
            slope = weights[i] * (higher - lower) / (2 * step)
            np.testing.assert_allclose(found[i, j], slope, atol=1e-8)


def test_second_derivatives():
    logits, labels, weights = problem((5,))

    def length(function: Any) -> Any:
        square = lambda x: jnp.sum(jnp.square(slopes(function, x, labels, weights)))  # noqa: E731
        return jax.jit(jax.grad(square))

    found = np.asarray(length(cross_entropy)(logits))
    assert np.abs(found).max() > 0.1
    assert_close(found, length(reference)(logits), 1e-5)


def test_bfloat16_logits_give_float32_losses_and_bfloat16_gradients():
    logits, labels, weights = problem((5, 3), jnp.bfloat16)
    wide = np.asarray(logits).astype(np.float32)
    nats = cross_entropy(logits, labels)
    assert nats.dtype == np.float32
    assert_close(nats, reference(wide, labels), 1e-6)
    found = slopes(cross_entropy, logits, labels, weights)
    assert found.dtype == jnp.bfloat16
    expected = slopes(reference, wide, labels, np.asarray(weights).astype(np.float32))
    assert_close(np.asarray(found).astype(np.float32), expected, 1e-2)


def test_huge_logits_do_not_overflow():
    logits = [[1e4, 0.0, -1e4, 1e4], [1e38, -1e38, 0.0, 0.0], [-3e38, -3e38, 0.0, 0.0]]
    logits, labels = array(logits, np.float32), array([0, 0, 1], np.int32)
    # float32 numbers near 1e4 are 1e-3 apart.
    expected = [np.log(2), 0.0, 3e38]
    np.testing.assert_allclose(cross_entropy(logits, labels), expected, rtol=1e-3)
    found = slopes(cross_entropy, logits, labels, np.ones(3, np.float32))
    expected = [[-0.5, 0, 0, 0.5], [0, 0, 0, 0], [0, -1, 0.5, 0.5]]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_an_impossible_class_has_no_gradient():
    logits, labels = array([[0.0, 1.0, -np.inf]], np.float32), array([1], np.int32)
    np.testing.assert_allclose(cross_entropy(logits, labels), [np.log1p(np.exp(-1))], rtol=1e-6)
    found = slopes(cross_entropy, logits, labels, np.ones(1, np.float32))
    share = 1 / (1 + np.e)
    np.testing.assert_allclose(found, [[share, -share, 0.0]], rtol=1e-6)


def test_wrong_axes_are_noticed():
    logits, labels, _ = problem((5, 3))
    with pytest.raises(TypeError, match="labels"):
        cross_entropy(logits, np.asarray(labels).T)
    with pytest.raises(TypeError, match="labels"):
        cross_entropy(logits, np.asarray(labels).astype(np.float32))


def layer_problem(positions: int, dtype: Any = np.float32) -> tuple[jax.Array, ...]:
    """Hidden vectors, kernel, bias, labels and a weight for each position."""
    random = np.random.default_rng(positions)
    arrays = (random.normal(size=shape) for shape in ((positions, 5), (5, CLASSES), (CLASSES,)))
    inputs, kernel, bias = (one.astype(np.float32) for one in arrays)
    labels = random.integers(CLASSES, size=positions)
    weights = random.normal(size=positions)
    dtypes = dtype, np.float32, np.float32, np.int32, np.float32
    return tuple(map(array, (inputs, kernel, bias, labels, weights), dtypes))


def total_of_all(inputs: Any, kernel: Any, bias: Any, labels: Any, weights: Any) -> Any:
    return jnp.vdot(weights, losses.cross_entropy(affine(inputs, kernel, bias), labels))


def with_gradients(function: Any) -> Any:
    return jax.jit(jax.value_and_grad(function, argnums=(0, 1, 2, 4)))


@jax.jit
def both_totals(*given: Any) -> Any:
    """By chunks, alone too, and of all positions."""
    total = losses.total_cross_entropy
    return total(*given), with_gradients(total)(*given), with_gradients(total_of_all)(*given)


# How positions are cut does not depend on what they hold.
@combinations(
    {
        "positions": {str(positions): positions for positions in (0, 1, 8, 9, 20)},
        "precision": {"float32": (np.float32, 1e-5), "bfloat16": (jnp.bfloat16, 2e-2)},
    },
    lambda positions, precision: precision == "float32" or positions == "20",
)
def test_totals_by_chunks_are_those_of_all_positions(positions, precision, monkeypatch):
    monkeypatch.setattr(losses, "CHUNK", 8)
    dtype, rounding = precision
    alone, (found, found_slopes), (expected, slopes) = both_totals(*layer_problem(positions, dtype))
    assert_close(alone, expected, rounding)
    assert_close(found, expected, rounding)
    types = [slope.dtype for slope in found_slopes]
    assert types == [slope.dtype for slope in slopes]
    wide = [np.asarray(slope).astype(np.float32) for slope in found_slopes]
    assert_close(wide, [np.asarray(slope).astype(np.float32) for slope in slopes], rounding)


def test_a_total_is_scaled_by_what_is_made_of_it():
    given = layer_problem(20)
    _, once = with_gradients(losses.total_cross_entropy)(*given)
    _, thrice = with_gradients(lambda *given: 3 * losses.total_cross_entropy(*given))(*given)
    assert_close(thrice, jax.tree.map(lambda slope: 3 * np.asarray(slope), once), 1e-6)


def temporaries(function: Any, positions: int, classes: int) -> int:
    """Bytes that a compiled function of a softmax takes beside its arguments and results."""
    given = [
        jax.ShapeDtypeStruct(shape, dtype)
        for shape, dtype in (
            *(((positions, 8), np.float32), ((8, classes), np.float32), ((classes,), np.float32)),
            *(((positions,), np.int32), ((positions,), np.float32)),
        )
    ]
    return jax.jit(function).lower(*given).compile().memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize("change", [lambda function: function, with_gradients], ids=["", "grad"])
def test_all_logits_are_never_held(change):
    positions, classes = 8 * losses.CHUNK, 500
    logits = positions * classes * 4
    assert temporaries(change(total_of_all), positions, classes) >= logits
    assert temporaries(change(losses.total_cross_entropy), positions, classes) < logits / 3
