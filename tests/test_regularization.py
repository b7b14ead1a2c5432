import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.regularization import dropout

KEY = jax.random.key(0)
compiled = jax.jit(dropout, static_argnums=2)
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16], ids=["32", "16"])


@jax.jit
@jax.grad
def gradient_of_the_sum(inputs):
    return dropout(KEY, inputs, 0.5).sum()


@both_dtypes
@pytest.mark.parametrize("rate", [0.001, 0.1, 0.5, 0.65, 0.99])
def test_the_share_of_zeros_the_scale_and_the_mean(rate, dtype):
    size = 200_000
    dropped = compiled(KEY, jnp.full(size, 3.0, dtype), rate)
    assert dropped.dtype == dtype
    dropped = np.asarray(dropped, np.float64)
    deviation = np.sqrt(rate * (1 - rate) / size)
    assert abs((dropped == 0).mean() - rate) < 4 * deviation + 1e-5
    # The scale is rounded to the dtype. The rate is a multiple of 1 / 65536.
    rounding = 2.0**-8 if dtype == jnp.bfloat16 else 2.0**-23
    scale = 3 / (1 - rate)
    kept = dropped[dropped != 0]
    assert np.ptp(kept) == 0
    np.testing.assert_allclose(kept[0], scale, rtol=2 * rounding + 2.0**-17 / (1 - rate))
    assert abs(dropped.mean() - 3) < 4 * deviation * scale + 6 * rounding


def test_every_element_is_kept_as_often_as_any_other():
    keys = jax.random.split(KEY, 2000)
    masks = jax.jit(jax.vmap(lambda key: dropout(key, jnp.ones((3, 5)), 0.25) != 0))(keys)
    shares = np.asarray(masks).mean(axis=0)
    np.testing.assert_allclose(shares, 0.75, atol=5 * np.sqrt(0.75 * 0.25 / 2000))
    # Two elements share a word of random bits, and must not share their fate.
    flat = np.asarray(masks).reshape(2000, -1).astype(np.float64)
    correlations = np.corrcoef(flat.T) - np.eye(15)
    assert np.abs(correlations).max() < 5 / np.sqrt(2000)


@both_dtypes
def test_without_a_key_or_a_rate_nothing_changes(dtype):
    inputs = jnp.asarray(np.random.default_rng(0).normal(size=(3, 5)), dtype)
    for found in (dropout(None, inputs, 0.5), dropout(KEY, inputs, 0.0)):
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, inputs)


def test_a_rate_of_one_leaves_nothing():
    np.testing.assert_array_equal(dropout(KEY, jnp.full((3, 5), jnp.nan), 1.0), np.zeros((3, 5)))


def test_the_key_decides():
    inputs = jnp.ones((3, 50))
    first = dropout(KEY, inputs, 0.5)
    np.testing.assert_array_equal(first, dropout(KEY, inputs, 0.5))
    np.testing.assert_array_equal(first, compiled(KEY, inputs, 0.5))
    assert np.any(first != compiled(jax.random.key(1), inputs, 0.5))


@pytest.mark.parametrize("shape", [(), (7,), (3, 5, 7), (0, 5)], ids=str)
def test_any_shape(shape):
    dropped = np.asarray(compiled(KEY, jnp.ones(shape), 0.5))
    assert dropped.shape == shape
    assert set(dropped.flat) <= {0.0, 2.0}


@both_dtypes
def test_the_gradient_has_the_same_mask_and_scale(dtype):
    inputs = jnp.asarray(1 + np.random.default_rng(0).uniform(size=(7, 9)), dtype)
    dropped = compiled(KEY, inputs, 0.5)
    gradient = gradient_of_the_sum(inputs)
    assert gradient.dtype == dtype
    assert 0 < np.mean(np.asarray(dropped) == 0) < 1
    np.testing.assert_array_equal(gradient, np.where(np.asarray(dropped) == 0, 0.0, 2.0))


def test_a_dropped_element_has_no_influence_whatever_it_is():
    dropped = compiled(KEY, jnp.ones(20), 0.5) == 0
    inputs = jnp.where(dropped, jnp.inf, 1.0)
    found = compiled(KEY, inputs, 0.5)
    np.testing.assert_array_equal(found, np.where(dropped, 0.0, 2.0))
    gradient = gradient_of_the_sum(inputs)
    np.testing.assert_array_equal(gradient, np.where(dropped, 0.0, 2.0))
