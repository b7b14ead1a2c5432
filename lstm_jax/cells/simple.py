"""The simple recurrent network (Elman 1990)."""

import dataclasses
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from lstm_jax.cells.base import ElementwiseCell, lecun_uniform, orthogonal_blocks
from lstm_jax.types import Array, Key, Params


class SimpleCarry(NamedTuple):
    """What a simple recurrent network hands to its next step."""

    hidden: Float[Array, "batch hidden"]
    """The output of the step before."""


@dataclasses.dataclass(frozen=True)
class SimpleRNN(ElementwiseCell):
    """Simple recurrent network: h' = activation(x W + h U + b).

    Parameters: `input_kernel` [input, hidden], `recurrent_kernel` [hidden, hidden],
    `bias` [hidden].

    >>> cell = SimpleRNN(hidden=8, activation="relu")
    >>> cell.init(jax.random.key(0), input_size=3)["recurrent_kernel"].shape
    (8, 8)
    """

    activation: Literal["tanh", "relu"] = "tanh"
    """The nonlinearity; with relu, gradients reach further back but the carry is not bounded."""

    def init(self, key: Key, input_size: int) -> dict[str, Array]:
        """LeCun-uniform input kernel, orthogonal recurrent kernel, zero bias."""
        input_key, recurrent_key = jax.random.split(key)
        return {
            "input_kernel": lecun_uniform(input_key, (input_size, self.hidden)),
            "recurrent_kernel": orthogonal_blocks(recurrent_key, self.hidden, blocks=1),
            "bias": jnp.zeros((self.hidden,)),
        }

    def initial_carry(self, batch_size: int, dtype: Any = jnp.float32) -> SimpleCarry:
        """Zeros."""
        return SimpleCarry(hidden=jnp.zeros((batch_size, self.hidden), dtype))

    def elementwise(
        self,
        params: Params,
        carry: SimpleCarry,
        projected: Float[Array, "batch gates"],
        recurrent: Float[Array, "batch gates"],
    ) -> tuple[SimpleCarry, Float[Array, "batch hidden"]]:
        """The activation."""
        del params, carry
        activation = jnp.tanh if self.activation == "tanh" else jax.nn.relu
        hidden = activation(projected + recurrent)
        return SimpleCarry(hidden=hidden), hidden
