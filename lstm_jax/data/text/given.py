"""Texts that a caller hands over."""

from collections.abc import Iterable, Mapping
from typing import Any

from lstm_jax.errors import ConfigError


def as_texts(given: Any) -> list[str]:
    """Texts as a list, so that they can be gone through more than once.

    >>> as_texts(text for text in ("a", "b"))
    ['a', 'b']

    Args:
        given: the texts, in any iterable that has an order. A file that is open for reading gives
            one for each line, without the line's end.

    Raises:
        ConfigError: they are something else, or have no order.
    """
    if isinstance(given, str):
        raise ConfigError("a list of texts is needed, not one text: [text]")
    # Of a mapping or a table, going through it gives the names of the columns.
    is_table = isinstance(given, Mapping) or getattr(given, "ndim", 1) != 1
    if is_table or isinstance(given, set | frozenset) or not isinstance(given, Iterable):
        hint = "a column of it, for example" if is_table else "in an order"
        raise ConfigError(f"a list of texts is needed, not a {type(given).__name__}: {hint}")
    lines = hasattr(given, "readline")  # files of all kinds, wrapped ones too
    listed = [text.removesuffix("\n") if lines else text for text in given]
    if wrong := [text for text in listed if not isinstance(text, str)]:
        raise ConfigError(f"a text must be a string, not {type(wrong[0]).__name__}")
    return listed
