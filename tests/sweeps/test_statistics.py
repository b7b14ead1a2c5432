"""Intervals over seeds hold what they promise; degenerate cases are exact."""

import math

import numpy as np
import pytest
from scipy import stats

from lstm_jax.errors import ConfigError
from lstm_jax.sweeps.statistics import Comparison, Summary, compare, summarize


def test_one_seed_says_nothing_about_noise():
    assert summarize([0.5]) == Summary(0.5, None, None)


def test_of_two_seeds_the_interval_is_their_range():
    assert summarize([3.0, 1.0]) == Summary(2.0, math.sqrt(2), (1.0, 3.0))


@pytest.mark.parametrize("count", [2, 3, 5, 10])
@pytest.mark.parametrize("value", [0.0, 0.1, 0.7, -3.5, 1e-300, 123456.789])
def test_seeds_without_noise(value, count):
    found = summarize([value] * count)
    assert found.mean == pytest.approx(value, rel=1e-15)
    assert found.std == pytest.approx(0.0, abs=1e-15 * abs(value))
    assert found.interval == pytest.approx((value, value), rel=1e-15)


@pytest.mark.parametrize("count", [5, 20, 100])
def test_the_interval_is_that_of_the_percentile_bootstrap(count):
    values = np.random.default_rng(count).exponential(size=count)
    found = summarize(values.tolist())
    other = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=9999, rng=np.random.default_rng(1)
    ).confidence_interval
    assert found.interval == pytest.approx(tuple(other), abs=0.1 * float(other.high - other.low))
    assert (found.mean, found.std) == pytest.approx((values.mean(), values.std(ddof=1)))


@pytest.mark.parametrize(("count", "coverage"), [(2, 0.50), (3, 0.75), (5, 0.84), (10, 0.90)])
def test_the_interval_of_few_seeds_is_as_narrow_as_its_docstring_says(count, coverage):
    random = np.random.default_rng(0)
    held = []
    for _ in range(400):
        low, high = summarize(random.normal(size=count).tolist()).interval
        held.append(low <= 0 <= high)
    assert np.mean(held) == pytest.approx(coverage, abs=0.05)


def test_the_interval_follows_the_scale_and_is_the_same_every_time():
    values = [1.0, 1.5, 1.2, 1.9, 1.1]
    low, high = summarize(values).interval
    assert summarize(values).interval == (low, high)
    found = summarize([10 * value - 3 for value in values])
    assert found.interval == pytest.approx((10 * low - 3, 10 * high - 3))


def test_a_comparison_is_welchs():
    first, second = [1.0, 1.4, 0.9, 1.3, 1.1], [2.0, 2.9, 1.2]
    parts = [np.var(values, ddof=1) / len(values) for values in (first, second)]
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / 4 + parts[1] ** 2 / 2)
    error = math.sqrt(sum(parts))
    difference = np.mean(first) - np.mean(second)
    reach = stats.t.ppf(0.975, freedom) * error
    found = compare(first, second)
    assert found.difference == pytest.approx(difference)
    assert found.interval == pytest.approx((difference - reach, difference + reach))
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(difference) / error, freedom))


def test_a_comparison_the_other_way_round_is_its_mirror_image():
    first, second = [1.0, 1.4, 0.9], [2.0, 2.9, 1.2, 2.2]
    one, other = compare(first, second), compare(second, first)
    assert other.difference == pytest.approx(-one.difference)
    assert other.interval == pytest.approx((-one.interval[1], -one.interval[0]))
    assert other.p_value == pytest.approx(one.p_value)


@pytest.mark.parametrize("seeds", [(5, 5), (3, 5)])
@pytest.mark.parametrize("spread", [1.0, 3.0])
def test_the_interval_of_a_comparison_covers_the_true_difference(seeds, spread):
    random = np.random.default_rng(0)
    covered = []
    for _ in range(400):
        first = random.normal(2.0, 1.0, seeds[0])
        second = random.normal(0.5, spread, seeds[1])
        low, high = compare(first.tolist(), second.tolist()).interval
        covered.append(low <= 1.5 <= high)
    assert 0.92 < np.mean(covered) < 0.98


def test_equal_settings_differ_by_noise_and_a_large_difference_is_found():
    random = np.random.default_rng(0)
    equal, large = [], []
    for _ in range(400):
        first, second = random.normal(80.0, 0.5, (2, 5))
        equal.append(compare(first.tolist(), second.tolist()))
        large.append(compare(first.tolist(), (second + 2.5).tolist()))
    assert 0.92 < np.mean([not one.exceeds_noise for one in equal]) < 0.98
    assert np.mean([one.exceeds_noise for one in large]) > 0.99
    for one in (*equal, *large):
        assert one.exceeds_noise == (one.p_value < 0.05)
    # Under noise alone every p value is as likely.
    assert stats.kstest([one.p_value for one in equal], "uniform").pvalue > 0.01


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([0.5, 0.5], [0.5, 0.5], Comparison(0.0, (0.0, 0.0), 1.0)),
        ([1.5, 1.5], [1.0, 1.0, 1.0], Comparison(0.5, (0.5, 0.5), 0.0)),
        ([0.1, 0.1, 0.1], [0.1, 0.1], Comparison(0.0, (0.0, 0.0), 1.0)),  # 0.1 rounds in a mean
        ([0.7] * 7, [0.7] * 3, Comparison(0.0, (0.0, 0.0), 1.0)),
    ],
)
def test_settings_without_noise(first, second, expected):
    found = compare(first, second)
    assert found == expected
    assert found.exceeds_noise == (expected.difference != 0)


def test_one_of_two_settings_without_noise():
    found = compare([1.0, 1.0, 1.0], [1.1, 0.9, 1.3])
    assert found.difference == pytest.approx(-0.1)
    reach = stats.t.ppf(0.975, 2) * np.std([1.1, 0.9, 1.3], ddof=1) / math.sqrt(3)
    assert found.interval == pytest.approx((-0.1 - reach, -0.1 + reach))
    assert not found.exceeds_noise


@pytest.mark.parametrize(
    ("first", "second"), [([1.0], [1.0, 2.0]), ([1.0, 2.0], [1.0]), ([], [1.0, 2.0]), ([], [])]
)
def test_a_comparison_needs_two_seeds_of_each(first, second):
    with pytest.raises(ConfigError, match="at least two seeds of each setting: use --seeds"):
        compare(first, second)


def test_a_comparison_says_what_it_found():
    assert str(Comparison(0.5, (-0.25, 1.25), 0.125)) == (
        "difference +0.5, 95% interval -0.25 to +1.25, p = 0.12: not larger than the noise"
    )
    assert str(Comparison(-0.5, (-0.75, -0.25), 0.01)).endswith("p = 0.01: larger than the noise")
