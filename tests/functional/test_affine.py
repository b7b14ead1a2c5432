import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.functional.affine import affine
from tests.reference import assert_close

FEATURES, UNITS = 3, 4
every_shape = pytest.mark.parametrize("positions", [(), (5,), (5, 2), (0, 2)], ids=str)


def plain(inputs: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    return inputs @ kernel + bias


def arguments(positions: tuple[int, ...], dtype: Any = np.float32, kernel_dtype: Any = None):
    random = np.random.default_rng(len(positions))
    shapes = ((*positions, FEATURES), (FEATURES, UNITS), (UNITS,))
    dtypes = (dtype, kernel_dtype or dtype, kernel_dtype or dtype)
    arrays = [random.normal(size=shape) for shape in shapes]
    return tuple(jnp.asarray(a, d) for a, d in zip(arrays, dtypes, strict=True))


def bent(function: Any, *arrays: jax.Array) -> jax.Array:
    """A scalar on which every output acts in its own way, and whose gradient is not constant."""
    output = function(*arrays)
    weights = jnp.sin(1.0 + jnp.arange(output.size, dtype=output.dtype)).reshape(output.shape)
    return jnp.sum(weights * jnp.tanh(output))


def gradients(function: Any, *arrays: jax.Array) -> tuple[jax.Array, ...]:
    return jax.jit(jax.grad(functools.partial(bent, function), argnums=(0, 1, 2)))(*arrays)


@every_shape
def test_values_and_gradients_are_those_of_the_plain_expression(positions):
    given = arguments(positions)
    assert affine(*given).shape == (*positions, UNITS)
    assert_close(affine(*given), plain(*given), 1e-6)
    assert_close(gradients(affine, *given), gradients(plain, *given), 1e-6)


@pytest.mark.parametrize("positions", [(), (5, 2)], ids=str)
def test_finite_differences(positions):
    with jax.enable_x64(True):
        given = arguments(positions, np.float64)
        value = jax.jit(functools.partial(bent, affine))
        found = gradients(affine, *given)
        assert {leaf.dtype for leaf in found} == {np.dtype(np.float64)}
        step = 1e-6
        for place, array in enumerate(given):
            for index in np.ndindex(array.shape):
                moved = [
                    [*given[:place], array.at[index].add(sign * step), *given[place + 1 :]]
                    for sign in (1, -1)
                ]
                slope = (value(*moved[0]) - value(*moved[1])) / (2 * step)
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
        assert all(np.abs(leaf).min() > 1e-6 for leaf in found)
        assert_close(found, curvature(plain), 1e-12)


def test_low_precision_inputs_are_multiplied_low_and_added_up_high():
    inputs, kernel, bias = arguments((5, 2), jnp.bfloat16, np.float32)
    output = affine(inputs, kernel, bias)
    assert output.dtype == np.float32
    # The products of bfloat16 numbers are exact in float32; so the kernel alone was rounded.
    wide = inputs.astype(np.float32)
    rounded = kernel.astype(jnp.bfloat16).astype(np.float32)
    assert_close(output, plain(wide, rounded, bias), 1e-6)
    assert np.abs(output - plain(wide, kernel, bias)).max() > 1e-4

    found = gradients(affine, inputs, kernel, bias)
    assert [leaf.dtype.name for leaf in found] == ["bfloat16", "float32", "float32"]
    expected = gradients(plain, wide, rounded, bias)
    tolerances = (1e-2, 1e-2, 1e-6)
    for one, other, tolerance in zip(found, expected, tolerances, strict=True):
        assert_close(one.astype(np.float32), other, tolerance)


def test_a_long_sum_of_gradients_does_not_stop_growing():
    # 257 is no bfloat16 number: a bfloat16 sum of ones ends at 256.
    rows = 1000
    inputs = jnp.ones((rows, 1), jnp.bfloat16)
    kernel, bias = jnp.ones((1, 1)), jnp.zeros(1)
    slopes = jax.grad(lambda *arrays: affine(*arrays).sum(), argnums=(1, 2))(inputs, kernel, bias)
    assert_close(slopes, (jnp.full((1, 1), 1000.0), jnp.full(1, 1000.0)), 0.0)


def test_wrong_axes_are_noticed():
    inputs, kernel, bias = arguments((5,))
    with pytest.raises(TypeError, match="kernel"):
        affine(inputs, kernel.T, bias)
    with pytest.raises(TypeError, match="bias"):
        affine(inputs, kernel, bias[:1])
