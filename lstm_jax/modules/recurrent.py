"""Recurrent layers, in one direction or both, and stacks of them."""

import abc
import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float, Int

from lstm_jax import recurrence
from lstm_jax.cells.base import Cell
from lstm_jax.errors import ConfigError
from lstm_jax.functional.arguments import check_count, check_size
from lstm_jax.functional.dropouts import dropout, variational_dropout, weight_drop
from lstm_jax.types import Array, Carry, Key


class Layer(Protocol):
    """What stands in a `Stack`: a map of sequences [time, batch, features] with a carry.

    An output depends on the inputs since the last reset alone, never on how a stream was cut into
    pieces. A layer that reads sequences from both ends says in `why_not_streamed` why it cannot.
    """

    features: int
    """Of an output."""
    why_not_streamed: str | None
    """Why a stream cannot be read piece by piece; None where it can."""

    def initial_carry(self, batch_size: int) -> Carry:
        """The carry before the first step; every leaf has the batch as its first axis."""
        ...

    def __call__(
        self, inputs: Array, carry: Carry | None = None, key: Key | None = None, **options: Any
    ) -> tuple[Array, Carry]:
        """Outputs of all steps and the final carry.

        `options` are `lengths` [batch] and `resets` [time, batch], as `recurrence.scan` has them;
        without a key there is no noise.
        """
        ...


@dataclasses.dataclass(frozen=True)
class LayerConfig(abc.ABC):
    """What stands in the place of a cell where a layer is no recurrence of one.

    A subclass is a frozen dataclass of hyperparameters.
    """

    hidden: int = 128
    """Features of an output."""

    @abc.abstractmethod
    def build(self, input_size: int, rngs: nnx.Rngs) -> Any:
        """The layer, a module that is a `Layer`, for inputs of so many features."""


class Recurrent(nnx.Module):
    """One recurrent layer: the parameters of a cell, and `recurrence.scan` over them.

    Raises:
        ConfigError: a cell without a recurrent kernel is to drop elements of it.
    """

    why_not_streamed = None

    def __init__(self, cell: Cell, input_size: int, rngs: nnx.Rngs, weight_drop: float = 0.0):
        check_size("input_size", input_size)
        self.cell = cell
        self.features = cell.hidden
        self.weight_drop = weight_drop
        params = cell.init(rngs.params(), input_size)
        self.names = tuple(params)
        for name, value in params.items():
            setattr(self, name, nnx.Param(value))
        if weight_drop and "recurrent_kernel" not in self.names:
            raise ConfigError("weight_drop needs a cell with a recurrent_kernel")

    def params(self, key: Key | None = None) -> dict[str, Array]:
        """The parameters as the cell's functions take them.

        With a key, elements of the recurrent kernel are dropped.
        """
        params = {name: getattr(self, name)[...] for name in self.names}
        if key is not None and self.weight_drop:
            kernel = params["recurrent_kernel"]
            params["recurrent_kernel"] = weight_drop(key, kernel, self.weight_drop)
        return params

    def initial_carry(self, batch_size: int) -> Carry:
        """That of the cell, in the dtype of its parameters."""
        params = self.params()
        dtypes = (leaf.dtype for leaf in jax.tree.leaves(params))
        dtype = functools.reduce(jnp.promote_types, dtypes)
        return self.cell.initial_carry(batch_size, dtype, params)

    def __call__(
        self,
        inputs: Float[Array, "time batch input"],
        carry: Carry | None = None,
        key: Key | None = None,
        **options: Any,
    ) -> tuple[Float[Array, "time batch hidden"], Carry]:
        """Outputs of all steps and the final carry; `options` are those of `recurrence.scan`."""
        return recurrence.scan(self.cell, self.params(key), inputs, carry, **options)

    def branches(
        self,
        inputs: Float[Array, "kinds branches input"],
        carry: Carry,
        key: Key | None = None,
        kind: Int[Array, " batch"] | None = None,
    ) -> Float[Array, "batch branches hidden"]:
        """As `Stack.branches`: what depends on inputs or carry alone is multiplied once."""
        params = self.params(key)
        projected = self.cell.project(params, inputs)
        if kind is not None:
            projected = jax.tree.map(lambda leaf: leaf[kind], projected)

        def step(projected: Any) -> Array:
            return self.cell.step(params, carry, projected)[1]

        return jax.vmap(step, in_axes=1, out_axes=1)(projected)


class Bidirectional(nnx.Module):
    """Two recurrent layers over the same inputs, one of which reads from the end."""

    why_not_streamed = "a bidirectional layer reads each sequence from its end as well"

    def __init__(self, cell: Cell, input_size: int, rngs: nnx.Rngs, weight_drop: float = 0.0):
        self.forward = Recurrent(cell, input_size, rngs, weight_drop)
        self.backward = Recurrent(cell, input_size, rngs, weight_drop)
        self.features = self.forward.features + self.backward.features

    def initial_carry(self, batch_size: int) -> tuple[Carry, Carry]:
        """Those of both layers."""
        return self.forward.initial_carry(batch_size), self.backward.initial_carry(batch_size)

    def __call__(
        self,
        inputs: Float[Array, "time batch input"],
        carries: tuple[Carry, Carry] | None = None,
        key: Key | None = None,
        **options: Any,
    ) -> tuple[Float[Array, "time batch features"], tuple[Carry, Carry]]:
        """As `recurrence.bidirectional`: forward outputs, then backward ones; both carries."""
        one, other = (None, None) if key is None else jax.random.split(key)
        params = (self.forward.params(one), self.backward.params(other))
        cells = (self.forward.cell, self.backward.cell)
        return recurrence.bidirectional(cells, params, inputs, carries, **options)


