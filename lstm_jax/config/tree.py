"""Configs are trees of frozen dataclasses: changed by dotted names, saved as JSON, compared.

`override` is the one mechanism behind command-line flags, sweeps and notebooks, so that a value
means the same and is refused with the same words everywhere. What a value may be is said by the
annotation of its field; `lstm_jax.config.values` holds those rules.
"""

import dataclasses
import functools
import importlib
import inspect
import json
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeVar

from lstm_jax.config.moved import CLASSES
from lstm_jax.config.values import (
    build,
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

FORMAT = 2
"""Of the JSON. Format 1 had no number and named classes by the modules that they stood in."""
_CLASS_PATH = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\.([A-Za-z_]\w*)", re.ASCII)


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


def to_json(config: Any) -> str:
    """The tree as indented JSON in which every dataclass names its class.

    A class has its public name: that in the shortest package around it whose `__all__` has it, else
    in its module. So a module can be moved, or cut in two, and what was saved is still read.

    Infinities and NaN are written as Python's `json` does (`Infinity`, `NaN`).

    Raises:
        ConfigError: a value that JSON cannot hold, or a class that could not be found again.
    """
    plain = _to_plain(config, "")
    # Only the root has a number.
    return json.dumps({"format": FORMAT, **plain} if is_config(config) else plain, indent=2) + "\n"


def from_json(text: str, trust: Collection[str] = ()) -> Any:
    """The config that `to_json` wrote.

    A field missing in the text takes the value that its class's `BEFORE` has for it, if any, which
    is how versions without the field behaved; else its default.

    Classes come only from `lstm_jax` and from the packages or modules named in `trust`; importing
    those is all that is executed.

    Raises:
        ConfigError: malformed text, an untrusted or unknown class, an unknown field, a wrong type.
    """
    try:
        plain = json.loads(text)
        if not isinstance(plain, dict) or "class" not in plain:
            raise ConfigError('expected an object with a "class"')
        if (form := plain.pop("format", 1)) not in range(1, FORMAT + 1):
            raise ConfigError(
                f"format {form} is not one that this version of lstm_jax reads, 1 to {FORMAT}: "
                "use the version that wrote it"
            )
        return _from_plain(plain, "", ("lstm_jax", *trust))
    except ConfigError:
        raise
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"malformed JSON: {error}") from error


def as_begun(config: C, text: str) -> C:
    """The config with the values of `BEFORE` for all fields that an earlier version did not know.

    What that version began, goes on as it began.

    Args:
        config: what a file builds today.
        text: what `to_json` wrote when the run or the sweep began.
    """
    return _as_begun(config, json.loads(text))


def check(config: Any) -> None:
    """Makes sure that a config built in Python holds what its fields say and can be read back.

    Python itself checks no types, and a run whose config cannot be read back could not be resumed.

    Raises:
        ConfigError: a value outside its field's type, or a class that is not found by its name.
    """
    text = to_json(config)
    from_json(text, packages(json.loads(text)))


def packages(plain: Any) -> set[str]:
    """The packages of all classes that a config, parsed from JSON, names."""
    if isinstance(plain, list):
        return set().union(*map(packages, plain))
    if isinstance(plain, dict):
        own = {plain["class"].split(".")[0]} if isinstance(plain.get("class"), str) else set()
        return own.union(*map(packages, plain.values()))
    return set()


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


def _to_plain(value: Any, name: str) -> Any:
    if is_config(value):
        cls = type(value)
        if "." in cls.__qualname__:
            raise ConfigError(f"{name}: define {cls.__qualname__} at the top level of its module")
        values = {
            part: _to_plain(getattr(value, part), join(name, part)) for part in field_types(cls)
        }
        return {"class": _public_name(cls), **values}
    if isinstance(value, tuple):
        return [_to_plain(item, join(name, index)) for index, item in enumerate(value)]
    if isinstance(value, Mapping):
        if "class" in value:
            raise ConfigError(f'{name}: "class" cannot be a key')
        return {key: _to_plain(item, join(name, key)) for key, item in value.items()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ConfigError(f"{name}: a {type(value).__name__} cannot be saved in a config")


def _from_plain(plain: Any, name: str, trust: tuple[str, ...]) -> Any:
    if isinstance(plain, list):
        return tuple(_from_plain(one, join(name, index), trust) for index, one in enumerate(plain))
    if not isinstance(plain, dict):
        return plain
    values = {
        key: _from_plain(one, join(name, key), trust)
        for key, one in plain.items()
        if key != "class"
    }
    if "class" not in plain:
        return values
    cls = _find_class(plain["class"], name, trust)
    return build(cls, _before(cls, values) | values, name)


def _before(cls: type, saved: Collection[str]) -> dict[str, Any]:
    """The values of fields that are not among those saved, where there is one to take."""
    before: Mapping[str, Any] = getattr(cls, "BEFORE", {})
    return {name: value for name, value in before.items() if name not in saved}


def _as_begun(value: Any, plain: Any) -> Any:
    if isinstance(value, tuple) and isinstance(plain, list):
        return tuple(map(_as_begun, value, plain)) if len(value) == len(plain) else value
    if not is_config(value) or not isinstance(plain, dict):
        return value
    parts = [part for part in field_types(type(value)) if part in plain]
    inner = {part: _as_begun(getattr(value, part), plain[part]) for part in parts}
    changed: Any = value
    defaults = {field.name: field.default for field in dataclasses.fields(changed)}
    before = {
        name: one
        for name, one in _before(type(value), plain).items()
        if getattr(value, name) == defaults[name]  # another value was asked for: a difference
    }
    return dataclasses.replace(changed, **inner, **before)


def _public_name(cls: type) -> str:
    """The name by which a class is saved."""
    parts = cls.__module__.split(".")
    for length in range(1, len(parts)):
        package = ".".join(parts[:length])
        public = getattr(sys.modules.get(package), "__all__", ())
        if cls.__name__ in public and getattr(sys.modules[package], cls.__name__, None) is cls:
            return f"{package}.{cls.__name__}"
    return f"{cls.__module__}.{cls.__name__}"


def _find_class(path: Any, name: str, trust: tuple[str, ...]) -> type:
    """The dataclass of that name, from a module that is trusted: importing a module runs it."""
    where = f"{name}: " if name else ""
    path = CLASSES.get(path, path) if isinstance(path, str) else path
    match = _CLASS_PATH.fullmatch(path) if isinstance(path, str) else None
    if match is None:
        raise ConfigError(f"{where}{path!r} is not the name of a class")
    module_name, class_name = match.groups()
    if not any(module_name == one or module_name.startswith(f"{one}.") for one in trust):
        package = module_name.partition(".")[0]
        raise ConfigError(f"{where}{path} is not trusted; if you trust it, say trust=[{package!r}]")
    try:
        cls = getattr(importlib.import_module(module_name), class_name, None)
    except ImportError as error:
        hint = "define the class in a module that can be imported"
        raise ConfigError(f"{where}{path} cannot be imported: {error}; {hint}") from error
    if (
        isinstance(cls, type)
        and f"{cls.__module__}.".startswith(f"{module_name}.")
        and dataclasses.is_dataclass(cls)
        and not inspect.isabstract(cls)
    ):
        return cls
    raise ConfigError(f"{where}{module_name} defines no config class {class_name}")


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
