"""The gated recurrent unit (Cho et al. 2014), in the form that cuDNN and PyTorch compute."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from lstm_jax.cells.base import ElementwiseCell, lecun_uniform, orthogonal_blocks
from lstm_jax.functional.arguments import check_size
from lstm_jax.types import Array, Key, Params


class GRUCarry(NamedTuple):
    """What a GRU hands to its next step."""

    hidden: Float[Array, "batch hidden"]
    """The output of the step before."""


@dataclasses.dataclass(frozen=True)
class GRU(ElementwiseCell):
    """Gated recurrent unit, the reset gate applied after the recurrent matrix product.

        r, z = sigmoid(split(x W_rz + b_rz + h U_rz + c_rz))
        n = tanh(x W_n + b_n + r (h U_n + c_n))
        h' = (1 - z) n + z h

    Parameters: `input_kernel` [input, 3 hidden], `recurrent_kernel` [hidden, 3 hidden], `bias`
    [3 hidden] in PyTorch's gate order r, z, n; `recurrent_bias` [hidden], the c_n above (the other
    two would only add to `bias`).

    >>> cell = GRU(hidden=8)
    >>> cell.initial_carry(batch_size=2).hidden.shape
    (2, 8)
    """

    def init(self, key: Key, input_size: int) -> dict[str, Array]:
        """LeCun-uniform input kernel, orthogonal recurrent kernel, zero biases."""
        check_size("input_size", input_size)
        input_key, recurrent_key = jax.random.split(key)
        return {
            "input_kernel": lecun_uniform(input_key, (input_size, 3 * self.hidden)),
            "recurrent_kernel": orthogonal_blocks(recurrent_key, self.hidden, blocks=3),
            "bias": jnp.zeros((3 * self.hidden,)),
            "recurrent_bias": jnp.zeros((self.hidden,)),
        }

    def initial_carry(
        self, batch_size: int, dtype: Any = jnp.float32, params: Params | None = None
    ) -> GRUCarry:
        """Zeros."""
        del params
        return GRUCarry(hidden=jnp.zeros((batch_size, self.hidden), dtype))

    def vectors(self, params: Params) -> dict[str, Array]:
        """The bias inside the reset gate's product."""
        return {"recurrent_bias": params["recurrent_bias"]}

    def elementwise(
        self,
        params: Params,
        carry: GRUCarry,
        projected: Float[Array, "batch gates"],
        recurrent: Float[Array, "batch gates"],
    ) -> tuple[GRUCarry, Float[Array, "batch hidden"]]:
        """The gates, the candidate, and the mixture of candidate and past."""
        projected_r, projected_z, projected_n = jnp.split(projected, 3, axis=-1)
        recurrent_r, recurrent_z, recurrent_n = jnp.split(recurrent, 3, axis=-1)
        r = jax.nn.sigmoid(projected_r + recurrent_r)
        z = jax.nn.sigmoid(projected_z + recurrent_z)
        n = jnp.tanh(projected_n + r * (recurrent_n + params["recurrent_bias"]))
        hidden = (1 - z) * n + z * carry.hidden
        return GRUCarry(hidden=hidden), hidden
