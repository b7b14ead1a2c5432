"""The affine map of every layer, with a backward pass that XLA keeps to three matrix products."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float

from lstm_jax.functional.arguments import check_floating
from lstm_jax.types import Array


@jax.custom_vjp
def affine(
    inputs: Float[Array, "*positions features"],
    kernel: Float[Array, "features units"],
    bias: Float[Array, " units"],
) -> Float[Array, "*positions units"]:
    """`inputs @ kernel + bias`, multiplied in the dtype of `inputs`, added up in that of `kernel`.

    Raises:
        ArgumentError: an array has other axes, or is none of floating-point numbers.

    >>> affine(jnp.ones((5, 2, 3)), jnp.ones((3, 4)), jnp.zeros(4)).shape
    (5, 2, 4)
    """
    check_floating("inputs", inputs, "*positions features")
    check_floating("kernel", kernel, "features units", (inputs.shape[-1], None))
    check_floating("bias", bias, "units", (kernel.shape[-1],))
    product = jnp.dot(inputs, kernel.astype(inputs.dtype), preferred_element_type=kernel.dtype)
    return product + bias


def _forward(inputs: Array, kernel: Array, bias: Array) -> tuple[Array, Any]:
    return affine(inputs, kernel, bias), (inputs, kernel)


def _backward(residuals: Any, cotangent: Array) -> tuple[Array, Array, Array]:
    inputs, kernel = residuals
    flat = cotangent.reshape(-1, cotangent.shape[-1])
    # Three products read the cotangent. Without the barrier XLA computes it anew for each of them,
    # once transposed: for a large softmax that doubles the time of a whole training step.
    flat = jax.lax.optimization_barrier(flat)
    # On the CPU a product with ones uses all cores, a sum over the first axis one.
    d_bias = jnp.ones((1, flat.shape[0]), flat.dtype) @ flat
    narrow = flat.astype(inputs.dtype)
    rows = inputs.reshape(-1, inputs.shape[-1])
    d_kernel = jax.lax.dot_general(
        rows, narrow, (((0,), (0,)), ((), ())), preferred_element_type=kernel.dtype
    )
    d_inputs = jax.lax.dot_general(narrow, kernel.astype(inputs.dtype), (((1,), (1,)), ((), ())))
    return d_inputs.reshape(inputs.shape), d_kernel, d_bias[0]


affine.defvjp(_forward, _backward)
