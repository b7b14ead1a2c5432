"""Texts that a caller hands over."""

import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lstm_jax.data.files import STANDARD_INPUT, numbered_lines
from lstm_jax.data.sources import Example
from lstm_jax.data.tables import is_table, read_texts
from lstm_jax.errors import ConfigError


def examples_of(given: Any, column: str | None) -> Iterable[Example]:
    """Texts as examples: those of a `pathlib.Path` one after another, all else as a list.

    Raises:
        ConfigError, DataError: as `as_texts`; or the file cannot be read.
    """
    if isinstance(given, pathlib.Path):
        return _of_file(given, "text" if column is None else column)
    return [Example(text, None, f"text {i}") for i, text in enumerate(as_texts(given))]


def _of_file(path: pathlib.Path, column: str) -> Iterator[Example]:
    if is_table(str(path)):
        rows = read_texts(str(path), column)
        return (Example(text, None, f"{path}, row {i}") for i, text in enumerate(rows, start=1))
    name = "standard input" if path == STANDARD_INPUT else path
    return (
        Example(line.removesuffix("\n"), None, f"{name}, line {number}")
        for number, line in numbered_lines(path)
    )


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
    columns = isinstance(given, Mapping) or getattr(given, "ndim", 1) != 1
    if columns or isinstance(given, set | frozenset) or not isinstance(given, Iterable):
        hint = "a column of it, for example" if columns else "in an order"
        raise ConfigError(f"a list of texts is needed, not a {type(given).__name__}: {hint}")
    lines = hasattr(given, "readline")  # files of all kinds, wrapped ones too
    listed = [text.removesuffix("\n") if lines else text for text in given]
    if wrong := [text for text in listed if not isinstance(text, str)]:
        raise ConfigError(f"a text must be a string, not {type(wrong[0]).__name__}")
    return listed
