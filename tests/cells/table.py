"""The table of cells. One row earns a cell every test in `test_properties.py`.

`hidden` stays small and differs from every other size in `tests/reference.py`, so that a wrong axis
cannot pass for the right one.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.cells import GRU, LSTM, Cell, SimpleRNN


class MatrixMemoryCarry(NamedTuple):
    memory: jax.Array
    """[batch, hidden, hidden]"""
    total: jax.Array
    """[batch]"""


@dataclasses.dataclass(frozen=True)
class MatrixMemory(Cell):
    """A cell only of these tests, unlike the library's in all that the contract leaves open.

    It defines `step` alone and projects to a dict; its carries are not [batch, hidden], and one is
    not zero at first. It stores values under keys by the delta rule and reads them by queries.
    """

    def init(self, key: jax.Array, input_size: int) -> dict[str, jax.Array]:
        names = ("key_kernel", "value_kernel", "query_kernel")
        keys = jax.random.split(key, len(names))
        shape = (input_size, self.hidden)
        params = {name: jax.random.normal(k, shape) for name, k in zip(names, keys, strict=True)}
        return params | {"decay": jnp.zeros(self.hidden)}

    def initial_carry(
        self, batch_size: int, dtype: Any = jnp.float32, params: Any = None
    ) -> MatrixMemoryCarry:
        del params
        memory = jnp.zeros((batch_size, self.hidden, self.hidden), dtype)
        return MatrixMemoryCarry(memory, jnp.ones(batch_size, dtype))

    def project(self, params: Any, inputs: jax.Array) -> dict[str, jax.Array]:
        def product(name: str) -> jax.Array:
            kernel = params[f"{name}_kernel"]
            return jnp.dot(inputs, kernel.astype(inputs.dtype)).astype(kernel.dtype)

        return {name: product(name) for name in ("key", "value", "query")}

    def step(self, params: Any, carry: Any, projected: Any) -> tuple[MatrixMemoryCarry, jax.Array]:
        key = jnp.tanh(projected["key"])
        missing = projected["value"] - jnp.einsum("bvk,bk->bv", carry.memory, key)
        written = jnp.einsum("bv,bk->bvk", missing, key)
        memory = jax.nn.sigmoid(params["decay"]) * carry.memory + 0.3 * written
        total = carry.total + jnp.square(key).sum(axis=-1)
        output = jnp.einsum("bvk,bk->bv", memory, projected["query"]) / total[:, None]
        return MatrixMemoryCarry(memory, total), output


CELLS: dict[str, Cell] = {
    "lstm": LSTM(hidden=3),
    "lstm_with_peepholes": LSTM(hidden=3, peepholes=True),
    "gru": GRU(hidden=3),
    "simple_tanh": SimpleRNN(hidden=3),
    "simple_relu": SimpleRNN(hidden=3, activation="relu"),
    "matrix_memory": MatrixMemory(hidden=3),
}
