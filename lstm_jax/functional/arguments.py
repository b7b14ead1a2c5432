"""What public functions are given, checked while they are traced: nothing of it is compiled.

JAX seldom fails on an array of another dtype or with other axes; it computes something else. Each
check here compares a few shapes and dtypes, and says in one line what should have been given.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import GetAttrKey, keystr, tree_flatten_with_path

from lstm_jax.errors import ArgumentError
from lstm_jax.types import Carry, Params

Sizes = tuple[int | None, ...]
"""The sizes of axes, None for one that may have any."""

_KINDS: dict[str, Any] = {
    "floating-point numbers": jnp.floating,
    "integers": jnp.integer,
    "booleans": jnp.bool_,
    "values": jnp.generic,
}
_FLOATING, _INTEGERS, _BOOLEANS, _ANY = _KINDS


def check_floating(name: str, value: Any, axes: str, sizes: Sizes | None = None) -> None:
    """Makes sure of an array of floating-point numbers.

    Args:
        name: that of the argument.
        value: what was given: an array of JAX or NumPy, if it is right.
        axes: their names in the words of `types`; `*positions` stands for any number of them.
        sizes: those of all axes; any if not given.

    Raises:
        ArgumentError: it is something else.

    >>> check_floating("inputs", jnp.ones((8, 2), int), "time features")
    Traceback (most recent call last):
    lstm_jax.errors.ArgumentError: inputs must be [time, features] of floating-point numbers, got \
