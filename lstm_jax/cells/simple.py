"""The simple recurrent network (Elman 1990)."""

import dataclasses
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Float

from lstm_jax.cells.base import ElementwiseCell, lecun_uniform, orthogonal_blocks
from lstm_jax.errors import ConfigError
from lstm_jax.functional.arguments import check_size
from lstm_jax.types import Array, Key, Params

Activation = Literal["tanh", "relu"]


class SimpleCarry(NamedTuple):
    """What a simple recurrent network hands to its next step."""

    hidden: Float[Array, "batch hidden"]
    """The output of the step before."""


@dataclasses.dataclass(frozen=True)
class SimpleRNN(ElementwiseCell):
    """Simple recurrent network: h' = activation(x W + h U + b).

    Parameters: `input_kernel` [input, hidden], `recurrent_kernel` [hidden, hidden],
    `bias` [hidden].

    Raises:
        ConfigError: there is no such activation.

    >>> cell = SimpleRNN(hidden=8, activation="relu")
    >>> cell.init(jax.random.key(0), input_size=3)["recurrent_kernel"].shape
    (8, 8)
    """

    activation: Activation = "tanh"
    """The nonlinearity; with relu, gradients reach further back but the carry is not bounded."""

    def __post_init__(self):
        super().__post_init__()
        if self.activation not in get_args(Activation):
            choice = ", ".join(get_args(Activation))
            raise ConfigError(f"activation is one of {choice}, not {self.activation!r}")

    def init(self, key: Key, input_size: int) -> dict[str, Array]:
        """LeCun-uniform input kernel, orthogonal recurrent kernel, zero bias."""
        check_size("input_size", input_size)
        input_key, recurrent_key = jax.random.split(key)
        return {
            "input_kernel": lecun_uniform(input_key, (input_size, self.hidden)),
            "recurrent_kernel": orthogonal_blocks(recurrent_key, self.hidden, blocks=1),
            "bias": jnp.zeros((self.hidden,)),
        }

    def initial_carry(
        self, batch_size: int, dtype: Any = jnp.float32, params: Params | None = None
    ) -> SimpleCarry:
        """Zeros."""
        del params
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
