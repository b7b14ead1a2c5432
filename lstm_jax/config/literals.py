"""Values as text on a command line. The text is parsed, never executed."""

import ast
import dataclasses
import math
from collections.abc import Mapping
from typing import Any

_WORDS = {"none": None, "true": True, "false": False, "inf": math.inf, "nan": math.nan}


@dataclasses.dataclass(frozen=True)
class Call:
    """`GRU(hidden=200)` as written: which class that is depends on where it stands."""

    name: str
    positional: tuple[Any, ...]
    named: dict[str, Any]


def parse(text: str) -> Any:
    """What the text says: a number, a word, a tuple, a dict or a `Call`; otherwise the text itself.

    Words are strings, but for `none`, `true`, `false`, `inf` and `nan`.

    >>> parse("(LSTM(hidden=3), words, 1e-3, none)")
    (Call(name='LSTM', positional=(), named={'hidden': 3}), 'words', 0.001, None)
    """
    try:
        return _literal(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return text


def calls(value: Any) -> list[Call]:
    """The calls in a parsed text, except those among the arguments of another."""
    if isinstance(value, Call):
        return [value]
    items = value.values() if isinstance(value, Mapping) else value if type(value) is tuple else ()
    return [call for item in items for call in calls(item)]


def write(value: Any) -> str:
    """The text that stands for a value inside another one; `parse` reads it back.

    Of a dataclass only the fields that differ from their defaults.

    >>> from lstm_jax.cells import LSTM
    >>> write((LSTM(hidden=3), "words", 1e-3, None))
    "(LSTM(hidden=3), 'words', 0.001, None)"
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (field for field in dataclasses.fields(value) if field.init)
        given = [(field, getattr(value, field.name)) for field in fields]
        arguments = [
            f"{field.name}={write(one)}" for field, one in given if not _is_default(one, field)
        ]
        return f"{type(value).__name__}({', '.join(arguments)})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key!r}: {write(one)}' for key, one in value.items())}}}"
    if isinstance(value, tuple | list):
        return f"({', '.join(map(write, value))}{',' if len(value) == 1 else ''})"
    # A float of NumPy is one of Python, too, but says otherwise.
    return float.__repr__(value) if isinstance(value, float) else repr(value)


def _is_default(value: Any, field: dataclasses.Field[Any]) -> bool:
    if field.default_factory is not dataclasses.MISSING:
        return bool(value == field.default_factory())
    return field.default is not dataclasses.MISSING and bool(value == field.default)


def _literal(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_literal(operand)
        case ast.Name(id=word):
            return _WORDS.get(word, word)
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return tuple(map(_literal, items))
        case ast.Dict(keys=keys, values=values) if None not in keys:
            return dict(zip(map(_literal, filter(None, keys)), map(_literal, values), strict=True))
        case ast.Call(func=ast.Name(id=name), args=positional, keywords=keywords):
            named = {word.arg: _literal(word.value) for word in keywords if word.arg}
            if len(named) == len(keywords):
                return Call(name, tuple(map(_literal, positional)), named)
    raise ValueError("not a literal")
