"""Long short-term memory (Hochreiter and Schmidhuber 1997), with forget gates (Gers 2000)."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from lstm_jax.cells.base import ElementwiseCell, lecun_uniform, orthogonal_blocks
from lstm_jax.functional.arguments import check_size
from lstm_jax.types import Array, Key, Params


class LSTMCarry(NamedTuple):
    """What an LSTM hands to its next step."""

    hidden: Float[Array, "batch hidden"]
    """The output of the step before."""
    cell: Float[Array, "batch hidden"]
    """The memory, which the gates write to and forget from."""


@dataclasses.dataclass(frozen=True)
class LSTM(ElementwiseCell):
    """Long short-term memory.

        i, f, g, o = split(x W + h U + b)
        c' = sigmoid(f) c + sigmoid(i) tanh(g)
        h' = sigmoid(o) tanh(c')

    With peepholes (Gers and Schmidhuber 2000) i and f also see p * c, and o sees p * c'.

    Parameters: `input_kernel` [input, 4 hidden], `recurrent_kernel` [hidden, 4 hidden], `bias`
    [4 hidden], in PyTorch's gate order i, f, g, o; `peepholes` [3, hidden] for i, f, o.

    >>> cell = LSTM(hidden=8)
    >>> sorted(cell.init(jax.random.key(0), input_size=3))
    ['bias', 'input_kernel', 'recurrent_kernel']
    """

    forget_bias: float = 1.0
    """Where the forget gate's bias starts; 1 keeps memory at first (Jozefowicz et al. 2015)."""
    peepholes: bool = False
    """Whether the gates see the memory itself."""

    def init(self, key: Key, input_size: int) -> dict[str, Array]:
        """LeCun-uniform input kernel, orthogonal recurrent kernel, `forget_bias` for a bias."""
        check_size("input_size", input_size)
        input_key, recurrent_key = jax.random.split(key)
        bias = jnp.zeros((4, self.hidden)).at[1].set(self.forget_bias)
        params = {
            "input_kernel": lecun_uniform(input_key, (input_size, 4 * self.hidden)),
            "recurrent_kernel": orthogonal_blocks(recurrent_key, self.hidden, blocks=4),
            "bias": bias.reshape(-1),
        }
        if self.peepholes:
            params["peepholes"] = jnp.zeros((3, self.hidden))
        return params

    def initial_carry(
        self, batch_size: int, dtype: Any = jnp.float32, params: Params | None = None
    ) -> LSTMCarry:
        """Zeros."""
        del params
        zeros = jnp.zeros((batch_size, self.hidden), dtype)
        return LSTMCarry(hidden=zeros, cell=zeros)

    def vectors(self, params: Params) -> dict[str, Array]:
        """The peepholes, if there are any."""
        return {"peepholes": params["peepholes"]} if self.peepholes else {}

    def elementwise(
        self,
        params: Params,
        carry: LSTMCarry,
        projected: Float[Array, "batch gates"],
        recurrent: Float[Array, "batch gates"],
    ) -> tuple[LSTMCarry, Float[Array, "batch hidden"]]:
        """The gates and what they do to the memory."""
        gates = projected + recurrent
        if self.peepholes:
            into_i, into_f, _ = params["peepholes"]
            zeros = jnp.zeros_like(carry.cell)
            seen = [into_i * carry.cell, into_f * carry.cell, zeros, zeros]
            gates = gates + jnp.concatenate(seen, axis=-1)
        # One tanh over all gates (sigmoid(x) = tanh(x / 2) / 2 + 1 / 2): XLA vectorizes it over
        # contiguous memory. Functions of the four slices were 2 to 4 times slower, as it does not.
        half, one, zero = (jnp.full((self.hidden,), x, gates.dtype) for x in (0.5, 1.0, 0.0))
        scale = jnp.concatenate([half, half, one, half])
        shift = jnp.concatenate([half, half, zero, half])
        i, f, g, o = jnp.split(jnp.tanh(gates * scale) * scale + shift, 4, axis=-1)
        cell = f * carry.cell + i * g
        if self.peepholes:
            o = jax.nn.sigmoid(gates[..., -self.hidden :] + params["peepholes"][2] * cell)
        hidden = o * jnp.tanh(cell)
        return LSTMCarry(hidden=hidden, cell=cell), hidden
