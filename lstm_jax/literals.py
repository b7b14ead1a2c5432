"""Values written as text on a command line. The text is parsed, never executed."""

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
