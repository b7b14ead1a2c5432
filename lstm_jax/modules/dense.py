"""An affine map."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float

from lstm_jax.functional.affine import affine
from lstm_jax.types import Array


class Dense(nnx.Module):
    """`inputs @ kernel + bias`; the kernel starts LeCun-normal, the bias at zero."""

    def __init__(self, features: int, units: int, rngs: nnx.Rngs):
        draw = nnx.initializers.lecun_normal()
        self.kernel = nnx.Param(draw(rngs.params(), (features, units)))
        self.bias = nnx.Param(jnp.zeros((units,)))

    def __call__(
        self, inputs: Float[Array, "*positions features"]
    ) -> Float[Array, "*positions units"]:
        """The map of every row."""
        return affine(inputs, self.kernel[...], self.bias[...])
