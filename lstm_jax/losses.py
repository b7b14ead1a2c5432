"""Losses as pure functions of predictions and targets, one value for each position."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from lstm_jax.types import Array


@jax.custom_vjp
def cross_entropy(
    logits: Float[Array, "*positions classes"], labels: Int[Array, "*positions"]
) -> Float[Array, "*positions"]:
    """`logsumexp(logits) - logits[label]` in nats, in float32 at least.

    A label outside [0, classes) is not detected here (nothing can be raised under jit): data sets
    check their labels.

    >>> round(float(cross_entropy(jnp.zeros((1, 4)), jnp.array([2]))[0]), 6)
    1.386294
    """
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


cross_entropy.defvjp(_cross_entropy_forward, _cross_entropy_backward)


def smoothed(
    nats: Float[Array, "*positions"], logits: Float[Array, "*positions classes"], share: float
) -> Float[Array, "*positions"]:
    """Cross entropies with a share of the target spread evenly over all classes.

    Source: Szegedy et al. 2016, "Rethinking the Inception architecture" (section 7).

    >>> logits = jnp.array([[0.0, jnp.log(3.0)]])
    >>> nats = cross_entropy(logits, jnp.array([1]))
    >>> [round(float(smoothed(nats, logits, share)[0]), 3) for share in (0.0, 0.5, 1.0)]
    [0.288, 0.562, 0.837]
    """
    if share == 0:
        return nats
    return (1 - share) * nats - share * jax.nn.log_softmax(logits).mean(axis=-1)
