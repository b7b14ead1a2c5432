"""Losses as pure functions of predictions and targets."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Integer

from lstm_jax.functional.affine import affine
from lstm_jax.functional.arguments import check_floating, check_integers, check_share
from lstm_jax.functional.integers import widened
from lstm_jax.types import Array

CHUNK = 512
"""Positions whose logits `total_cross_entropy` holds at a time; products of fewer are slower."""


def cross_entropy(
    logits: Float[Array, "*positions classes"], labels: Integer[Array, "*positions"]
) -> Float[Array, "*positions"]:
    """`logsumexp(logits) - logits[label]` in nats, in float32 at least.

    A label outside [0, classes) is not detected here (nothing can be raised under jit): data sets
    check their labels.

    Raises:
        ArgumentError: an array has other axes or another dtype.

    >>> round(float(cross_entropy(jnp.zeros((1, 4)), jnp.array([2]))[0]), 6)
    1.386294
    """
    check_floating("logits", logits, "*positions classes")
    check_integers("labels", labels, "*positions", logits.shape[:-1])
    return _cross_entropy(logits, widened(labels))


@jax.custom_vjp
def _cross_entropy(logits: Array, labels: Array) -> Array:
    return _cross_entropy_forward(logits, labels)[0]


def _cross_entropy_forward(logits: Array, labels: Array) -> tuple[Array, tuple[Array, ...]]:
    wide = logits.astype(np.promote_types(logits.dtype, np.float32))
    normalizer = jax.nn.logsumexp(wide, axis=-1)
    picked = jnp.take_along_axis(wide, labels[..., None], axis=-1)[..., 0]
    return normalizer - picked, (logits, labels, normalizer)


def _cross_entropy_backward(residuals: tuple[Array, ...], cotangent: Array) -> tuple[Array, None]:
    # Autodiff would scatter into an array as large as the logits; comparing with an iota is one
    # pass that XLA fuses with the softmax.
    logits, labels, normalizer = residuals
    wide = logits.astype(normalizer.dtype)
    softmax = jnp.exp(wide - normalizer[..., None])
    classes = jax.lax.broadcasted_iota(labels.dtype, logits.shape, logits.ndim - 1)
    hit = (classes == labels[..., None]).astype(normalizer.dtype)
    return ((softmax - hit) * cotangent[..., None]).astype(logits.dtype), None


_cross_entropy.defvjp(_cross_entropy_forward, _cross_entropy_backward)


def total_cross_entropy(
    inputs: Float[Array, "*positions features"],
    kernel: Float[Array, "features classes"],
    bias: Float[Array, " classes"],
    labels: Integer[Array, "*positions"],
    weights: Float[Array, "*positions"],
) -> Float[Array, ""]:
    """`sum(weights * cross_entropy(affine(inputs, kernel, bias), labels))`, without all logits.

    The logits of a vocabulary are the largest array of a small language model. They are made for
    `CHUNK` positions at a time, and where gradients are wanted each chunk's are formed at once:
    what they are weighted with is known. So nothing is computed twice.

    Raises:
        ArgumentError: an array has other axes or another dtype.

    >>> rows = jnp.zeros((5, 2, 3)), jnp.ones((3, 4)), jnp.zeros(4)
    >>> labels, weights = jnp.zeros((5, 2), jnp.int32), jnp.full((5, 2), 0.1)
    >>> round(float(total_cross_entropy(*rows, labels, weights)), 6)
    1.386294
    """
    check_floating("inputs", inputs, "*positions features")
    check_integers("labels", labels, "*positions", inputs.shape[:-1])
    check_floating("weights", weights, "*positions", inputs.shape[:-1])
    total = _total if labels.size <= CHUNK else _total_by_chunks
    return total(inputs, kernel, bias, labels, weights)


def _total(inputs: Array, kernel: Array, bias: Array, labels: Array, weights: Array) -> Array:
    return jnp.vdot(weights, cross_entropy(affine(inputs, kernel, bias), labels))


@jax.custom_vjp
def _total_by_chunks(
    inputs: Array, kernel: Array, bias: Array, labels: Array, weights: Array
) -> Array:
    def add(total: Array, chunk: tuple[Array, ...]) -> tuple[Array, None]:
        rows, *rest = chunk
        return total + _total(rows, kernel, bias, *rest), None

    start = jnp.zeros((), np.promote_types(kernel.dtype, np.float32))
    return jax.lax.scan(add, start, _chunks(inputs, labels, weights))[0]


def _chunks(inputs: Array, *others: Array) -> tuple[Array, ...]:
    """The positions in chunks of one size, [chunks, size, ...]; what is filled up has no weight."""
    positions = others[0].size
    count = -(-positions // CHUNK)
    size = -(-positions // count)

    def cut(array: Array, shape: tuple[int, ...]) -> Array:
        flat = array.reshape(-1, *shape)
        missing = count * size - len(flat)
        return jnp.pad(flat, [(0, missing), *[(0, 0)] * len(shape)]).reshape(count, size, *shape)

    return cut(inputs, inputs.shape[-1:]), *[cut(array, ()) for array in others]


def _total_forward(
    inputs: Array, kernel: Array, bias: Array, labels: Array, weights: Array
) -> tuple[Array, tuple[Array, ...]]:
    gradients = jax.value_and_grad(_total, argnums=(0, 1, 2, 4))

    def add(sums: tuple[Array, ...], chunk: tuple[Array, ...]) -> tuple[Any, Any]:
        rows, *rest = chunk
        value, (d_rows, d_kernel, d_bias, d_weights) = gradients(rows, kernel, bias, *rest)
        sums = jax.tree.map(jnp.add, sums, (value, d_kernel, d_bias))
        return sums, (d_rows, d_weights)

    start = jnp.zeros((), np.promote_types(kernel.dtype, np.float32))
    start = start, jnp.zeros_like(kernel), jnp.zeros_like(bias)
    sums, parts = jax.lax.scan(add, start, _chunks(inputs, labels, weights))
    d_inputs, d_weights = (
        part.reshape(-1, *part.shape[2:])[: labels.size].reshape(whole.shape)
        for part, whole in zip(parts, (inputs, weights), strict=True)
    )
    total, d_kernel, d_bias = sums
    return total, (d_inputs, d_kernel, d_bias, d_weights)


def _total_backward(residuals: tuple[Array, ...], cotangent: Array) -> tuple[Array | None, ...]:
    d_inputs, d_kernel, d_bias, d_weights = (
        gradient * cotangent.astype(gradient.dtype) for gradient in residuals
    )
    return d_inputs, d_kernel, d_bias, None, d_weights


_total_by_chunks.defvjp(_total_forward, _total_backward)


def smoothed(
    nats: Float[Array, "*positions"], logits: Float[Array, "*positions classes"], share: float
) -> Float[Array, "*positions"]:
    """Cross entropies with a share of the target spread evenly over all classes.

    Raises:
        ArgumentError: an array has other axes or another dtype, or the share is none.

    Source: Szegedy et al. 2016, "Rethinking the Inception architecture" (section 7).

    >>> logits = jnp.array([[0.0, jnp.log(3.0)]])
    >>> nats = cross_entropy(logits, jnp.array([1]))
    >>> [round(float(smoothed(nats, logits, share)[0]), 3) for share in (0.0, 0.5, 1.0)]
    [0.288, 0.562, 0.837]
    """
    check_floating("logits", logits, "*positions classes")
    check_floating("nats", nats, "*positions", logits.shape[:-1])
    check_share("share", share)
    if share == 0:
        return nats
    return (1 - share) * nats - share * jax.nn.log_softmax(logits).mean(axis=-1)
