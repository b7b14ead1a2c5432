"""The contract of a recurrent cell: one time step as pure functions."""

import abc
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float

from lstm_jax.functional.affine import affine
from lstm_jax.functional.arguments import check_size
from lstm_jax.types import Array, Carry, Key, Params


@dataclasses.dataclass(frozen=True)
class Cell(abc.ABC):
    """One time step of a recurrence. A frozen dataclass of hyperparameters that holds no arrays.

    `recurrence.scan` is the only loop over time; a cell says what happens in one step of it.

    Raises:
        ArgumentError: there is no hidden unit.
    """

    hidden: int = 128
    """Units of the layer: the size of each output vector."""

    def __post_init__(self):
        check_size("hidden", self.hidden)

    @abc.abstractmethod
    def init(self, key: Key, input_size: int) -> dict[str, Array]:
        """Draws parameters for inputs of `input_size` features."""

    @abc.abstractmethod
    def initial_carry(
        self, batch_size: int, dtype: Any = jnp.float32, params: Params | None = None
    ) -> Carry:
        """The carry before the first step; every leaf has the batch as its first axis.

        Args:
            batch_size: the number of sequences.
            dtype: of the carry.
            params: the cell's, for one whose initial carry is learned; others do without.
        """

    @abc.abstractmethod
    def project(self, params: Params, inputs: Float[Array, "time batch input"]) -> Any:
        """All that does not depend on the previous step: one large matrix product over all steps.

        Returns an array (or a tree of arrays) whose first axes are [time, batch].
        """

    @abc.abstractmethod
    def step(
        self, params: Params, carry: Carry, projected: Any
    ) -> tuple[Carry, Float[Array, "batch hidden"]]:
        """One step: previous carry and projected input give the next carry and the output."""


@dataclasses.dataclass(frozen=True)
class ElementwiseCell(Cell):
    """A cell that is one recurrent matrix product followed by elementwise arithmetic.

    It states the arithmetic alone, in `elementwise`. From that `recurrence.scan` derives a backward
    pass which keeps the gradient of `recurrent_kernel` out of the loop over time.

    The carry is a NamedTuple whose field `hidden` [batch, hidden] is what the recurrent kernel
    multiplies. `params["recurrent_kernel"]` is [hidden, gates * hidden].
    """

    @abc.abstractmethod
    def elementwise(
        self,
        params: Params,
        carry: Carry,
        projected: Float[Array, "batch gates"],
        recurrent: Float[Array, "batch gates"],
    ) -> tuple[Carry, Float[Array, "batch hidden"]]:
        """The step, given `recurrent = carry.hidden @ recurrent_kernel`.

        `params` are the vectors the arithmetic needs (see `vectors`), never the kernels.
        """

    def vectors(self, params: Params) -> dict[str, Array]:
        """The parameters that `elementwise` reads: peepholes, recurrent biases. By default none."""
        del params
        return {}

    def project(
        self, params: Params, inputs: Float[Array, "time batch input"]
    ) -> Float[Array, "time batch gates"]:
        """`inputs @ input_kernel + bias`, multiplied in the dtype of `inputs`."""
        return affine(inputs, params["input_kernel"], params["bias"])

    def step(
        self, params: Params, carry: Carry, projected: Float[Array, "batch gates"]
    ) -> tuple[Carry, Float[Array, "batch hidden"]]:
        """One step: the recurrent matrix product, then the elementwise part."""
        recurrent = jnp.dot(carry.hidden, params["recurrent_kernel"])
        return self.elementwise(self.vectors(params), carry, projected, recurrent)


def lecun_uniform(key: Key, shape: tuple[int, ...]) -> Array:
    """A kernel from the uniform distribution of variance 1 / fan_in (LeCun et al. 1998)."""
    return jax.nn.initializers.lecun_uniform()(key, shape)


def orthogonal_blocks(key: Key, hidden: int, blocks: int) -> Array:
    """A recurrent kernel [hidden, blocks * hidden] of orthogonal blocks (Saxe et al. 2014)."""
    keys = jax.random.split(key, blocks)
    initializer = jax.nn.initializers.orthogonal()
    return jnp.concatenate([initializer(k, (hidden, hidden)) for k in keys], axis=1)
