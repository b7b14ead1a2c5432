"""What value a config field may hold: the rules that an annotation stands for."""

import dataclasses
import difflib
import functools
import inspect
import types
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from lstm_jax.config.literals import Call, calls, parse
from lstm_jax.errors import ConfigError


class FrozenDict(Mapping[str, Any]):
    """A dict that cannot change and can be hashed, as every value in a config can.

    Lists inside become tuples, dicts become `FrozenDict`.

    >>> FrozenDict({"b1": 0.9}) == {"b1": 0.9}
    True
    """

    def __init__(self, items: Mapping[str, Any] | None = None):
        self._items = {key: freeze(value) for key, value in (items or {}).items()}

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return repr(self._items)


def freeze(value: Any) -> Any:
    """With tuples for lists and arrays, `FrozenDict` for dicts, Python numbers for NumPy's."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return freeze(value.tolist())
    if isinstance(value, Mapping):
        return FrozenDict(value)
    if isinstance(value, list) or type(value) is tuple:
        return tuple(freeze(item) for item in value)
    return value


def suggestion(word: str, candidates: Collection[str]) -> str:
    """The end of an error message about a mistyped name: the nearest candidate, or all of them.

    >>> suggestion("adma", ["sgd", "adam"])
    "; did you mean 'adam'?"
    """
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    if near := difflib.get_close_matches(word.lower(), by_lower, n=1):
        return f"; did you mean {by_lower[near[0]]!r}?"
    return f"; there are {', '.join(sorted(candidates))}" if candidates else "; there are none"


def is_config(value: Any) -> bool:
    """Whether the value is an object of a dataclass."""
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


@functools.cache
def field_types(cls: type) -> dict[str, Any]:
    """The annotations of the fields that a dataclass is constructed from, in their order."""
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}


def build(cls: type, values: Mapping[str, Any], name: str) -> Any:
    """An object of a dataclass from values of its fields, whose types are checked.

    `name` is where the object stands in the config, for error messages.

    Raises:
        ConfigError: no such field, a value missing or outside its type, or refused by the class.
    """
    for part in values:
        check_field(part, cls, name)
    for field in dataclasses.fields(cls):
        required = field.default is field.default_factory is dataclasses.MISSING
        if field.init and required and field.name not in values:
            raise ConfigError(f"{join(name, field.name)}: {cls.__name__} needs a value for it")
    kinds = field_types(cls)
    return construct(
        cls,
        {part: convert(one, kinds[part], join(name, part)) for part, one in values.items()},
        name,
    )


def check_field(part: str, cls: type, name: str) -> None:
    """Raises ConfigError unless `part` is a field of the dataclass; its object is called `name`."""
    if part not in (fields := field_types(cls)):
        message = f"{cls.__name__} has no such field{suggestion(part, fields)}"
        raise ConfigError(f"{join(name, part)}: {message}")


def construct(constructor: Callable[..., Any], values: Mapping[str, Any], name: str) -> Any:
    """Calls a dataclass, or `replace` of one; a ConfigError says where a value was refused."""
    try:
        return constructor(**values)
    except ValueError as error:
        message = " ".join(str(error).split())
        raise ConfigError(f"{name}: {message}" if name else message) from error


def join(name: str, part: str | int) -> str:
    """The dotted name of a part of the object called `name` ("" for the root)."""
    return f"{name}.{part}" if name else str(part)


def convert(value: Any, annotation: Any, name: str, *, from_text: bool = False) -> Any:
    """The value as its annotation wants it: an int becomes a float, a list a tuple.

    Args:
        value: what was given.
        annotation: bool, int, float, str, None, Literal, unions, tuples, mappings, classes or Any.
        name: dotted name for the error message.
        from_text: read a string for a field that is not a string as on the command line.

    Raises:
        ConfigError: the value is outside the type.
    """
    value = freeze(value)
    if not (from_text and isinstance(value, str)):
        fitted = _fit(value, annotation, name)
    elif value in ("none", "None") and types.NoneType in alternatives(annotation):
        fitted = None
    elif (number := _number_of(value, annotation)) is not None:
        fitted = number
    elif annotation is Any:
        parsed = freeze(parse(value))
        fitted = value if calls(parsed) else parsed
    elif (fitted := _fit(value, annotation, name)) is _MISFIT:
        parsed = freeze(parse(value))
        fitted = _fit(parsed, annotation, name)
        if fitted is _MISFIT:
            _refuse_unknown_class(parsed, annotation, name)
    if fitted is _MISFIT:
        raise ConfigError(f"{name}: expected {type_name(annotation)}, got {value!r}")
    return fitted


def _number_of(text: str, annotation: Any) -> int | float | None:
    """The number that a text says where the annotation has numbers beside text; else None."""
    members = alternatives(annotation)
    if str not in members or not {int, float} & {*members}:
        return None
    for kind in (int, float):
        if kind in members:
            try:
                return kind(text)
            except ValueError:
                continue
    return None


def alternatives(annotation: Any) -> tuple[Any, ...]:
    """The members of a union; of any other annotation itself."""
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def element_types(annotation: Any, length: int) -> list[Any]:
    """The annotations of the elements of a tuple of this length; Any where nothing is said."""
    for option in alternatives(annotation):
        inner = get_args(option)
        if get_origin(option) is tuple and len(inner) == 2 and inner[1] is Ellipsis:
            return [inner[0]] * length
        if get_origin(option) is tuple and len(inner) == length:
            return list(inner)
    return [Any] * length


def mapped_type(annotation: Any) -> Any:
    """The annotation of the values of a mapping; Any where nothing is said."""
    found = (get_args(one) for one in alternatives(annotation) if _is_mapping(one))
    return next((inner[1] for inner in found if inner), Any)


def type_name(annotation: Any) -> str:
    """The annotation as a reader would write it.

    >>> type_name(float | None), type_name(tuple[int, ...])
    ('float | None', 'tuple[int, ...]')
    """
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation is types.NoneType:
        return "None"
    if annotation is Ellipsis:
        return "..."
    if origin in (Union, types.UnionType):
        return " | ".join(map(type_name, inner))
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, inner))}]"
    if origin is not None:
        return f"{origin.__name__}[{', '.join(map(type_name, inner))}]"
    return getattr(annotation, "__name__", str(annotation))


_MISFIT = object()


def _fit(value: Any, annotation: Any, name: str) -> Any:
    """The converted value, or _MISFIT."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return _MISFIT if calls(value) else value
    if origin in (Union, types.UnionType):
        # A member of exactly the value's type comes first: 1 stays an int in `float | int`.
        ordered = sorted(inner, key=lambda member: member is not type(value))
        fitted = (_fit(value, member, name) for member in ordered)
        return next((found for found in fitted if found is not _MISFIT), _MISFIT)
    if origin is Literal:
        return value if any(value == one and type(value) is type(one) for one in inner) else _MISFIT
    if origin is tuple:
        if type(value) is not tuple or (inner[-1:] != (...,) and len(inner) != len(value)):
            return _MISFIT
        kinds = element_types(annotation, len(value))
        items = tuple(_fit(item, kind, name) for item, kind in zip(value, kinds, strict=True))
        return _MISFIT if any(item is _MISFIT for item in items) else items
    if _is_mapping(annotation):
        return _fit_mapping(value, annotation, name)
    if annotation is float and type(value) is int:
        return float(value)
    if annotation is int and isinstance(value, bool):
        return _MISFIT
    if isinstance(value, Call) and isinstance(annotation, type):
        return _build(value, annotation, name)
    return value if isinstance(annotation, type) and isinstance(value, annotation) else _MISFIT


