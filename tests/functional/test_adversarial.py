"""Shifts of word vectors: their length, their direction, what they cost."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.errors import ConfigError
from lstm_jax.functional.adversarial import Adversarial, Perturbation, Texts, VirtualAdversarial
from lstm_jax.functional.losses import cross_entropy
from tests.reference import array

TIME, BATCH, FEATURES = 5, 3, 2
LENGTHS = array([5, 1, 3], np.int32)
VALID = (np.arange(TIME)[:, None] < np.asarray(LENGTHS))[..., None]
LABELS = array([0, 2, 1], np.int32)
SCALE = array(0.5, np.float32)
KEY = jax.random.key(0)
BOTH = pytest.mark.parametrize("kind", [Adversarial, VirtualAdversarial])


def random(seed: int, *shape: int) -> jax.Array:
    return array(np.random.default_rng(seed).normal(size=shape), np.float32)


VECTORS = random(0, TIME, BATCH, FEATURES)
KERNEL = random(1, TIME, FEATURES, 3)


def logits_of(vectors: jax.Array, kernel: jax.Array = KERNEL) -> jax.Array:
    """A classifier that is deaf to padding, and not linear."""
    valid = vectors * jnp.asarray(VALID, vectors.dtype)
    return jnp.einsum("tbf,tfc->bc", jnp.tanh(valid) + 0.3 * valid, kernel)


def binary(vectors: jax.Array) -> jax.Array:
    """A linear one: the second of two logits is the product with a kernel."""
    logit = (vectors * jnp.asarray(VALID, vectors.dtype) * KERNEL[:, None, :, 0]).sum(axis=(0, 2))
    return jnp.stack([jnp.zeros_like(logit), logit], axis=-1)


def nats_of(logits: jax.Array) -> jax.Array:
    return cross_entropy(logits, LABELS)


def cost(
    perturbation: Perturbation,
    logits: Any = logits_of,
    frozen: Any = None,
    vectors: jax.Array = VECTORS,
    nats: Any = nats_of,
    key: jax.Array = KEY,
) -> jax.Array:
    frozen = logits if frozen is None else frozen
    return perturbation.cost(Texts(vectors, LENGTHS, SCALE, logits, frozen, nats), key)


def shift(perturbation: Perturbation, logits: Any = logits_of, **changes: Any) -> np.ndarray:
    """What is added to the vectors."""

    @jax.jit
    def first() -> jax.Array:
        seen = []

        def watched(shifted: jax.Array) -> jax.Array:
            seen.append(shifted - changes.get("vectors", VECTORS))
            return logits(shifted)

        cost(perturbation, watched, logits, **changes)
        return seen[0]

    return np.asarray(first())


# ---- the shift ----------------------------------------------------------------------------------


@BOTH
def test_the_shift_of_a_text_has_the_given_length_and_leaves_the_padding(kind):
    found = shift(kind(epsilon=0.8))
    norms = np.sqrt((found**2).sum(axis=(0, 2)))
    np.testing.assert_allclose(norms, 0.8 * 0.5, rtol=1e-5)
    assert np.all(found[~np.broadcast_to(VALID, found.shape)] == 0)


@BOTH
def test_no_gradient_is_no_shift_and_not_nan(kind):
    def constant(vectors: jax.Array) -> jax.Array:
        return logits_of(vectors) * jnp.array([1.0, 0.0, 1.0])[:, None]

    found = shift(kind(epsilon=0.8), constant)
    assert np.all(found[:, 1] == 0)
    np.testing.assert_allclose(np.sqrt((found[:, 0] ** 2).sum()), 0.4, rtol=1e-5)

    @jax.jit
    def both_passes(vectors: jax.Array) -> Any:
        costs, pull_back = jax.vjp(lambda v: cost(kind(), constant, vectors=v), vectors)
        return costs, pull_back(jnp.ones(BATCH))[0]

    assert all(np.all(np.isfinite(np.asarray(found))) for found in both_passes(VECTORS))


def test_the_gradient_of_a_confident_prediction_is_not_too_small():
    # The squares of its elements are no numbers of float32.
    labels = array([1, 1, 1], np.int32)

    def confident(vectors: jax.Array) -> jax.Array:
        logit = binary(1e-3 * vectors)[:, 1]
        return jnp.stack([-logit, logit + 55], axis=-1)

    found = shift(Adversarial(), confident, nats=lambda logits: cross_entropy(logits, labels))
    np.testing.assert_allclose(np.sqrt((found**2).sum(axis=(0, 2))), 2.5, rtol=1e-4)


@BOTH
def test_the_shift_is_a_constant_of_the_gradient(kind):
    perturbation = kind(epsilon=0.8)
    fixed = shift(perturbation)
    weights = array([1.0, -2.0, 0.5], np.float32)
    wanted_logits = jax.jit(lambda: jax.nn.log_softmax(logits_of(VECTORS)))()

    def whole(vectors: jax.Array, kernel: jax.Array) -> jax.Array:
        def logits(shifted: jax.Array) -> jax.Array:
            return logits_of(shifted, kernel)

        # What finds the direction may depend on the parameters; what it compares with may not.
        frozen = logits if kind is Adversarial else logits_of
        return weights @ cost(perturbation, logits, frozen, vectors)

    def plain(vectors: jax.Array, kernel: jax.Array) -> jax.Array:
        shifted = logits_of(vectors + fixed, kernel)
        if kind is Adversarial:
            return weights @ nats_of(shifted)
        difference = wanted_logits - jax.nn.log_softmax(shifted)
        return weights @ (jnp.exp(wanted_logits) * difference).sum(axis=-1)

    found, expected = (
        jax.jit(jax.grad(f, argnums=(0, 1)))(VECTORS, KERNEL) for f in (whole, plain)
    )
    for one, other in zip(found, expected, strict=True):
        assert np.abs(other).max() > 0.1
        np.testing.assert_allclose(one, other, atol=1e-5)


# ---- adversarial --------------------------------------------------------------------------------


def test_no_other_shift_of_that_length_costs_more():
    epsilon = 0.01
    nats = jax.jit(lambda vectors: nats_of(logits_of(vectors)))
    clean = np.asarray(nats(VECTORS))
    worst = np.asarray(jax.jit(lambda: cost(Adversarial(epsilon=epsilon)))())
    gradient = jax.jit(jax.grad(lambda v: nats(v).sum()))(VECTORS)
    slope = np.sqrt((np.asarray(gradient) ** 2).sum(axis=(0, 2)))
    np.testing.assert_allclose(worst - clean, epsilon * 0.5 * slope, rtol=0.03)
    for seed in range(20):
        other = np.asarray(random(seed, *VECTORS.shape)) * VALID
        other *= epsilon * 0.5 / np.sqrt((other**2).sum(axis=(0, 2), keepdims=True))
        assert np.all(np.asarray(nats(np.asarray(VECTORS) + other)) < worst)


def test_the_closed_form_of_a_linear_model():
    labels = array([0, 1, 1], np.int32)

    def nats(logits: jax.Array) -> jax.Array:
        return cross_entropy(logits, labels)

    found = jax.jit(lambda: cost(Adversarial(epsilon=3.0), binary, nats=nats))()
    kernel = np.where(VALID, np.asarray(KERNEL)[:, None, :, 0], 0)
    length = 3 * 0.5 * np.sqrt((kernel**2).sum(axis=(0, 2)))
    signs = np.array([1, -1, -1])  # towards the other class
    logits = np.asarray(jax.jit(binary)(VECTORS))[:, 1] + signs * length
    np.testing.assert_allclose(found, np.log1p(np.exp(signs * logits)), rtol=1e-5)


# ---- virtual ------------------------------------------------------------------------------------


def test_the_closed_form_of_the_divergence_of_a_linear_model():
    found = jax.jit(lambda: cost(VirtualAdversarial(epsilon=3.0), binary))()
    kernel = np.where(VALID, np.asarray(KERNEL)[:, None, :, 0], 0)
    length = 3 * 0.5 * np.sqrt((kernel**2).sum(axis=(0, 2)))
    logits = np.asarray(jax.jit(binary)(VECTORS))[:, 1]
    p = 1 / (1 + np.exp(-logits))
    both = []
    for sign in (1, -1):  # which of them depends on the random direction
        q = 1 / (1 + np.exp(-(logits + sign * length)))
        both.append(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))
    nearest = np.abs(np.stack(both) - np.asarray(found)).min(axis=0)
    np.testing.assert_allclose(nearest, 0, atol=1e-5)


def test_the_divergence_needs_no_labels_and_vanishes_with_the_shift():
    def labels(logits: jax.Array) -> jax.Array:
        raise AssertionError("the labels were asked for")

    @jax.jit
    def all_costs() -> list[jax.Array]:
        lengths = (3.0, 0.3, 0.03, 1e-4)
        return [cost(VirtualAdversarial(epsilon=epsilon), nats=labels) for epsilon in lengths]

    costs = np.asarray(all_costs())
    assert np.all(costs >= -1e-7)
    assert np.all(costs[0] > 0.1)
    # It falls with the square of the length.
    np.testing.assert_allclose(costs[1] / costs[2], 100, rtol=0.2)
    np.testing.assert_allclose(costs[3], 0, atol=1e-6)


def test_the_random_direction_has_the_given_length_within_the_text():
    seen = []

    def watched(vectors: jax.Array) -> jax.Array:
        jax.debug.callback(lambda near: seen.append(np.asarray(near - VECTORS)), vectors)
        return logits_of(vectors)

    for key in (KEY, jax.random.key(1)):
        cost(VirtualAdversarial(probe=0.2), logits_of, watched, key=key)
        jax.effects_barrier()
    clean, probe, _, other = seen
    assert np.all(clean == 0)
    np.testing.assert_allclose(np.sqrt((probe**2).sum(axis=(0, 2))), 0.2 * 0.5, rtol=1e-4)
    assert np.all(probe[~np.broadcast_to(VALID, probe.shape)] == 0)
    assert np.abs(probe - other).max() > 0.01


# ---- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["epsilon", "weight", "probe"])
def test_numbers_must_be_positive(name, value):
    with pytest.raises(ConfigError) as caught:
        VirtualAdversarial(**{name: value})
    assert str(caught.value) == f"{name} of a perturbation must be positive, not {value}"
