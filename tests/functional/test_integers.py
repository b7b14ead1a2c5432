"""Integers of every width say the same."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.functional.integers import in_int32, valid_steps, widened

WIDTHS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


@pytest.mark.parametrize("of_numpy", [False, True], ids=["jax", "numpy"])
@pytest.mark.parametrize("dtype", WIDTHS)
def test_lengths_never_wrap(dtype, of_numpy):
    time = 300
    info = np.iinfo(dtype)
    lengths = np.array([0, 1, 100, 127, max(info.min, -5), info.min, info.max], dtype)
    expected = np.arange(time)[:, None] < lengths.astype(object)
    with jax.enable_x64("64" in dtype):
        given = lengths if of_numpy else jnp.asarray(lengths)
        assert given.dtype == dtype
        found = valid_steps(given, time)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(valid_steps(given, time, first=7), expected[7:])
        if not of_numpy:
            compiled = jax.jit(valid_steps, static_argnums=1)(given, time)
            np.testing.assert_array_equal(compiled, expected)
        assert in_int32(given, time).dtype == np.int32


def test_lengths_of_four_bits():
    lengths = jnp.array([7, 3], jnp.int4)
    np.testing.assert_array_equal(valid_steps(lengths, 9).sum(axis=0), [7, 3])


def test_int32_costs_nothing():
    lengths = jnp.array([3, 5], jnp.int32)
    program = jax.make_jaxpr(lambda lengths: in_int32(lengths, 9))(lengths)
    assert not program.eqns
    names = [
        one.primitive.name for one in jax.make_jaxpr(lambda x: valid_steps(x, 9))(lengths).eqns
    ]
    assert sorted(names) == ["broadcast_in_dim", "broadcast_in_dim", "iota", "lt"]


@pytest.mark.parametrize("dtype", WIDTHS[:6])
def test_narrow_integers_are_widened(dtype):
    given = jnp.array([3, 127], dtype)
    assert widened(given).dtype == ("int32" if "8" in dtype or "16" in dtype else dtype)
    np.testing.assert_array_equal(widened(given), [3, 127])
