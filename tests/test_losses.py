from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lstm_jax import losses
from tests.reference import assert_close

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
    return jnp.asarray(logits, dtype), jnp.asarray(labels, np.int32), jnp.asarray(weights, dtype)


def slopes(function: Any, logits: jax.Array, labels: jax.Array, weights: jax.Array) -> jax.Array:
    def weighted(logits: jax.Array) -> jax.Array:
        nats = function(logits, labels)
        return jnp.sum(nats * weights.astype(nats.dtype))

    return jax.jit(jax.grad(weighted))(logits)


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
        for i, j in np.ndindex(logits.shape):
            higher, lower = (
                cross_entropy(logits.at[i, j].add(sign * step), labels)[i] for sign in (1, -1)
            )
            slope = weights[i] * (higher - lower) / (2 * step)
            np.testing.assert_allclose(found[i, j], slope, atol=1e-8)


def test_second_derivatives():
    logits, labels, weights = problem((5,))

    def length(function: Any) -> Any:
        return jax.grad(lambda x: jnp.sum(jnp.square(slopes(function, x, labels, weights))))

    found = length(cross_entropy)(logits)
    assert np.abs(found).max() > 0.1
    assert_close(found, length(reference)(logits), 1e-5)


def test_bfloat16_logits_give_float32_losses_and_bfloat16_gradients():
    logits, labels, weights = problem((5, 3), jnp.bfloat16)
    wide = logits.astype(np.float32)
    nats = cross_entropy(logits, labels)
    assert nats.dtype == np.float32
    assert_close(nats, reference(wide, labels), 1e-6)
    found = slopes(cross_entropy, logits, labels, weights)
    assert found.dtype == jnp.bfloat16
    expected = slopes(reference, wide, labels, weights.astype(np.float32))
    assert_close(found.astype(np.float32), expected, 1e-2)


def test_huge_logits_do_not_overflow():
    logits = jnp.array([[1e4, 0.0, -1e4, 1e4], [1e38, -1e38, 0.0, 0.0], [-3e38, -3e38, 0.0, 0.0]])
    labels = jnp.array([0, 0, 1])
    # float32 numbers near 1e4 are 1e-3 apart.
    expected = [np.log(2), 0.0, 3e38]
    np.testing.assert_allclose(cross_entropy(logits, labels), expected, rtol=1e-3)
    found = slopes(cross_entropy, logits, labels, jnp.ones(3))
    expected = [[-0.5, 0, 0, 0.5], [0, 0, 0, 0], [0, -1, 0.5, 0.5]]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_an_impossible_class_has_no_gradient():
    logits, labels = jnp.array([[0.0, 1.0, -jnp.inf]]), jnp.array([1])
    np.testing.assert_allclose(cross_entropy(logits, labels), [np.log1p(np.exp(-1))], rtol=1e-6)
    found = slopes(cross_entropy, logits, labels, jnp.ones(1))
    share = 1 / (1 + np.e)
    np.testing.assert_allclose(found, [[share, -share, 0.0]], rtol=1e-6)


def test_wrong_axes_are_noticed():
    logits, labels, _ = problem((5, 3))
    with pytest.raises(TypeError, match="labels"):
        cross_entropy(logits, labels.T)
    with pytest.raises(TypeError, match="labels"):
        cross_entropy(logits, labels.astype(np.float32))
