"""Recurrent layers, in one direction or both, and stacks of them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
from flax import nnx
from jaxtyping import Float

from lstm_jax import recurrence
from lstm_jax.cells.base import Cell
from lstm_jax.errors import ConfigError
from lstm_jax.functional.arguments import check_count, check_size
from lstm_jax.functional.dropouts import dropout, variational_dropout, weight_drop
from lstm_jax.types import Array, Carry, Key


class Noise(NamedTuple):
    """What a stack is disturbed by in training."""

    dropout: float = 0.0
    """Probability of dropping an element of a layer's input or of the last layer's output."""
    variational: bool = False
    """Whether all steps of a sequence drop the same elements (Gal and Ghahramani 2016)."""
    weight_drop: float = 0.0
    """Probability of dropping an element of a recurrent kernel (Merity et al. 2018)."""


class Recurrent(nnx.Module):
    """One recurrent layer: the parameters of a cell, and `recurrence.scan` over them."""

    def __init__(self, cell: Cell, input_size: int, rngs: nnx.Rngs):
        check_size("input_size", input_size)
        self.cell = cell
        params = cell.init(rngs.params(), input_size)
        self.names = tuple(params)
        for name, value in params.items():
            setattr(self, name, nnx.Param(value))

    def params(self, key: Key | None = None, rate: float = 0.0) -> dict[str, Array]:
        """The parameters as the cell's functions take them.

        With a key, elements of the recurrent kernel are dropped at `rate`.
        """
        params = {name: getattr(self, name)[...] for name in self.names}
        if key is not None and rate:
            params["recurrent_kernel"] = weight_drop(key, params["recurrent_kernel"], rate)
        return params

    def __call__(
        self,
        inputs: Float[Array, "time batch input"],
        carry: Carry | None = None,
        key: Key | None = None,
        weight_drop: float = 0.0,
        **options: Any,
    ) -> tuple[Float[Array, "time batch hidden"], Carry]:
        """Outputs of all steps and the final carry; `options` are those of `recurrence.scan`."""
        params = self.params(key, weight_drop)
        return recurrence.scan(self.cell, params, inputs, carry, **options)


class Bidirectional(nnx.Module):
    """Two recurrent layers over the same inputs, one of which reads from the end."""

    def __init__(self, cell: Cell, input_size: int, rngs: nnx.Rngs):
        self.forward = Recurrent(cell, input_size, rngs)
        self.backward = Recurrent(cell, input_size, rngs)

    def __call__(
        self,
        inputs: Float[Array, "time batch input"],
        carries: tuple[Carry, Carry] | None = None,
        key: Key | None = None,
        weight_drop: float = 0.0,
        **options: Any,
    ) -> tuple[Float[Array, "time batch features"], tuple[Carry, Carry]]:
        """As `recurrence.bidirectional`: forward outputs, then backward ones; both carries."""
        one, other = (None, None) if key is None else jax.random.split(key)
        params = (self.forward.params(one, weight_drop), self.backward.params(other, weight_drop))
        cells = (self.forward.cell, self.backward.cell)
        return recurrence.bidirectional(cells, params, inputs, carries, **options)


class Stack(nnx.Module):
    """Recurrent layers, each reading the outputs of the one below.

    Dropout falls on what goes into each layer and on what leaves the last one, never on the
    recurrent connections (Zaremba et al. 2014).

    Raises:
        ConfigError: a cell without a recurrent kernel is to drop elements of it.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        input_size: int,
        noise: Noise,
        rngs: nnx.Rngs,
        bidirectional: bool = False,
    ):
        layer, directions = (Bidirectional, 2) if bidirectional else (Recurrent, 1)
        sizes = [input_size, *(directions * cell.hidden for cell in cells)]
        self.layers = nnx.List(
            layer(cell, size, rngs) for cell, size in zip(cells, sizes[:-1], strict=True)
        )
        self.features = sizes[-1]
        self.noise = noise
        for one in (part for part in self.layers if noise.weight_drop):
            names = one.forward.names if isinstance(one, Bidirectional) else one.names
            if "recurrent_kernel" not in names:
                raise ConfigError("weight_drop needs a cell with a recurrent_kernel")

    def __call__(
        self,
        inputs: Float[Array, "time batch input"],
        carries: tuple[Carry, ...] | None = None,
        key: Key | None = None,
        **options: Any,
    ) -> tuple[Float[Array, "time batch hidden"], tuple[Carry, ...]]:
        """Outputs of the last layer and the carry of each; without a key nothing is dropped.

        Raises:
            ArgumentError: there is not a carry for each layer; and as `recurrence.scan`.
        """
        finals = []
        depth, rate = len(self.layers), self.noise.dropout
        drop = variational_dropout if self.noise.variational else dropout
        carries = (None,) * depth if carries is None else carries
        check_count("carries", carries, depth, "one for each layer")
        keys = [None] * (depth + 1) if key is None else jax.random.split(key, depth + 1)
        for layer, carry, layer_key in zip(self.layers, carries, keys[:-1], strict=True):
            inputs = drop(layer_key, inputs, rate)
            kernel_key = None if layer_key is None else jax.random.fold_in(layer_key, 1)
            inputs, final = layer(inputs, carry, kernel_key, self.noise.weight_drop, **options)
            finals.append(final)
        return drop(keys[-1], inputs, rate), tuple(finals)
