import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.functional.affine import affine
from tests.reference import array, assert_close

FEATURES, UNITS = 3, 4
every_shape = pytest.mark.parametrize("positions", [(), (5,), (5, 2), (0, 2)], ids=str)


def plain(inputs: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    return inputs @ kernel + bias


def arguments(positions: tuple[int, ...], dtype: Any = np.float32, kernel_dtype: Any = None):
    random = np.random.default_rng(len(positions))
    shapes = ((*positions, FEATURES), (FEATURES, UNITS), (UNITS,))
    dtypes = (dtype, kernel_dtype or dtype, kernel_dtype or dtype)
    arrays = [random.normal(size=shape) for shape in shapes]
    return tuple(map(array, arrays, dtypes))


def bent(function: Any, *arrays: jax.Array) -> jax.Array:
    """A scalar on which every output acts in its own way, and whose gradient is not constant."""
    output = function(*arrays)
    weights = jnp.sin(1.0 + jnp.arange(output.size, dtype=output.dtype)).reshape(output.shape)
    return jnp.sum(weights * jnp.tanh(output))


@functools.partial(jax.jit, static_argnums=0)
def value(function: Any, *arrays: jax.Array) -> jax.Array:
    return function(*arrays)


@functools.partial(jax.jit, static_argnums=0)
def gradients(function: Any, *arrays: jax.Array) -> tuple[jax.Array, ...]:
    return jax.grad(functools.partial(bent, function), argnums=(0, 1, 2))(*arrays)


@every_shape
def test_values_and_gradients_are_those_of_the_plain_expression(positions):
    given = arguments(positions)
    assert value(affine, *given).shape == (*positions, UNITS)
    assert_close(value(affine, *given), value(plain, *given), 1e-6)
    assert_close(gradients(affine, *given), gradients(plain, *given), 1e-6)


@pytest.mark.parametrize("positions", [(), (5, 2)], ids=str)
def test_finite_differences(positions):
    with jax.enable_x64(True):
        given = arguments(positions, np.float64)
        bent_value = jax.jit(functools.partial(bent, affine))
        found = gradients(affine, *given)
        assert {leaf.dtype for leaf in found} == {np.dtype(np.float64)}
        step = 1e-6
        given, found = (list(map(np.asarray, arrays)) for arrays in (given, found))
        for place, leaf in enumerate(given):
            for index in np.ndindex(leaf.shape):
                values = []
                for sign in (1, -1):
                    moved = leaf.copy()
                    moved[index] += sign * step
                    values.append(float(bent_value(*given[:place], moved, *given[place + 1 :])))
                slope = (values[0] - values[1]) / (2 * step)
                np.testing.assert_allclose(found[place][index], slope, atol=1e-8)


def test_second_derivatives():
    with jax.enable_x64(True):
        given = arguments((2,), np.float64)

        def curvature(function: Any) -> Any:
            def length(*arrays: jax.Array) -> jax.Array:
                slopes = jax.grad(functools.partial(bent, function), argnums=(0, 1, 2))(*arrays)
                return jnp.stack([jnp.sum(jnp.square(slope)) for slope in slopes]).sum()

            return jax.jit(jax.grad(length, argnums=(0, 1, 2)))(*given)

        found = curvature(affine)
        assert all(np.abs(np.asarray(leaf)).min() > 1e-6 for leaf in found)
        assert_close(found, curvature(plain), 1e-12)


def test_low_precision_inputs_are_multiplied_low_and_added_up_high():
    inputs, kernel, bias = arguments((5, 2), jnp.bfloat16, np.float32)
    output = np.asarray(value(affine, inputs, kernel, bias))
    assert output.dtype == np.float32
    # The products of bfloat16 numbers are exact in float32; so the kernel alone was rounded.
    wide = np.asarray(inputs).astype(np.float32)
    rounded = np.asarray(kernel).astype(jnp.bfloat16).astype(np.float32)
    assert_close(output, value(plain, wide, rounded, bias), 1e-6)
    assert np.abs(output - np.asarray(value(plain, wide, kernel, bias))).max() > 1e-4

    found = gradients(affine, inputs, kernel, bias)
    assert [leaf.dtype.name for leaf in found] == ["bfloat16", "float32", "float32"]
    expected = gradients(plain, wide, rounded, bias)
    tolerances = (1e-2, 1e-2, 1e-6)
    for one, other, tolerance in zip(found, expected, tolerances, strict=True):
        assert_close(np.asarray(one).astype(np.float32), other, tolerance)


def test_a_long_sum_of_gradients_does_not_stop_growing():
    # 257 is no bfloat16 number: a bfloat16 sum of ones ends at 256.
    rows = 1000
    inputs = np.ones((rows, 1), jnp.bfloat16)
    kernel, bias = np.ones((1, 1), np.float32), np.zeros(1, np.float32)
    slopes = jax.jit(jax.grad(lambda *arrays: affine(*arrays).sum(), argnums=(1, 2)))
    expected = np.full((1, 1), 1000, np.float32), np.full(1, 1000, np.float32)
    assert_close(slopes(inputs, kernel, bias), expected, 0.0)


def test_wrong_axes_are_noticed():
    inputs, kernel, bias = arguments((5,))
    with pytest.raises(TypeError, match="kernel"):
        affine(inputs, array(np.asarray(kernel).T), bias)
    with pytest.raises(TypeError, match="bias"):
        affine(inputs, kernel, array(np.asarray(bias)[:1]))
