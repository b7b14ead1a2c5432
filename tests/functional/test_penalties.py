"""Penalties on activations and on how they change over time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.functional.dropouts import (
    activation_penalty,
    temporal_penalty,
)
from tests.reference import array

masks = pytest.mark.parametrize(
    ("dtype", "mask_dtype"),
    [(np.float32, np.float32), (jnp.bfloat16, np.bool_), (np.float32, np.int32)],
    ids=["float32", "bfloat16", "int32"],
)
ar, tar = (
    jax.jit(jax.value_and_grad(penalty), static_argnums=2)
    for penalty in (activation_penalty, temporal_penalty)
)


def padded(dtype, mask_dtype=np.float32):
    """Outputs of 5, 2 and 2 steps, padded behind or on both sides; infinite in the padding."""
    mask = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 1], [1, 0, 1], [1, 0, 0]], bool)
    outputs = np.random.default_rng(0).normal(size=(5, 3, 4))
    outputs = np.where(mask[..., None], outputs, np.inf)
    return array(outputs, dtype), array(mask, mask_dtype)


def sequences(outputs):
    whole = np.asarray(outputs, np.float64)
    return [whole[:5, 0], whole[:2, 1], whole[2:4, 2]]


@masks
def test_the_activation_penalty_is_the_mean_square_of_valid_outputs(dtype, mask_dtype):
    outputs, mask = padded(dtype, mask_dtype)
    found, gradient = ar(outputs, mask, 3.0)
    assert found.dtype == np.float32
    expected = 3 * np.mean(np.concatenate(sequences(outputs)) ** 2)
    assert float(found) == pytest.approx(expected, rel=1e-5)
    assert gradient.dtype == dtype
    valid = np.asarray(mask, bool)[..., None]
    expected = np.where(valid, 2 * 3 * np.asarray(outputs, np.float64) / (9 * 4), 0)
    gradient = np.asarray(gradient).astype(np.float32)
    np.testing.assert_allclose(gradient, expected, rtol=1e-2, atol=1e-6)


@masks
def test_the_temporal_penalty_is_the_mean_square_of_valid_changes(dtype, mask_dtype):
    outputs, mask = padded(dtype, mask_dtype)
    found, gradient = tar(outputs, mask, 2.0)
    assert found.dtype == np.float32
    steps = np.concatenate([np.diff(one, axis=0) for one in sequences(outputs)])
    assert float(found) == pytest.approx(2 * np.mean(steps**2), rel=1e-5)
    assert gradient.dtype == dtype
    assert np.isfinite(np.asarray(gradient).astype(np.float32)).all()
    # An output that never changes costs nothing.
    assert float(tar(np.ones((5, 3, 4), dtype), mask, 2.0)[0]) == 0.0


@pytest.mark.parametrize("penalty", [ar, tar], ids=["activation", "temporal"])
def test_a_penalty_is_zero_where_nothing_counts_and_in_proportion_to_its_weight(penalty):
    outputs, mask = map(np.asarray, padded(np.float32))
    value, gradient = penalty(outputs, np.zeros_like(mask), 2.0)
    assert float(value) == 0.0
    np.testing.assert_array_equal(gradient, np.zeros_like(outputs))
    assert float(penalty(outputs[:0], mask[:0], 2.0)[0]) == 0.0
    assert float(penalty(outputs, mask, 0.0)[0]) == 0.0
    once, twice = (float(penalty(outputs, mask, weight)[0]) for weight in (1.0, 2.0))
    assert 0 < once == pytest.approx(twice / 2)


def test_a_single_step_does_not_change_over_time():
    outputs, mask = np.ones((1, 3, 4), np.float32), np.ones((1, 3), np.float32)
    assert float(tar(outputs, mask, 2.0)[0]) == 0.0


def test_wrong_axes_are_noticed():
    outputs, mask = padded(np.float32)
    for penalty in (activation_penalty, temporal_penalty):
        with pytest.raises(TypeError, match="mask"):
            penalty(outputs, array(np.asarray(mask).T), 1.0)