def _is_mapping(annotation: Any) -> bool:
    cls = get_origin(annotation) or annotation
    return isinstance(cls, type) and issubclass(cls, Mapping)


def _fit_mapping(value: Any, annotation: Any, name: str) -> Any:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        return _MISFIT
    kind = mapped_type(annotation)
    items = {key: _fit(item, kind, name) for key, item in value.items()}
    if any(item is _MISFIT for item in items.values()):
        return _MISFIT
    return items if (get_origin(annotation) or annotation) is dict else FrozenDict(items)


def _classes(annotation: Any) -> dict[str, list[type]]:
    """By name: the dataclasses that can stand for the annotation, as far as they are imported."""
    found: dict[str, list[type]] = {}
    unseen = [annotation]
    while unseen:
        one = unseen.pop()
        unseen.extend(get_args(one))
        if isinstance(one, type) and dataclasses.is_dataclass(one) and get_origin(one) is None:
            unseen.extend(one.__subclasses__())
            named = found.setdefault(one.__name__, [])
            if not inspect.isabstract(one) and one not in named:
                named.append(one)
    return {name: classes for name, classes in found.items() if classes}


def _build(call: Call, base: type, name: str) -> Any:
    classes = _classes(base).get(call.name, [])
    if len(classes) > 1:
        places = ", ".join(sorted(cls.__module__ for cls in classes))
        raise ConfigError(f"{name}: several classes are called {call.name}, in {places}")
    return build(classes[0], _bind(call, classes[0], name), name) if classes else _MISFIT


def _bind(call: Call, cls: type, name: str) -> dict[str, Any]:
    """The arguments of a call by the names of the fields, whose order is that of a constructor."""
    fields = list(field_types(cls))
    if len(call.positional) > len(fields):
        raise ConfigError(
            f"{name}: {cls.__name__} has {len(fields)} fields, not {len(call.positional)}"
        )
    values = dict(zip(fields, call.positional, strict=False))
    if twice := values.keys() & call.named.keys():
        raise ConfigError(f"{name}: {cls.__name__} was given {min(twice)!r} twice")
    return values | call.named


def _refuse_unknown_class(parsed: Any, annotation: Any, name: str) -> None:
    known = _classes(annotation)
    for call in calls(parsed):
        if known and call.name not in known:
            message = f"no class {call.name} of type {type_name(annotation)} is imported"
            raise ConfigError(f"{name}: {message}{suggestion(call.name, known)}")