int32 [8, 2]; convert them: inputs.astype(jnp.float32)
    """
    _check(name, value, _FLOATING, axes, sizes)


def check_integers(name: str, value: Any, axes: str, sizes: Sizes | None = None) -> None:
    """As `check_floating`, of integers of any width; booleans are none."""
    _check(name, value, _INTEGERS, axes, sizes)


def check_booleans(name: str, value: Any, axes: str, sizes: Sizes | None = None) -> None:
    """As `check_floating`, of booleans."""
    _check(name, value, _BOOLEANS, axes, sizes)


def check_axes(name: str, value: Any, axes: str, sizes: Sizes | None = None) -> None:
    """As `check_floating`, whatever the dtype."""
    _check(name, value, _ANY, axes, sizes)


def check_params(cell: Any, params: Params, features: int) -> None:
    """Makes sure of parameters with the names and shapes that `cell.init` would give them.

    Args:
        cell: the recurrence, a `Cell`. Of one whose `init` cannot be traced nothing is checked.
        params: what was given.
        features: the last axis of the inputs.

    Raises:
        ArgumentError: they are those of another cell, or for inputs of another size.
    """
    made, found = _made(cell, features) if features else {}, _parts(params)
    if made is None or (features and _fit(found, made)):
        return
    for size in sorted({size for leaf in found.values() for size in np.shape(leaf) if size}):
        if (other := _made(cell, size)) is not None and _fit(found, other):
            raise ArgumentError(
                f"the inputs have {features} features, and the cell takes {size}: inputs must be "
                f"[time, batch, input={size}]"
            )
    if not features:
        raise ArgumentError("the inputs have 0 features, and a cell takes at least 1")
    whose = f" of {type(cell).__name__}(hidden={cell.hidden})"
    if found.keys() != made.keys():
        wanted, got = _described(made, made), _described(params, found)
        raise ArgumentError(f"params{whose} must be {wanted}; got {got}")
    for path, part in made.items():
        _check("params" + keystr(path), found[path], _kind(part.dtype), "", part.shape, whose)


def check_carry(carry: Carry, initial: Carry) -> None:
    """Makes sure of a carry of the same structure and shapes as the initial one.

    Raises:
        ArgumentError: it is that of another cell, or of another number of sequences.
    """
    leaves, structure = jax.tree.flatten(carry)
    zeros, wanted = jax.tree.flatten(initial)
    if structure == wanted and all(map(_is_like, leaves, zeros)):
        return
    found, parts = _parts(carry), _parts(initial)
    if structure != wanted:
        wanted, got = _described(initial, parts), _described(carry, found)
        raise ArgumentError(f"carry must be as cell.initial_carry makes it, {wanted}; got {got}")
    for path, part in parts.items():
        _check("carry" + keystr(path), found[path], _kind(part.dtype), "", part.shape)


def check_count(name: str, value: Any, count: int, of: str) -> None:
    """Makes sure of a tuple or list of `count` things.

    Raises:
        ArgumentError: it is something else, or holds more or fewer.
    """
    if not isinstance(value, tuple | list) or len(value) != count:
        got = len(value) if isinstance(value, tuple | list) else _type(value)
        raise ArgumentError(f"{name} must be {count}, {of}, got {got}")


def check_size(name: str, value: Any) -> None:
    """Makes sure of a whole number of at least 1.

    Raises:
        ArgumentError: it is something else.
    """
    if not isinstance(value, int | np.integer) or value < 1:
        raise ArgumentError(f"{name} must be a whole number of at least 1, not {value!r}")


def check_share(name: str, value: float) -> None:
    """Makes sure of a number from 0 to 1.

    Raises:
        ArgumentError: it lies outside, or is NaN.
    """
    if not 0 <= value <= 1:
        raise ArgumentError(f"{name} must lie in [0, 1], not {value}")


def as_arrays(tree: Any) -> Any:
    """The tree with arrays of JAX in the place of others, in dtypes that JAX computes with."""
    if all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(tree)):
        return tree
    return jax.tree.map(jnp.asarray, tree)


# ---- one array ----------------------------------------------------------------------------------


def _check(
    name: str, value: Any, kind: str, axes: str, sizes: Sizes | None, whose: str = ""
) -> None:
    if not _is_array(value):
        got = _type(value)
        advice = f"convert it: jnp.asarray({name})" if isinstance(value, tuple | list) else ""
    elif not _is(value.dtype, kind):
        got, advice = f"{value.dtype} {[*value.shape]}", _conversion(name, value.dtype, kind)
    elif not _has(value.shape, axes, sizes):
        got, advice = f"{value.dtype} {[*value.shape]}", ""
        if axes.startswith("time batch") and value.ndim == axes.count(" "):
            advice = f"one sequence is a batch of one: {name}[:, None]"
    else:
        return
    wanted = f"{name}{whose} must be {_shown(axes, sizes)} of {kind}"
    raise ArgumentError(f"{wanted}, got {got}{advice and f'; {advice}'}")


def _is_array(value: Any) -> bool:
    # Flax's variables have `__jax_array__`.
    return isinstance(value, jax.Array | np.ndarray) or hasattr(value, "__jax_array__")


@functools.cache
def _is(dtype: Any, kind: str) -> bool:
    return kind == _ANY or jnp.issubdtype(dtype, _KINDS[kind])


@functools.cache
def _kind(dtype: Any) -> str:
    return next(kind for kind in _KINDS if _is(dtype, kind))


def _has(shape: tuple[int, ...], axes: str, sizes: Sizes | None) -> bool:
    if sizes is None:
        least = axes.count(" ") + 1 - axes.startswith("*")
        return len(shape) == least or (len(shape) > least and axes.startswith("*"))
    return len(shape) == len(sizes) and all(
        wanted is None or wanted == size for wanted, size in zip(sizes, shape, strict=True)
    )


def _shown(axes: str, sizes: Sizes | None) -> str:
    """Axes with the sizes that are known: [time=8, batch=2, input]."""
    names = axes.split()
    if sizes is None:
        shown = [name.replace("*positions", "...") for name in names]
    elif len(names) == len(sizes) and not axes.startswith("*"):
        pairs = zip(names, sizes, strict=True)
        shown = [name if size is None else f"{name}={size}" for name, size in pairs]
    else:
        shown = [names[-1] if size is None else str(size) for size in sizes]
    return f"[{', '.join(shown)}]"


def _conversion(name: str, dtype: Any, kind: str) -> str:
    """How to make numbers of a dtype into some of another kind, where there is no doubt of it."""
    if kind == _BOOLEANS:
        return f"convert them: {name} != 0"
    if kind == _FLOATING:
        is_complex = jnp.issubdtype(dtype, jnp.complexfloating)
        return f"convert them: {name}" + (".real" if is_complex else ".astype(jnp.float32)")
    return f"convert them: {name}.astype(jnp.int32)" if _is(dtype, _FLOATING) else ""


def _type(value: Any) -> str:
    return f"a value of type {type(value).__name__}"


# ---- trees of arrays ----------------------------------------------------------------------------


def _parts(tree: Any) -> dict[Any, Any]:
    """The leaves of a tree by the way to them."""
    leaves = tree_flatten_with_path(tree)[0]
    # A variable of Flax is a tree, too.
    return {path[:-1] if path[-1:] == (GetAttrKey("value"),) else path: x for path, x in leaves}


def _fit(found: dict[Any, Any], made: dict[Any, Any]) -> bool:
    """Whether a tree has all parts that it must have, and no others."""
    return found.keys() == made.keys() and all(_is_like(x, made[path]) for path, x in found.items())


def _is_like(value: Any, part: Any) -> bool:
    return _is_array(value) and value.shape == part.shape and _is(value.dtype, _kind(part.dtype))


def _described(tree: Any, parts: dict[Any, Any]) -> str:
    names = [keystr(path, simple=True, separator=".") for path in parts]
    return f"a {type(tree).__name__} of {', '.join(filter(None, names)) or 'no parts'}"


def _made(cell: Any, input_size: int) -> dict[Any, jax.ShapeDtypeStruct] | None:
    """The parts of what `cell.init` makes; None where that cannot be told without making it."""
    try:
        hash(cell)
    except TypeError:
        return _traced(cell, input_size)
    return _remembered(cell, input_size)


def _traced(cell: Any, input_size: int) -> dict[Any, jax.ShapeDtypeStruct] | None:
    key = jax.eval_shape(jax.random.key, 0)
    try:
        made = jax.eval_shape(lambda key: cell.init(key, input_size), key)
    except Exception:  # Parameters may come from elsewhere, and need no `init` that can be traced.
        return None
    return _parts(made)


_remembered = functools.lru_cache(maxsize=512)(_traced)
