"""What forecast heads learn of data, and what they then say: densities, samples, other units."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from lstm_jax.modules.distribution_heads import Gaussian, Mixture, StudentT
from lstm_jax.modules.head_contract import Head
from lstm_jax.modules.heads import UNIT, Huber, Quantiles
from tests.modules.heads import CASES, DISTRIBUTIONS, ROWS, Row, asked, every_head, normal
from tests.reference import array, assert_close

DATA, STEPS = 400, 250


def data_of(row: Row) -> np.ndarray:
    random = np.random.default_rng(0)
    if row.head.counts:
        return random.negative_binomial(3, 0.5, DATA).astype(float)
    if isinstance(row.head, StudentT):
        return 1 + 0.5 * random.standard_t(5, DATA)
    if isinstance(row.head, Mixture):
        return np.where(np.arange(DATA) % 3 == 0, -2, 1) + 0.3 * random.normal(size=DATA)
    return random.gamma(2, 0.5, DATA)


def statistic(name: str, data: np.ndarray) -> float:
    if name == "huber":
        grid = np.linspace(0, 2, 2001)
        return grid[np.abs(np.clip(data - grid[:, None], -0.5, 0.5).sum(axis=1)).argmin()]
    if name == "student_t":
        return stats.t.fit(data)[1]
    if name == "log_mean":
        return np.log(np.mean(np.exp(data)))
    known = {"mean": np.mean, "median": np.median, "upper": lambda x: np.quantile(x, 0.8)}
    return known[name](data)


@functools.partial(jax.jit, static_argnums=0)
def train(head: Head, target: jax.Array) -> jax.Array:
    """One vector of raw outputs for all targets, by Adam with steps of falling length."""

    def cost(raw: jax.Array) -> jax.Array:
        raw = jnp.broadcast_to(raw, (*target.shape, head.size))
        return head.cost(raw, target, jnp.ones_like(target)).mean()

    def step(state: Any, length: jax.Array) -> Any:
        raw, mean, square = state
        slope = jax.grad(cost)(raw)
        mean, square = 0.9 * mean + 0.1 * slope, 0.99 * square + 0.01 * slope**2
        return (raw - length * mean / (jnp.sqrt(square) + 1e-8), mean, square), None

    zeros = jnp.zeros(head.size, target.dtype)
    lengths = jnp.linspace(0.2, 0, STEPS, dtype=target.dtype)
    return jax.lax.scan(step, (zeros,) * 3, lengths)[0][0]


@every_head
def test_training_finds_the_statistic_and_the_quantiles_of_the_data(row):
    data = data_of(row)
    raw = train(row.head, array(data, np.float32))
    answers = asked(row, raw, 0)
    if isinstance(row.head, Quantiles):
        found = asked(row._replace(levels=row.head.levels), raw, 0)
        assert_close(found.quantiles[0], np.quantile(data, row.head.levels), 0.03)
        known = np.quantile(data, row.head.levels)
        assert_close(answers.point[0], np.interp(0.5, row.head.levels, known), 0.02)
        return
    assert_close(answers.point[0], statistic(row.statistic, data), 0.02)
    if isinstance(row.head, Gaussian):
        expected = data.mean() + data.std() * normal(row.levels)
        assert_close(answers.quantiles[0], expected, 0.02)
    elif row.levels:
        between = answers.quantiles[0][[1, 2, 4]] - np.quantile(data, (0.1, 0.5, 0.9))
        assert np.abs(between).max() <= (1 if row.head.counts else 0.1)


def positive(raw: np.ndarray) -> np.ndarray:
    return 1e-4 + (1 - 1e-4) * np.logaddexp(0, raw + UNIT)


def inverse(values: np.ndarray) -> np.ndarray:
    return np.log(np.expm1((values - 1e-4) / (1 - 1e-4))) - UNIT


def mixed(raw: np.ndarray, target: np.ndarray) -> np.ndarray:
    logits, locations, scales = np.split(raw, 3, axis=1)
    each = stats.norm(locations + normal((0.25, 0.75)), positive(scales)).pdf(target[:, None])
    return np.log(np.sum(special.softmax(logits, axis=1) * each, axis=1))


LOG_DENSITIES = {
    "gaussian": lambda raw, y: stats.norm(raw[:, 0], positive(raw[:, 1])).logpdf(y),
    "student_t": lambda raw, y: stats.t(
        2 + positive(raw[:, 2]), raw[:, 0], positive(raw[:, 1])
    ).logpdf(y),
    "negative_binomial": lambda raw, y: stats.nbinom(
        1 / positive(raw[:, 1]), 1 / (1 + 7 * positive(raw[:, 0]) * positive(raw[:, 1]))
    ).logpmf(np.maximum(np.round(7 * y), 0)),
    "mixture": mixed,
}


@pytest.mark.parametrize("name", LOG_DENSITIES)
def test_costs_are_minus_log_densities_in_nats(name):
    random = np.random.default_rng(0)
    raw, target = random.normal(size=(CASES, ROWS[name].size)), 3 * random.normal(size=CASES)
    cost = asked(ROWS[name], raw, target, 7).cost
    assert_close(-cost, LOG_DENSITIES[name](raw, target), 1e-4)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_samples_are_distributed_as_the_quantiles_say(name):
    row = ROWS[name]
    raw = np.random.default_rng(2).normal(scale=2, size=row.size)
    answers = [asked(row, raw, 0, 7, seed) for seed in range(20)]
    samples, quantiles = np.concatenate([one.sample for one in answers]), answers[0].quantiles
    assert np.ptp(quantiles, axis=0).max() == 0
    if not isinstance(row.head, Quantiles):
        error = samples.std() / np.sqrt(samples.size)
        assert abs(samples.mean() - answers[0].point[0]) < 3 * error
    for level, quantile in zip(row.levels, quantiles[0], strict=True):
        # Between the two where values are whole or one value has a probability of its own.
        assert np.mean(samples <= quantile + 1e-5) > level - 0.03
        assert np.mean(samples < quantile - 1e-5) < level + 0.03


def in_unit(head: Head, raw: np.ndarray, unit: float) -> tuple[Head, np.ndarray]:
    """The head and the raw outputs of values that are so many times larger."""
    if isinstance(head, Huber):
        return Huber(head.delta * unit), unit * raw
    if isinstance(head, Quantiles):
        center = np.abs(np.array(head.levels) - 0.5).argmin()
        moved = unit * (raw + UNIT) - UNIT
        shift = normal(head.levels)[center]
        moved[:, center] = unit * (raw[:, center] + shift) - shift
        return head, moved
    if isinstance(head, Mixture):
        logits, locations, scales = np.split(raw, 3, axis=1)
        apart = normal((0.25, 0.75))
        moved = unit * (locations + apart) - apart, inverse(unit * positive(scales))
        return head, np.concatenate([logits, *moved], axis=1)
    moved = unit * raw
    if isinstance(head, Gaussian | StudentT):
        moved[:, 1] = inverse(unit * positive(raw[:, 1]))
        moved[:, 2:] = raw[:, 2:]
    return head, moved


# Counts and logarithms have units of their own.
@pytest.mark.parametrize(
    "name", [name for name in ROWS if name not in ("negative_binomial", "qlike")]
)
def test_costs_in_another_unit(name):
    random, unit, row = np.random.default_rng(0), 2.0, ROWS[name]
    # Steps between quantiles are as large as raw outputs, if those are large.
    raw = random.normal(size=(CASES, row.size)) + 20 * isinstance(row.head, Quantiles)
    target = 20 * random.normal(size=CASES)
    head, moved = in_unit(row.head, raw, unit)
    cost = asked(row, raw, target).cost
    other = asked(row._replace(head=head), moved, unit * target).cost
    expected = unit**row.power * cost + (np.log(unit) if row.power == 0 else 0)
    np.testing.assert_allclose(other, expected, rtol=1e-4, atol=1e-4)


def test_counts_are_those_of_the_data_in_whatever_unit():
    random, row = np.random.default_rng(0), ROWS["negative_binomial"]
    raw, counts = random.normal(size=(CASES, 2)), random.poisson(20, CASES)
    first = asked(row, raw, counts / 7, 7)
    moved = np.stack([inverse(positive(raw[:, 0]) / 3), raw[:, 1]], axis=1)
    other = asked(row, moved, counts / 21, 21)
    assert_close(other.cost, first.cost, 1e-4)
    assert_close(3 * other.point, first.point, 1e-4)
    assert_close(3 * other.quantiles, first.quantiles, 1e-4)
    for answers, scale in ((first, 7), (other, 21)):
        for values in (answers.quantiles, answers.sample):
            assert_close(values * scale, np.round(values * scale), 1e-3)
    # A count below 0 is taken for 0.
    assert_close(asked(row, raw, -1.0).cost, asked(row, raw, 0.0).cost, 0.0)
