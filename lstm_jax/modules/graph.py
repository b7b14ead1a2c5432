"""The way into Flax NNX models and out of them: as a static structure and a dict of arrays."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from lstm_jax.errors import ConfigError
from lstm_jax.types import Key, Params

Graph = nnx.GraphDef[Any]
"""The static structure of a model: everything but its arrays."""


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

    >>> graph, params = split(nnx.Linear(4, 10, rngs=nnx.Rngs(0)))
    >>> sorted(params)
    ['bias', 'kernel']

    Raises:
        ConfigError: the model keeps something else than parameters, all of which are trained.
    """
    if rest := jax.tree.leaves_with_path(nnx.state(model, nnx.Not(nnx.Param))):
        name = jax.tree_util.keystr(rest[0][0]).removesuffix(".value")
        raise ConfigError(
            f"{type(model).__name__} keeps {name}, which is no nnx.Param: what changes with the "
            "data belongs into the carry, and a constant is computed"
        )
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

    >>> structure(lambda rngs: nnx.Linear(4, 10, rngs=rngs))[1]["kernel"].shape
    (4, 10)
    """
    graphs = []

    def params(key: Key) -> dict[str, Any]:
        graph, params = split(build(nnx.Rngs(key)))
        graphs.append(graph)
        return params

    shapes = jax.eval_shape(params, jax.random.key(0))
    return graphs[0], shapes
