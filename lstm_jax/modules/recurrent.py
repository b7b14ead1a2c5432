"""Thin Flax NNX shells that hold the parameters of recurrences, and the way in and out of them."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float, Int

from lstm_jax import recurrence
from lstm_jax.affine import affine
from lstm_jax.cells.base import Cell
from lstm_jax.regularization import dropout
from lstm_jax.types import Array, Carry, Key, Params

Graph = nnx.GraphDef[Any]
"""The static structure of a model: everything but its arrays."""


class Recurrent(nnx.Module):
    """One recurrent layer: the parameters of a cell, and `recurrence.scan` over them."""

    def __init__(self, cell: Cell, input_size: int, rngs: nnx.Rngs):
        self.cell = cell
        params = cell.init(rngs.params(), input_size)
        self.names = tuple(params)
        for name, value in params.items():
            setattr(self, name, nnx.Param(value))

    def params(self) -> dict[str, Array]:
        """The parameters as the cell's functions take them."""
        return {name: getattr(self, name)[...] for name in self.names}

    def __call__(
        self, inputs: Float[Array, "time batch input"], carry: Carry | None = None, **options: Any
    ) -> tuple[Float[Array, "time batch hidden"], Carry]:
        """Outputs of all steps and the final carry; `options` are those of `recurrence.scan`."""
        return recurrence.scan(self.cell, self.params(), inputs, carry, **options)


class Stack(nnx.Module):
    """Recurrent layers, each reading the outputs of the one below.

    Dropout falls on what goes into each layer and on what leaves the last one, never on the
    recurrent connections (Zaremba et al. 2014).
    """

    def __init__(self, cells: Sequence[Cell], input_size: int, dropout: float, rngs: nnx.Rngs):
        sizes = [input_size, *(cell.hidden for cell in cells)]
        self.layers = nnx.List(
            Recurrent(cell, size, rngs) for cell, size in zip(cells, sizes[:-1], strict=True)
        )
        self.dropout = dropout

    def __call__(
        self,
        inputs: Float[Array, "time batch input"],
        carries: tuple[Carry, ...],
        key: Key | None = None,
        **options: Any,
    ) -> tuple[Float[Array, "time batch hidden"], tuple[Carry, ...]]:
        """Outputs of the last layer and the carry of each; without a key nothing is dropped."""
        finals = []
        depth = len(self.layers)
        keys = [None] * (depth + 1) if key is None else jax.random.split(key, depth + 1)
        for layer, carry, layer_key in zip(self.layers, carries, keys[:-1], strict=True):
            inputs, final = layer(dropout(layer_key, inputs, self.dropout), carry, **options)
            finals.append(final)
        return dropout(keys[-1], inputs, self.dropout), tuple(finals)


class Softmax(nnx.Module):
    """An affine map from hidden vectors to one logit for each entry of the vocabulary."""

    def __init__(self, hidden: int, vocabulary: int, rngs: nnx.Rngs):
        self.kernel = nnx.Param(
            nnx.initializers.lecun_normal()(rngs.params(), (hidden, vocabulary))
        )
        self.bias = nnx.Param(jnp.zeros((vocabulary,)))

    def __call__(
        self, hidden: Float[Array, "time batch hidden"]
    ) -> Float[Array, "time batch vocabulary"]:
        """The logits."""
        return affine(hidden, self.kernel[...], self.bias[...])


class TiedSoftmax(nnx.Module):
    """The same with the embedding table as its kernel (Press and Wolf 2017; Inan et al. 2017)."""

    def __init__(self, vocabulary: int):
        self.bias = nnx.Param(jnp.zeros((vocabulary,)))

    def __call__(
        self,
        hidden: Float[Array, "time batch hidden"],
        table: Float[Array, "vocabulary hidden"],
    ) -> Float[Array, "time batch vocabulary"]:
        """The logits: inner products with the embedding of every token."""
        return affine(hidden, table.T, self.bias[...])


class Embedding(nnx.Module):
    """A vector for each token; rows start normal with variance 1 / features."""

    def __init__(self, vocabulary: int, features: int, rngs: nnx.Rngs):
        draw = nnx.initializers.normal(stddev=features**-0.5)
        self.table = nnx.Param(draw(rngs.params(), (vocabulary, features)))

    def __call__(self, tokens: Int[Array, "time batch"]) -> Float[Array, "time batch features"]:
        """The vectors of the tokens."""
        return self.table[...][tokens]


def draw_uniform(model: nnx.Module, scale: float, key: Key) -> None:
    """Draws every parameter from U(-scale, scale), as Zaremba et al. 2014 did.

    What a cell puts into a bias on purpose, such as a forget-gate bias of 1, is added to the draw.
    """
    state = nnx.state(model, nnx.Param)
    leaves, structure = jax.tree.flatten(state)
    drawn = [
        jax.random.uniform(leaf_key, leaf.shape, leaf.dtype, -scale, scale)
        + (leaf if leaf.ndim == 1 else jnp.zeros_like(leaf))
        for leaf, leaf_key in zip(leaves, jax.random.split(key, len(leaves)), strict=True)
    ]
    nnx.update(model, jax.tree.unflatten(structure, drawn))


def split(model: nnx.Module) -> tuple[Graph, dict[str, Any]]:
    """A model as its static structure and a nested dict of arrays, which `jax.jit` passes fastest.

    >>> graph, params = split(Softmax(4, 10, nnx.Rngs(0)))
    >>> sorted(params)
    ['bias', 'kernel']
    """
    graph, state = nnx.split(model)
    return graph, nnx.to_pure_dict(state)


def merge(graph: Graph, params: Params) -> Any:
    """The model of `split`, with the given parameters."""
    return nnx.merge(graph, nnx.State(jax.tree.map(nnx.Param, dict(params))))


def initialize(build: Callable[[nnx.Rngs], nnx.Module], key: Key) -> tuple[Graph, dict[str, Any]]:
    """The structure and the first parameters of the model that `build` makes."""
    # In one program: compiling each operation of each layer by itself takes seconds.
    return structure(build)[0], jax.jit(lambda key: split(build(nnx.Rngs(key)))[1])(key)


def structure(build: Callable[[nnx.Rngs], nnx.Module]) -> tuple[Graph, dict[str, Any]]:
    """The structure of the model that `build` makes, and the shapes of its parameters.

    >>> structure(lambda rngs: Softmax(4, 10, rngs))[1]["bias"].shape
    (10,)
    """
    graphs = []

    def params(key: Key) -> dict[str, Any]:
        graph, params = split(build(nnx.Rngs(key)))
        graphs.append(graph)
        return params

    shapes = jax.eval_shape(params, jax.random.key(0))
    return graphs[0], shapes
