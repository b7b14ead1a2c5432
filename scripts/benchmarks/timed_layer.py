"""What a layer is to the benchmark, whichever library it is written in. Needs NumPy alone."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Shape = tuple[int, int, int, int]
"""Time, batch, input, hidden."""


class Layer(NamedTuple):
    """A layer of some library with its inputs. A call returns when its results are there."""

    forward: Callable[[], Any]
    """Outputs [time, batch, hidden]."""
    training: Callable[[], Any]
    """Loss, and the gradients of (parameters, inputs)."""


def jax_layer(apply: Callable[[Any, Any], Any], params: Any, inputs: np.ndarray) -> Layer:
    """A layer from `apply(params, inputs) -> outputs`, compiled by `jax.jit`."""
    import jax
    import jax.numpy as jnp

    def loss(params: Any, inputs: Any) -> Any:
        return jnp.sum(jnp.square(apply(params, inputs)))

    params, device_inputs = jax.device_put((params, inputs))
    forward = jax.jit(apply)
    training = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    return Layer(
        forward=lambda: jax.block_until_ready(forward(params, device_inputs)),
        training=lambda: jax.block_until_ready(training(params, device_inputs)),
    )
