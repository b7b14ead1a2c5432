"""Plain arrays of several series, checked, and made one behind the other."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from lstm_jax.errors import DataError

Parts = list[Float[np.ndarray, "_steps _columns"]]
"""The array of each item; all have the same columns."""


def parts_of(kind: str, given: Any, items: Sequence[str], like: Parts | None = None) -> Parts:
    """What was given of each item, [steps, columns], float32 if it was, else float64.

    >>> parts_of("values", {"a": [1, 2], "b": [3]}, ("a", "b"))[1]
    array([[3.]])

    Args:
        kind: "values", "past" or "known", for error messages.
        given: an array [steps] or [steps, columns] of the only item, or a mapping of items to such;
            None stands for no columns.
        items: their names.
        like: the values, as long as which `past` is, and `known` at least.

    Raises:
        DataError: it is no such thing, lacks an item, or has an infinite number.
    """
    if given is None:
        return [part[:, :0] for part in like or ()]
    of_items = given if isinstance(given, Mapping) else {items[0]: given}
    if {*map(str, of_items)} != {*items}:
        raise DataError(f"{kind} are of {', '.join(map(str, of_items))}, not {', '.join(items)}")
    named = {str(item): array for item, array in of_items.items()}
    parts = [_part(f"{kind} of item {item!r}", named[item]) for item in items]
    if len({part.shape[1] for part in parts}) > 1:
        counts = ", ".join(str(part.shape[1]) for part in parts)
        raise DataError(f"all items have the same columns of {kind}, not {counts}")
    for item, part, one in zip(items, parts, like or (), strict=False):
        if len(part) < len(one) or (kind == "past" and len(part) > len(one)):
            raise DataError(
                f"item {item!r} has values at {len(one)} steps, and {kind} ones at {len(part)}"
            )
    return parts


def _part(name: str, given: Any) -> Float[np.ndarray, "_steps _columns"]:
    try:
        array = np.asarray(given)
        array = array if array.dtype == np.float32 else array.astype(np.float64, copy=False)
    except (TypeError, ValueError):
        raise DataError(f"{name} are no numbers: hand over a table, which may name them") from None
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or not len(array):
        raise DataError(f"{name} must be [steps] or [steps, columns], got {list(array.shape)}")
    if np.isinf(array).any():
        raise DataError(f"{name} are infinite at step {np.argmax(np.isinf(array).any(axis=1))}")
    return array


def joined(parts: Parts, kind: np.dtype | None = None) -> Float[np.ndarray, "rows columns"]:
    """One array of all rows; that of a single item is not copied."""
    if len(parts) == 1:
        return parts[0] if kind is None else parts[0].astype(kind, copy=False)
    return np.concatenate(parts, dtype=kind)


def bounds_of(lengths: Sequence[int] | Int64[np.ndarray, " items"]) -> Int64[np.ndarray, " bounds"]:
    """Where each item begins in what is joined, and behind them the number of rows.

    >>> bounds_of([2, 3]).tolist()
    [0, 2, 5]
    """
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def names_of(kind: str, count: int) -> tuple[str, ...]:
    """What columns without names are called."""
    if kind == "values" and count == 1:
        return ("value",)
    return tuple(f"{kind} {number}" for number in range(count))
