from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lstm_jax.errors import ConfigError
from lstm_jax.functional import losses
from lstm_jax.modules import AdaptiveSoftmax, Softmax, TiedSoftmax, merge, split, structure
from tests.reference import array, assert_close, call, drawn

HIDDEN, VOCABULARY = 16, 50

SOFTMAXES = {
    "full": lambda rngs: Softmax(HIDDEN, VOCABULARY, rngs),
    "tied": lambda rngs: TiedSoftmax(VOCABULARY),
    "one tail": lambda rngs: AdaptiveSoftmax(HIDDEN, VOCABULARY, (20,), rngs),
    "two tails, one of them of one token": (
        lambda rngs: AdaptiveSoftmax(HIDDEN, VOCABULARY, (5, 49), rngs)
    ),
}
each_softmax = pytest.mark.parametrize("build", SOFTMAXES.values(), ids=SOFTMAXES)

TOKENS = {
    "frequent ones": np.arange(12) % 4,
    "any": (np.arange(12) * 7 + 3) % VOCABULARY,
    "rare ones, for which a tail has no room": 49 - np.arange(12) % 3,
}


def random(seed: int, *shape: int) -> jax.Array:
    return array(np.random.default_rng(seed).normal(size=shape), np.float32)


def test_a_softmax_is_affine():
    model = Softmax(50, 400, nnx.Rngs(0))
    hidden = random(1, 4, 3, 50)
    np.testing.assert_allclose(np.std(np.asarray(model.kernel[...])), 50**-0.5, rtol=0.05)
    model.bias[...] = random(2, 400)
    expected = np.asarray(hidden) @ np.asarray(model.kernel[...]) + np.asarray(model.bias[...])
    np.testing.assert_allclose(call(model, hidden, np.float32(0)), expected, atol=1e-5)


def test_a_tied_softmax_uses_the_table_and_teaches_it():
    model, hidden, table = TiedSoftmax(7), random(1, 4, 3, 4), random(2, 7, 4)
    assert list(split(model)[1]) == ["bias"]
    model.bias[...] = random(3, 7)
    expected = np.asarray(hidden) @ np.asarray(table).T + np.asarray(model.bias[...])
    np.testing.assert_allclose(call(model, hidden, table), expected, atol=1e-5)
    weights = random(4, 4, 3, 7)
    teach = jax.jit(jax.grad(lambda table: jnp.sum(weights * model(hidden, table))))
    gradient = teach(table)
    np.testing.assert_allclose(gradient, np.einsum("tbv,tbh->vh", weights, hidden), atol=1e-5)


@each_softmax
def test_nats_are_minus_the_logarithm_of_probabilities(build: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(losses, "CHUNK", 5)  # two chunks and a rest
    graph, params = split(drawn(build))
    hidden, table = random(1, 4, 3, HIDDEN), random(2, VOCABULARY, HIDDEN)
    weights = random(3, 4, 3)

    def found(params: Any, hidden: Any, weights: Any, table: Any, tokens: Any) -> Any:
        return merge(graph, params).total_nats(hidden, tokens, weights, table)

    def expected(params: Any, hidden: Any, weights: Any, table: Any, tokens: Any) -> Any:
        probabilities = jax.nn.softmax(merge(graph, params)(hidden, table))
        picked = jnp.take_along_axis(probabilities, tokens[..., None], axis=-1)[..., 0]
        return -(weights * jnp.log(picked)).sum()

    @jax.jit
    def both(*given: Any) -> Any:
        # With their gradients by the parameters, hidden vectors, weights and table, and alone.
        whole = [jax.value_and_grad(f, argnums=(0, 1, 2, 3))(*given) for f in (found, expected)]
        return found(*given), *whole

    for tokens in TOKENS.values():
        tokens = tokens.reshape(4, 3).astype(np.int32)
        alone, one, other = both(params, hidden, weights, table, tokens)
        assert_close((alone, one), (other[0], other), 1e-4)


def test_an_adaptive_softmax_gives_probabilities() -> None:
    softmax = drawn(SOFTMAXES["two tails, one of them of one token"])
    logits = call(softmax, random(1, 4, 3, HIDDEN), np.float32(0))
    assert logits.shape == (4, 3, VOCABULARY)
    np.testing.assert_allclose(np.exp(logits).sum(-1), 1, rtol=1e-5)


def test_its_tails_read_fewer_and_fewer_features() -> None:
    _, params = structure(SOFTMAXES["two tails, one of them of one token"])
    assert jax.tree.map(lambda leaf: leaf.shape, params) == {
        "head": {"kernel": (HIDDEN, 7), "bias": (7,)},
        "projections": {0: (HIDDEN, 4), 1: (HIDDEN, 1)},
        "tails": {0: (4, 44), 1: (1, 1)},
    }


@pytest.mark.parametrize("cutoffs", [(0,), (10, 10), (20, 5), (50,), (5, 60)])
def test_bad_cutoffs(cutoffs: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"must rise from at least 1 to less than the 50 tokens"):
        AdaptiveSoftmax(HIDDEN, VOCABULARY, cutoffs, nnx.Rngs(0))
