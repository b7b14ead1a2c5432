"""Embedding, layers, pooling and head, put together."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax import recurrence
from lstm_jax.cells import LSTM
from lstm_jax.modules import Classifier, Embedding, Keys, Pooling, Softmax, merge, split
from tests.reference import Noise, array, assert_close, drawn, stack_of

VOCABULARY, CLASSES, HIDDEN = 9, 3, 2
UNKNOWN, PADDING = 7, 8
LENGTHS = np.array([5, 1, 3, 4], np.int32)
TIME, BATCH = 5, len(LENGTHS)
KEY = jax.random.key(0)


def build(rngs: Any, noisy: bool = False, bidirectional: bool = True) -> Classifier:
    rate = 0.5 if noisy else 0.0
    noise = Noise(rate, weight_drop=rate)
    stack = stack_of((LSTM(hidden=HIDDEN),), 3, noise, rngs, bidirectional)
    return Classifier(
        Embedding(VOCABULARY, 3, rngs, rate),
        stack,
        Pooling("concatenated", stack.features, bidirectional, rngs),
        (6, CLASSES),
        rngs,
        dropout=rate,
        word_dropout=rate,
        unknown=UNKNOWN,
        softmax=None if bidirectional else Softmax(stack.features, VOCABULARY, rngs),
    )


@functools.cache
def parts(noisy: bool = False, bidirectional: bool = True) -> tuple[Any, Any]:
    """The structure and the parameters."""
    return split(drawn(lambda rngs: build(rngs, noisy, bidirectional)))


def texts(fill: int = 0, time: int = TIME) -> np.ndarray:
    tokens = np.random.default_rng(0).integers(0, 7, size=(time, BATCH))
    return np.where(np.arange(time)[:, None] < LENGTHS, tokens, fill).astype(np.int32)


@jax.jit
def differentiated(params: Any, tokens: Any, lengths: Any) -> Any:
    """The logits, and the gradient of a function of them."""

    def weighted(params: Any) -> Any:
        logits = merge(parts()[0], params)(tokens, lengths)
        weights = jnp.sin(1.0 + jnp.arange(logits.size, dtype=jnp.float32))
        return (weights.reshape(logits.shape) * logits).sum(), logits

    (_, logits), gradient = jax.value_and_grad(weighted, has_aux=True)(params)
    return logits, gradient


# ---- logits -------------------------------------------------------------------------------------


def test_a_classifier_is_its_parts():
    params = jax.tree.map(np.asarray, parts()[1])
    table = params["embedding"]["table"]
    layer = params["stack"]["layers"][0]
    cells = (LSTM(hidden=HIDDEN), LSTM(hidden=HIDDEN))
    run = jax.jit(recurrence.bidirectional, static_argnums=0)
    both = layer["forward"], layer["backward"]
    outputs = np.asarray(run(cells, both, table[texts()], lengths=LENGTHS)[0])
    pooled = []
    for i, length in enumerate(LENGTHS):
        steps = outputs[:length, i]
        ends = [steps[-1, :HIDDEN], steps[0, HIDDEN:]]
        pooled.append(np.concatenate([*ends, steps.max(axis=0), steps.mean(axis=0)]))
    first, second = params["head"][0], params["head"][1]
    above = np.maximum(np.stack(pooled) @ first["kernel"] + first["bias"], 0)
    logits = above @ second["kernel"] + second["bias"]
    assert_close(differentiated(parts()[1], array(texts()), LENGTHS)[0], logits, 1e-5)


def test_what_stands_in_the_padding_and_beside_a_text_changes_nothing():
    _, params = parts()
    logits, gradient = differentiated(params, array(texts()), LENGTHS)
    # The vector of the token that only stands in the padding is NaN.
    poisoned = jax.tree.map(lambda leaf: leaf, params)
    table = np.array(params["embedding"]["table"])
    table[PADDING] = np.nan
    poisoned["embedding"] = {"table": array(table)}
    for fill in (3, PADDING):
        assert_close(differentiated(poisoned, array(texts(fill)), LENGTHS), (logits, gradient), 0.0)
    assert np.all(np.asarray(gradient["embedding"]["table"])[PADDING] == 0)
    # The same texts in another order, and other texts beside one.
    order = np.array([2, 0, 3, 1])
    turned = differentiated(params, array(texts()[:, order]), LENGTHS[order])[0]
    assert_close(turned, np.asarray(logits)[order], 1e-6)
    others = texts()
    others[:, 1:] = others[::-1, 1:].copy()
    alone = differentiated(params, array(others), np.array([5, 5, 2, 4], np.int32))[0]
    assert_close(np.asarray(alone)[0], np.asarray(logits)[0], 1e-6)
    # All that was one program; more padding is another.
    assert differentiated._cache_size() == 1
    padded = np.pad(texts(), ((0, 3), (0, 0)), constant_values=PADDING)
    assert_close(differentiated(poisoned, array(padded), LENGTHS), (logits, gradient), 1e-5)


# ---- noise --------------------------------------------------------------------------------------


@functools.partial(jax.jit, static_argnums=0)
def parts_of(graph: Any, params: Any, keys: Keys) -> Any:
    """What each part of a classifier makes of the same."""
    model = merge(graph, params)
    outputs = jnp.ones((TIME, BATCH, 2 * HIDDEN))
    vectors, lengths = jnp.ones((TIME, BATCH, 3)), jnp.asarray(LENGTHS)
    return {
        "vectors": model.embed(jnp.asarray(texts()), keys),
        "outputs": model.read(vectors, lengths, keys),
        "logits": model.classify(outputs, lengths, keys),
    }


def test_there_is_noise_where_there_are_keys():
    graph, params = parts(noisy=True)
    quiet, noisy, other = (
        jax.tree.map(np.asarray, parts_of(graph, params, keys))
        for keys in (Keys(), Keys(*jax.random.split(KEY, 4)), Keys(*jax.random.split(KEY, 5)[1:]))
    )
    for name, value in quiet.items():
        assert np.abs(noisy[name] - value).max() > 0.01, name
        assert np.abs(noisy[name] - other[name]).max() > 0.01, name
    # Words at first steps, which mark the start, stay what they are or are dropped as a whole.
    table = np.asarray(params["embedding"]["table"])
    assert_close(quiet["vectors"], table[texts()], 0.0)
    rows = np.concatenate([np.zeros((1, 3)), 2 * table])
    distance = np.abs(np.asarray(noisy["vectors"])[:, :, None] - rows).max(axis=-1)
    assert distance.min(axis=-1).max() < 1e-6
    read = distance.argmin(axis=-1) - 1
    assert set(read[0]) <= {-1, *texts()[0].tolist()}
    assert np.any(read == UNKNOWN)
    assert np.all((read == texts()) | (read == UNKNOWN) | (read == -1))


def test_without_keys_a_noisy_classifier_is_a_quiet_one():
    noisy, quiet = (parts_of(*parts(noisy=noisy), Keys()) for noisy in (True, False))
    assert_close(noisy, quiet, 0.0)


@pytest.mark.parametrize("name", Keys._fields)
def test_each_key_is_for_one_part(name):
    graph, params = parts(noisy=True)
    quiet, noisy = (
        jax.tree.map(np.asarray, parts_of(graph, params, keys))
        for keys in (Keys(), Keys()._replace(**{name: KEY}))
    )
    concerned = {"words": "vectors", "embedding": "vectors", "stack": "outputs", "head": "logits"}
    for part, value in quiet.items():
        changed = bool(np.abs(noisy[part] - value).max() > 0.01)
        assert changed == (part == concerned[name])


# ---- language modelling -------------------------------------------------------------------------


@pytest.mark.parametrize("time", [TIME, 1])
def test_the_next_token_costs_what_the_softmax_says(time):
    graph, params = parts(bidirectional=False)
    lengths = np.minimum(LENGTHS, time)
    outputs = np.random.default_rng(1).normal(size=(time, BATCH, HIDDEN)).astype(np.float32)
    mask = np.array([1, 1, 0, 1], np.float32)

    def cost(*given: Any) -> Any:
        return merge(graph, params).next_token(*given)

    tokens = texts(PADDING)[:time]
    found = jax.jit(cost)(tokens, outputs, lengths, mask)
    softmax = jax.tree.map(np.asarray, params["softmax"])
    total, count = 0.0, 0
    for column in (0, 1, 3):
        for step in range(1, lengths[column]):
            logits = outputs[step - 1, column] @ softmax["kernel"] + softmax["bias"]
            total += np.log(np.exp(logits).sum()) - logits[tokens[step, column]]
            count += 1
    assert found.count == count == (4 + 0 + 3 if time == TIME else 0)
    np.testing.assert_allclose(found.total, total, rtol=1e-5)
