"""The arrays of a tree by their names, as checkpoints have them."""

import re
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np


def named_leaves(tree: Any) -> dict[str, Any]:
    """Leaves by the path that leads to them, in the order of `jax.tree.leaves`."""
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree.leaves_with_path(tree)}


def describe_leaf(leaf: Any) -> dict[str, Any]:
    """Shape and dtype of an array or a number, as JSON has them."""
    leaf = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
    return {"shape": list(leaf.shape), "dtype": str(leaf.dtype)}


def misfit(saved: dict[str, Any], wanted: dict[str, Any], part: str) -> str | None:
    """What the first difference is between described leaves; None if there is none.

    Args:
        saved: the leaves of a checkpoint by name.
        wanted: those of a template.
        part: the name of the part of the checkpoint that the template has; all, if empty.
    """
    in_part = [name for name in saved if re.match(rf"{re.escape(part)}(\W|$)", name)]
    for name in [*wanted, *in_part]:
        there, here = saved.get(name), wanted.get(name)
        if there != here:
            return f"{name} is {_show(there)} in the checkpoint and {_show(here)} here"
    return None


def are_same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether shape, dtype and every bit are the same: a NaN is itself, and a zero has a sign."""
    if describe_leaf(one) != describe_leaf(other):
        return False
    return bool((one.ravel().view(np.uint8) == other.ravel().view(np.uint8)).all())


def pieces(leaves: dict[str, np.ndarray], size: int) -> Iterator[dict[str, np.ndarray]]:
    """The leaves in groups of at most `size` bytes; a larger one is a group of its own."""
    piece = dict[str, np.ndarray]()
    for name, leaf in leaves.items():
        if piece and sum(one.nbytes for one in piece.values()) + leaf.nbytes > size:
            yield piece
            piece = {}
        piece[name] = leaf
    if piece:
        yield piece


def _show(described: dict[str, Any] | None) -> str:
    if described is None:
        return "absent"
    return f"{described['dtype']}[{','.join(map(str, described['shape']))}]"
