"""The table of forecast heads. A row earns a head every test that is parametrized over it."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from lstm_jax.modules.distribution_heads import Gaussian, Mixture, NegativeBinomial, StudentT
from lstm_jax.modules.head_contract import Head
from lstm_jax.modules.heads import Absolute, Huber, Quantiles, Squared
from lstm_jax.modules.variance_head import Qlike
from tests.reference import array


class Row(NamedTuple):
    head: Head
    size: int
    power: int
    statistic: str
    """What of the data a constant point forecast comes to that is trained on them."""
    levels: tuple[float, ...] = ()
    """Quantiles to ask for: beyond the data's, if the head may."""


FAR = (1e-3, 0.1, 0.5, 0.50001, 0.9, 0.999)
ROWS = {
    "squared": Row(Squared(), 1, 2, "mean"),
    "absolute": Row(Absolute(), 1, 1, "median"),
    "huber": Row(Huber(delta=0.5), 1, 1, "huber"),
    "qlike": Row(Qlike(), 1, 0, "log_mean"),
    "quantiles": Row(Quantiles(), 13, 1, "median", (0.025, 0.1, 0.101, 0.5, 0.62, 0.975)),
    "uneven_quantiles": Row(Quantiles((0.1, 0.3, 0.9)), 3, 1, "median", (0.1, 0.5, 0.9)),
    "one_quantile": Row(Quantiles((0.8,)), 1, 1, "upper", (0.8,)),
    "gaussian": Row(Gaussian(), 2, 0, "mean", FAR),
    "student_t": Row(StudentT(), 3, 0, "student_t", FAR),
    "negative_binomial": Row(NegativeBinomial(), 2, 0, "mean", FAR),
    "mixture": Row(Mixture(components=2), 6, 0, "mean", FAR),
}
POINTS = [name for name, row in ROWS.items() if not row.levels]
DISTRIBUTIONS = [name for name, row in ROWS.items() if row.levels]
every_head = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
CASES = 100


def normal(levels: Any) -> np.ndarray:
    return stats.norm.ppf(levels)


class Answers(NamedTuple):
    cost: Any
    gradient: Any
    point: Any
    quantiles: Any
    sample: Any


@functools.partial(jax.jit, static_argnums=(0, 1))
def ask(
    head: Head, levels: tuple[float, ...], raw: Any, target: Any, scale: Any, key: Any
) -> Answers:
    """All that a head says, in one program."""
    cost, back = jax.vjp(lambda raw: head.cost(raw, target, scale), raw)
    return Answers(
        cost,
        *back(jnp.ones_like(cost)),
        head.point(raw, scale),
        head.quantiles(raw, levels, scale) if levels else None,
        head.sample(key, raw, scale) if levels else None,
    )


def asked(row: Row, raw: Any, target: Any, scale: Any = 1.0, seed: int = 0) -> Answers:
    """The same of as many cases as each time, so that each head is compiled once."""
    raw = np.broadcast_to(raw, (CASES, row.size))
    target, scale = (np.broadcast_to(x, CASES) for x in (target, scale))
    given = (array(x, np.float32) for x in (raw, target, scale))
    return jax.tree.map(np.asarray, ask(row.head, row.levels, *given, jax.random.key(seed)))
