import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.functional.dropouts import (
    dropout,
    embedding_dropout,
    variational_dropout,
    weight_drop,
    word_dropout,
)
from tests.reference import array

KEY = jax.random.key(0)
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16], ids=["32", "16"])


def variational(key, inputs, rate):
    return variational_dropout(key, inputs.reshape(1, 1, -1), rate).reshape(inputs.shape)


def of_embeddings(key, inputs, rate):
    """A row of its own for each element."""
    vectors = inputs.reshape(-1, 1)
    tokens = jnp.arange(inputs.size)
    return embedding_dropout(key, tokens, vectors, inputs.size, rate).reshape(inputs.shape)


def of_weights(key, inputs, rate):
    return weight_drop(key, inputs.reshape(-1, 1), rate).reshape(inputs.shape)


# Each as a function (key, inputs, rate) that treats every element by itself, which is what the
# tests of this table say of it.
NOISES = {
    "dropout": dropout,
    "variational": variational,
    "embedding": of_embeddings,
    "weight_drop": of_weights,
}
every_noise = pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
COMPILED = {noise: jax.jit(noise, static_argnums=2) for noise in NOISES.values()}
GRADIENTS = {
    noise: jax.jit(jax.grad(lambda inputs, noise=noise: noise(KEY, inputs, 0.5).sum()))
    for noise in NOISES.values()
}


@pytest.mark.parametrize(
    ("name", "rate", "dtype"),
    [
        *((name, 0.65, np.float32) for name in NOISES),
        ("dropout", 0.001, np.float32),
        ("dropout", 0.99, np.float32),
        ("dropout", 0.1, jnp.bfloat16),
    ],
)
def test_the_share_of_zeros_the_scale_and_the_mean(name, rate, dtype):
    size = 200_000
    dropped = COMPILED[NOISES[name]](KEY, np.full(size, 3.0, dtype), rate)
    assert dropped.dtype == dtype
    dropped = np.asarray(dropped, np.float64)
    deviation = np.sqrt(rate * (1 - rate) / size)
    assert abs((dropped == 0).mean() - rate) < 4 * deviation + 1e-5
    # The scale is rounded to the dtype. The rate is a multiple of 1 / 65536.
    rounding = 2.0**-8 if dtype == jnp.bfloat16 else 2.0**-23
    scale = 3 / (1 - rate)
    kept = dropped[dropped != 0]
    assert np.ptp(kept) == 0
    np.testing.assert_allclose(kept[0], scale, rtol=2 * rounding + 2.0**-17 / (1 - rate))
    assert abs(dropped.mean() - 3) < 4 * deviation * scale + 6 * rounding


@every_noise
def test_every_element_is_kept_as_often_as_any_other(noise):
    keys = jax.random.split(KEY, 2000)
    masks = jax.jit(jax.vmap(lambda key: noise(key, jnp.ones((3, 5)), 0.25) != 0))(keys)
    shares = np.asarray(masks).mean(axis=0)
    np.testing.assert_allclose(shares, 0.75, atol=5 * np.sqrt(0.75 * 0.25 / 2000))
    # Two elements share a word of random bits, and must not share their fate.
    flat = np.asarray(masks).reshape(2000, -1).astype(np.float64)
    correlations = np.corrcoef(flat.T) - np.eye(15)
    assert np.abs(correlations).max() < 5 / np.sqrt(2000)


@every_noise
@both_dtypes
def test_without_a_key_or_a_rate_nothing_changes(noise, dtype):
    inputs = array(np.random.default_rng(0).normal(size=(3, 5)), dtype)
    for found in (noise(None, inputs, 0.5), noise(KEY, inputs, 0.0)):
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, inputs)


@every_noise
def test_a_rate_of_one_leaves_nothing(noise):
    inputs = np.full((3, 5), np.nan, np.float32)
    np.testing.assert_array_equal(COMPILED[noise](KEY, inputs, 1.0), np.zeros((3, 5)))


@every_noise
def test_the_key_decides(noise):
    inputs = np.ones((7, 9), np.float32)
    first = np.asarray(COMPILED[noise](KEY, inputs, 0.5))
    np.testing.assert_array_equal(first, COMPILED[noise](KEY, inputs, 0.5))
    assert np.any(first != np.asarray(COMPILED[noise](jax.random.key(1), inputs, 0.5)))


@pytest.mark.parametrize("shape", [(), (7,), (3, 5, 7), (0, 5)], ids=str)
def test_any_shape(shape):
    dropped = np.asarray(COMPILED[dropout](KEY, np.ones(shape, np.float32), 0.5))
    assert dropped.shape == shape
    assert set(dropped.flat) <= {0.0, 2.0}


def test_old_runs_are_resumed_with_the_noise_they_would_have_had():
    # Outside of jit, which must not matter.
    kept = np.flatnonzero(np.asarray(dropout(KEY, array(np.ones(16), np.float32), 0.5)))
    np.testing.assert_array_equal(kept, [0, 2, 4, 5, 7, 8, 10, 11, 13])


@pytest.mark.parametrize(
    ("name", "dtype"), [*((name, np.float32) for name in NOISES), ("dropout", jnp.bfloat16)]
)
def test_the_gradient_has_the_same_mask_and_scale(name, dtype):
    inputs = (1 + np.random.default_rng(0).uniform(size=(7, 9))).astype(dtype)
    dropped = COMPILED[NOISES[name]](KEY, inputs, 0.5)
    gradient = GRADIENTS[NOISES[name]](inputs)
    assert gradient.dtype == dtype
    assert 0 < np.mean(np.asarray(dropped) == 0) < 1
    np.testing.assert_array_equal(gradient, np.where(np.asarray(dropped) == 0, 0.0, 2.0))