class Stack(nnx.Module):
    """Layers, each reading the outputs of the one below. A stack is a layer itself.

    Dropout falls on what goes into each layer and on what leaves the last one, never on the
    recurrent connections (Zaremba et al. 2014).

    Args:
        layers: from the lowest one up; `recurrent_layers` makes those of cells.
        dropout: probability of dropping an element.
        variational: whether all steps of a sequence drop the same elements (Gal and Ghahramani
            2016).
    """

    def __init__(self, layers: Sequence[Any], dropout: float = 0.0, variational: bool = False):
        self.layers = nnx.List(layers)
        self.features: int = layers[-1].features
        reasons = (layer.why_not_streamed for layer in layers)
        self.why_not_streamed: str | None = next(filter(None, reasons), None)
        self.dropout, self.variational = dropout, variational

    def initial_carry(self, batch_size: int) -> tuple[Carry, ...]:
        """That of every layer."""
        return tuple(layer.initial_carry(batch_size) for layer in self.layers)

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
        depth, rate = len(self.layers), self.dropout
        drop = variational_dropout if self.variational else dropout
        carries = (None,) * depth if carries is None else carries
        check_count("carries", carries, depth, "one for each layer")
        keys = [None] * (depth + 1) if key is None else jax.random.split(key, depth + 1)
        for layer, carry, layer_key in zip(self.layers, carries, keys[:-1], strict=True):
            inputs = drop(layer_key, inputs, rate)
            own_key = None if layer_key is None else jax.random.fold_in(layer_key, 1)
            inputs, final = layer(inputs, carry, own_key, **options)
            finals.append(final)
        return drop(keys[-1], inputs, rate), tuple(finals)

    def branches(
        self,
        inputs: Float[Array, "kinds branches input"],
        carries: tuple[Carry, ...],
        key: Key | None = None,
        kind: Int[Array, " batch"] | None = None,
    ) -> Float[Array, "batch branches hidden"]:
        """The outputs of one step from each carry with several inputs, one beside the other.

        Of the noise there are the dropped weights alone, the same as in a call with this key.

        Args:
            inputs: of each branch: of every sequence, or of every kind of sequence.
            carries: of each layer.
            key: of the noise.
            kind: of each sequence, where inputs are those of kinds.
        """
        depth = len(self.layers)
        keys = [None] * depth if key is None else jax.random.split(key, depth + 1)[:-1]
        for layer, carry, layer_key in zip(self.layers, carries, keys, strict=True):
            own_key = None if layer_key is None else jax.random.fold_in(layer_key, 1)
            if isinstance(layer, Recurrent):
                inputs = layer.branches(inputs, carry, own_key, kind)
            else:
                inputs = inputs if kind is None else inputs[kind]
                inputs = _step_in_branches(layer, inputs, carry, own_key)
            kind = None
        return inputs


def _step_in_branches(layer: Any, inputs: Array, carry: Carry, key: Key | None) -> Array:
    def step(inputs: Array) -> Array:
        return layer(inputs[None], carry, key)[0][0]

    return jax.vmap(step, in_axes=1, out_axes=1)(inputs)


def recurrent_layers(
    cells: Sequence[Cell | LayerConfig],
    input_size: int,
    rngs: nnx.Rngs,
    *,
    bidirectional: bool = False,
    weight_drop: float = 0.0,
) -> list[Any]:
    """A layer for each cell, the first of which reads `input_size` features.

    >>> from lstm_jax.cells import GRU
    >>> cells = GRU(hidden=4), GRU(hidden=3)
    >>> layers = recurrent_layers(cells, 2, nnx.Rngs(0), bidirectional=True)
    >>> Stack(layers).features, Stack(layers).why_not_streamed
    (6, 'a bidirectional layer reads each sequence from its end as well')

    Args:
        cells: from the lowest layer up; a layer that is no recurrence of a cell by its config.
        input_size: features of an input.
        rngs: draws the parameters.
        bidirectional: whether each layer reads from both ends, with a cell for each.
        weight_drop: probability of dropping an element of a recurrent kernel (Merity et al. 2018).

    Raises:
        ConfigError: a layer without a recurrent kernel is to drop elements of it, or one that is no
            recurrence is to read from both ends.
    """
    kind, layers = Bidirectional if bidirectional else Recurrent, []
    for cell in cells:
        if isinstance(cell, Cell):
            layers.append(kind(cell, input_size, rngs, weight_drop))
        elif bidirectional or weight_drop:
            name = type(cell).__name__
            raise ConfigError(f"{name} has no direction and no recurrent kernel: set neither")
        else:
            layers.append(cell.build(input_size, rngs))
        input_size = layers[-1].features
    return layers
