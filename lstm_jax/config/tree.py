"""Configs are trees of frozen dataclasses: changed by dotted names, shown, compared.

`override` is the one mechanism behind command-line flags, sweeps and notebooks, so that a value
means the same and is refused with the same words everywhere. What a value may be is said by the
annotation of its field; `lstm_jax.config.values` holds those rules.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from lstm_jax.config.values import (
    check_field,
    construct,
    convert,
    element_types,
    field_types,
    is_config,
    join,
    mapped_type,
    type_name,
)
from lstm_jax.errors import ConfigError

C = TypeVar("C")


def override(config: C, changes: Mapping[str, Any]) -> C:
    """A copy of `config` with other values at dotted names; numbers are places in a tuple.

    Values are checked against the annotation of their field. A string for a field that is not a
    string is read as on the command line: `0.5`, `none`, `true`, `(64, 128)`, and a call such as
    `GRU(hidden=200)` for a dataclass, whose class is looked up by name among the imported
    subclasses of the field's type. Nothing is ever executed. A whole object is replaced before the
    fields inside it, in whatever order they are given.

    >>> from lstm_jax.optimization.optimizers import Optimizer
    >>> override(Optimizer(), {"learning_rate": "0.5", "schedule": "Decay(after=6)"}).learning_rate
    0.5
    >>> override(Optimizer(), {"learning_rat": 0.5})
    Traceback (most recent call last):
    ...
    lstm_jax.errors.ConfigError: learning_rat: Optimizer has no such field; did you mean \
'learning_rate'?

    Raises:
        ConfigError: no such field, a value outside its type, or one that a dataclass refuses.
    """
    paths = [(tuple(name.split(".")), value) for name, value in changes.items()]
    return _override(config, Any, paths, "")


def describe(config: Any) -> str:
    """The whole tree, a line for every value (name, type, value) and for every object in it.

    >>> from lstm_jax.optimization.optimizers import Decay
    >>> print(describe(Decay(after=6)))
    factor: float = 0.5
    after: int | float = 6
    every: int | float = 1
    unit: Literal['epochs', 'steps'] = 'epochs'
    staircase: bool = True
    """
    return "\n".join(_describe(config, Any, ""))


def difference(old: Any, new: Any) -> dict[str, tuple[Any, Any]]:
    """The dotted names whose values differ, each with its old and its new value.

    An object of another class is reported whole, at its own name (the root's name is "").

    >>> from lstm_jax.optimization.optimizers import Optimizer
    >>> difference(Optimizer(learning_rate=1.0), Optimizer(learning_rate=0.5))
    {'learning_rate': (1.0, 0.5)}
    """
    return dict(_difference(old, new, ""))


_Changes = list[tuple[tuple[str, ...], Any]]


def _override(value: Any, annotation: Any, changes: _Changes, name: str) -> Any:
    """Applies changes whose paths start at `value`; an empty path replaces it whole, first."""
    inner: dict[str, _Changes] = {}
    for path, new in changes:
        if path:
            inner.setdefault(path[0], []).append((path[1:], new))
        else:
            value = convert(new, annotation, name, from_text=True)
    if not inner:
        return value

    def changed(part: str, old: Any, kind: Any) -> Any:
        return _override(old, kind, inner[part], join(name, part))

    if is_config(value):
        for part in inner:
            check_field(part, type(value), name)
        kinds = field_types(type(value))
        values = {part: changed(part, getattr(value, part), kinds[part]) for part in inner}
        return construct(functools.partial(dataclasses.replace, value), values, name)
    if isinstance(value, tuple):
        places = {str(index): item for index, item in enumerate(value)}
        for part in inner:
            if part not in places:
                raise ConfigError(
                    f"{join(name, part)}: {name} holds {len(value)} values, from 0 on"
                )
        kinds = dict(zip(places, element_types(annotation, len(value)), strict=True))
        places |= {part: changed(part, places[part], kinds[part]) for part in inner}
        return tuple(places.values())
    if isinstance(value, Mapping):
        for part, deeper in inner.items():
            if value.get(part) is None and any(path for path, _ in deeper):
                raise ConfigError(
                    f"{join(name, part)}: {name} maps names to values; for a name with a dot in it "
                    f"give the whole mapping: {name}={{'a.b': ...}}"
                )
        items = {part: changed(part, value.get(part), mapped_type(annotation)) for part in inner}
        return convert({**value, **items}, annotation, name)
    part = next(iter(inner))
    raise ConfigError(f"{join(name, part)}: {name} is {value!r}, which has no fields")


def _describe(value: Any, annotation: Any, name: str) -> Iterator[str]:
    if is_config(value):
        if name:
            yield f"{name}: {type(value).__name__}"
        for part, kind in field_types(type(value)).items():
            yield from _describe(getattr(value, part), kind, join(name, part))
    elif isinstance(value, tuple) and any(map(is_config, value)):
        kinds = element_types(annotation, len(value))
        for index, (item, kind) in enumerate(zip(value, kinds, strict=True)):
            yield from _describe(item, kind, join(name, index))
    else:
        yield f"{name}: {type_name(annotation)} = {value!r}"


def _difference(old: Any, new: Any, name: str) -> Iterator[tuple[str, tuple[Any, Any]]]:
    if is_config(old) and type(old) is type(new):
        for part in field_types(type(old)):
            yield from _difference(getattr(old, part), getattr(new, part), join(name, part))
    elif isinstance(old, tuple) and isinstance(new, tuple) and len(old) == len(new):
        for index, pair in enumerate(zip(old, new, strict=True)):
            yield from _difference(*pair, join(name, index))
    elif old != new and (old == old or new == new):  # NaN is the same as NaN
        yield name, (old, new)