@every_noise
def test_a_dropped_element_has_no_influence_whatever_it_is(noise):
    dropped = np.asarray(COMPILED[noise](KEY, np.ones((7, 9), np.float32), 0.5)) == 0
    inputs = np.where(dropped, np.inf, 1.0).astype(np.float32)
    found = COMPILED[noise](KEY, inputs, 0.5)
    np.testing.assert_array_equal(found, np.where(dropped, 0.0, 2.0))
    np.testing.assert_array_equal(GRADIENTS[noise](inputs), np.where(dropped, 0.0, 2.0))


# ---- what each does alike to several elements ---------------------------------------------------


def test_variational_dropout_has_one_mask_for_all_steps():
    inputs = (1 + np.random.default_rng(0).uniform(size=(6, 4, 50))).astype(np.float32)
    dropped = jax.jit(variational_dropout, static_argnums=2)(KEY, inputs, 0.3)
    mask = np.asarray(dropped) / inputs
    np.testing.assert_allclose(mask, np.broadcast_to(mask[0], mask.shape), rtol=1e-6)
    rows = mask[0] != 0
    assert 0.5 < rows.mean() < 0.9
    assert all((rows[i] != rows[j]).any() for i in range(4) for j in range(i))
    np.testing.assert_allclose(mask[0][rows], 1 / 0.7, rtol=1e-4)


def test_embedding_dropout_is_dropout_on_the_rows_of_the_table():
    random = np.random.default_rng(0)
    table = (1 + random.uniform(size=(40, 3))).astype(np.float32)
    tokens = random.integers(40, size=(7, 5)).astype(np.int32)

    @jax.jit
    def looked_up(table, tokens):
        def total(table):
            found = embedding_dropout(KEY, tokens, table[tokens], 40, 0.5)
            return found.sum(), found

        gradient, found = jax.grad(total, has_aux=True)(table)
        return found, gradient

    dropped = jax.jit(embedding_dropout, static_argnums=(3, 4))
    numbers, ones = np.arange(40, dtype=np.int32), np.ones((40, 1), np.float32)
    rows = np.asarray(dropped(KEY, numbers, ones, 40, 0.5))
    assert set(rows.flat) == {0.0, 2.0}
    found, gradient = looked_up(table, tokens)
    np.testing.assert_array_equal(found, (table * rows)[tokens])
    counts = np.bincount(tokens.flat, minlength=40)[:, None]
    np.testing.assert_array_equal(gradient, np.broadcast_to(counts * rows, (40, 3)))


def test_weight_drop_is_dropout_on_the_kernel():
    kernel = np.random.default_rng(0).uniform(size=(3, 12)).astype(np.float32)
    dropped = jax.jit(weight_drop, static_argnums=2)(KEY, kernel, 0.4)
    np.testing.assert_array_equal(dropped, COMPILED[dropout](KEY, kernel, 0.4))


# ---- words --------------------------------------------------------------------------------------

compiled_words = jax.jit(word_dropout, static_argnums=(2, 3))


@pytest.mark.parametrize("rate", [0.01, 0.65])
def test_words_become_unknown_at_the_rate_but_never_the_first(rate):
    shape = (2001, 100)
    tokens = np.random.default_rng(0).integers(2, 50, size=shape).astype(np.int32)
    found = np.asarray(compiled_words(KEY, tokens, rate, 1))
    assert found.dtype == np.int32
    replaced = found != np.asarray(tokens)
    assert (found[replaced] == 1).all()
    assert not replaced[0].any()
    deviation = np.sqrt(rate * (1 - rate) / (2000 * 100))
    assert abs(replaced[1:].mean() - rate) < 4 * deviation + 1e-5


def test_every_occurrence_of_a_word_is_drawn_by_itself():
    tokens = array(np.full((6, 8), 3), np.int32)
    keys = jax.random.split(KEY, 1000)
    known = jax.jit(jax.vmap(lambda key: word_dropout(key, tokens, 0.5, 0) != 0))(keys)
    flat = np.asarray(known)[:, 1:].reshape(1000, -1).astype(np.float64)
    np.testing.assert_allclose(flat.mean(axis=0), 0.5, atol=5 * np.sqrt(0.25 / 1000))
    assert np.abs(np.corrcoef(flat.T) - np.eye(40)).max() < 5 / np.sqrt(1000)


def test_words_without_a_key_or_a_rate_at_a_rate_of_one_and_of_an_empty_text():
    tokens = array([[5, 6], [7, 8], [9, 5]], np.int32)
    np.testing.assert_array_equal(word_dropout(None, tokens, 0.5, 0), tokens)
    np.testing.assert_array_equal(word_dropout(KEY, tokens, 0.0, 0), tokens)
    np.testing.assert_array_equal(compiled_words(KEY, tokens, 1.0, 2), [[5, 6], [2, 2], [2, 2]])
    assert compiled_words(KEY, np.asarray(tokens)[:0], 0.5, 0).shape == (0, 2)


def test_the_key_decides_which_words_become_unknown():
    tokens = array(np.full((30, 2), 3), np.int32)
    first = np.asarray(compiled_words(KEY, tokens, 0.5, 0))
    np.testing.assert_array_equal(first, word_dropout(KEY, tokens, 0.5, 0))  # compiled or not
    assert np.any(first != np.asarray(compiled_words(jax.random.key(1), tokens, 0.5, 0)))


def test_wrong_axes_are_noticed():
    tokens, turned = array(np.zeros((5, 3)), np.int32), array(np.zeros((3, 5, 4)), np.float32)
    with pytest.raises(TypeError, match="vectors"):
        embedding_dropout(KEY, tokens, turned, 9, 0.5)
