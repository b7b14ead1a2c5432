"""A vector for each sequence, of its valid steps alone."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.modules import Pooling, PoolingKind, merge, split
from tests.reference import assert_close, drawn

TIME, FEATURES = 6, 4
LENGTHS = np.array([6, 1, 4, 3], np.int32)
VALID = np.arange(TIME)[:, None] < LENGTHS
RANDOM = np.random.default_rng(0)
OUTPUTS = RANDOM.normal(size=(TIME, len(LENGTHS), FEATURES)).astype(np.float32) - 2
WEIGHTS = RANDOM.normal(size=(len(LENGTHS), 3 * FEATURES)).astype(np.float32)

CASES: list[tuple[PoolingKind, bool]] = [
    ("last", False),
    ("last", True),
    ("mean", True),
    ("max", True),
    ("concatenated", True),
    ("attention", True),
]
each_kind = pytest.mark.parametrize(("kind", "bidirectional"), CASES)


@functools.cache
def pooling(kind: PoolingKind, bidirectional: bool) -> tuple[Any, Any, Any]:
    """The structure, the parameters, and the compiled pooling with its gradients."""
    model = drawn(lambda rngs: Pooling(kind, FEATURES, bidirectional, rngs))
    graph, params = split(model)

    def weighted(params: Any, outputs: Any) -> Any:
        pooled = merge(graph, params)(outputs, jnp.asarray(LENGTHS))
        return (WEIGHTS[:, : pooled.shape[1]] * pooled).sum(), pooled

    run = jax.jit(jax.value_and_grad(weighted, argnums=(0, 1), has_aux=True))
    return model, params, run


def with_padding(value: float) -> jax.Array:
    return jnp.asarray(np.where(VALID[..., None], OUTPUTS, np.float32(value)))


def expected(kind: str, bidirectional: bool, params: Any, steps: np.ndarray) -> np.ndarray:
    """The vector of one sequence [time, features]."""
    if kind == "last":
        half = FEATURES // 2 if bidirectional else FEATURES
        return np.concatenate([steps[-1, :half], steps[0, half:]])
    if kind == "concatenated":
        parts = [expected(part, bidirectional, params, steps) for part in ("last", "max", "mean")]
        return np.concatenate(parts)
    if kind == "attention":
        scores = np.tanh(steps @ params["kernel"] + params["bias"]) @ params["query"]
        weights = np.exp(scores) / np.exp(scores).sum()
        return (weights * steps).sum(axis=0)
    return steps.max(axis=0) if kind == "max" else steps.mean(axis=0)


@each_kind
def test_each_sequence_is_pooled_as_if_it_were_alone(kind, bidirectional):
    model, params, run = pooling(kind, bidirectional)
    (_, pooled), _ = run(params, with_padding(0))
    sequences = [OUTPUTS[:length, i] for i, length in enumerate(LENGTHS)]
    plain = jax.tree.map(np.asarray, params)
    alone = [expected(kind, bidirectional, plain, steps) for steps in sequences]
    np.testing.assert_allclose(pooled, np.stack(alone), atol=1e-5)
    assert pooled.shape[1] == model.features == (12 if kind == "concatenated" else 4)


@each_kind
def test_padding_changes_nothing(kind, bidirectional):
    _, params, run = pooling(kind, bidirectional)
    wanted = run(params, with_padding(0))
    _, gradient = wanted[1]
    assert np.all(np.asarray(gradient)[~VALID] == 0)
    assert all(np.any(np.asarray(leaf) != 0) for leaf in jax.tree.leaves(wanted[1]))
    for value in (np.nan, np.inf, 1e30, -1e30):
        assert_close(run(params, with_padding(value)), wanted, 0.0)
    assert run._cache_size() == 1


def test_the_gradients_of_attention_are_those_of_a_plain_softmax():
    _, params, run = pooling("attention", True)

    def plain(params: Any, outputs: Any) -> Any:
        total = 0.0
        for i, length in enumerate(LENGTHS.tolist()):
            steps = outputs[:length, i]
            scores = jnp.tanh(steps @ params["kernel"] + params["bias"]) @ params["query"]
            total += WEIGHTS[i, :FEATURES] @ (jax.nn.softmax(scores, axis=0) * steps).sum(axis=0)
        return total

    wanted = jax.jit(jax.grad(plain, argnums=(0, 1)))(params, with_padding(0))
    assert_close(run(params, with_padding(0))[1], wanted, 1e-5)


def test_only_attention_has_parameters():
    for kind, bidirectional in CASES:
        names = {"kernel", "bias", "query"} if kind == "attention" else set()
        assert pooling(kind, bidirectional)[1].keys() == names
