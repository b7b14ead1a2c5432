import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.metrics.means import Mean, Sum, bits_per_character, perplexity


def test_a_merged_mean_is_the_mean_over_all_examples():
    values = np.random.default_rng(0).normal(size=60)
    parts = np.split(values, [1, 1, 20, 47])  # one of them empty
    means = [Mean(part.sum(), len(part)) for part in parts]
    merged = functools.reduce(Mean.merge, means)
    assert merged.count == 60
    assert merged.compute() == pytest.approx(values.mean(), rel=1e-12)
    turned = functools.reduce(Mean.merge, reversed(means))
    assert turned.compute() == pytest.approx(merged.compute(), rel=1e-12)


def test_a_mean_of_nothing_is_not_a_number():
    assert math.isnan(Mean(0.0, 0).compute())
    assert math.isnan(Mean(jnp.zeros(()), jnp.zeros(())).compute())
    assert Mean(0.0, 0).merge(Mean(6.0, 2)).compute() == 3.0


def test_means_pass_through_jit():
    merge = jax.jit(Mean.merge)
    merged = merge(Mean(jnp.float32(6), jnp.float32(2)), Mean(jnp.float32(1), jnp.float32(5)))
    assert isinstance(merged, Mean)
    assert merged.compute() == 1.0
    assert isinstance(merged.compute(), float)
    shapes = jax.eval_shape(merge, merged, merged)
    assert shapes.total.shape == ()


def test_merging_on_the_host_loses_nothing():
    # In float32, 2**24 + 1 is 2**24.
    large, one = Mean(jnp.float32(2**24), jnp.float32(2**24)), Mean(jnp.float32(1), jnp.float32(1))
    assert large.merge(one).count == 2**24
    host = large.to_host().merge(one.to_host())
    assert type(host.total) is float
    assert type(host.count) is float
    assert (host.total, host.count) == (2**24 + 1, 2**24 + 1)


def test_perplexity_is_the_number_of_equally_likely_tokens():
    assert perplexity(math.log(10_000)) == pytest.approx(10_000)
    assert perplexity(1e6) == math.inf
    assert perplexity(math.inf) == math.inf
    assert math.isnan(perplexity(math.nan))


def test_bits():
    assert bits_per_character(math.log(256)) == pytest.approx(8)
    assert math.isnan(bits_per_character(math.nan))


def test_sums_add_up_exactly_on_the_host():
    large, one = (Sum(jnp.full((2, 2), value, jnp.float32)) for value in (2**24, 1))
    assert large.merge(one).total.tolist() == [[2**24] * 2] * 2
    host = large.to_host().merge(one.to_host())
    assert host.total.tolist() == [[2**24 + 1] * 2] * 2
    assert host.total.dtype == np.float64
    assert isinstance(jax.jit(Sum.merge)(large, one), Sum)
