"""Configs as JSON that outlives the code: saved, read back, gone on with."""

import dataclasses
import importlib
import inspect
import json
import re
import sys
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from lstm_jax.config.moved import CLASSES
from lstm_jax.config.values import build, field_types, freeze, is_config, join
from lstm_jax.errors import ConfigError

C = TypeVar("C")

FORMAT = 2
"""Of the JSON. Format 1 had no number and named classes by the modules that they stood in."""
_CLASS_PATH = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\.([A-Za-z_]\w*)", re.ASCII)


def to_json(config: Any) -> str:
    """The tree as indented JSON in which every dataclass names its class.

    A class has its public name: that in the shortest package around it whose `__all__` has it, else
    in its module. So a module can be moved, or cut in two, and what was saved is still read.

    Infinities and NaN are written as Python's `json` does (`Infinity`, `NaN`).

    Raises:
        ConfigError: a value that JSON cannot hold, or a class that could not be found again.
    """
    plain = _to_plain(config, "")
    if is_config(config):
        if "format" in plain:  # only the root has a number
            raise ConfigError(f"{type(config).__name__} has a field 'format': call it otherwise")
        plain = {"format": FORMAT, **plain}
    return json.dumps(plain, indent=2) + "\n"


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


def check(config: C) -> C:
    """Makes sure that a config built in Python holds what its fields say and can be read back.

    Python itself checks no types, and a run whose config cannot be read back could not be resumed.

    Returns:
        The config as it is read back: lists are tuples, an int in a field of floats is a float.

    Raises:
        ConfigError: a value outside its field's type, or a class that is not found by its name.
    """
    text = to_json(config)
    again = from_json(text, packages(json.loads(text)))
    _require_same(config, again, "")
    return again


def _require_same(config: Any, again: Any, name: str) -> None:
    """Makes sure that what is read back is of the same classes, and lacks no field."""
    if isinstance(config, list | tuple):
        for index, (one, other) in enumerate(zip(config, again, strict=True)):
            _require_same(one, other, join(name, index))
    elif isinstance(config, Mapping):
        for key in config:
            _require_same(config[key], again[key], join(name, key))
    elif is_config(config):
        cls, where = type(config), f"{name}: " if name else ""
        if type(again) is not cls:
            raise ConfigError(
                f"{where}{cls.__module__}.{cls.__name__} is another class by now than that of this "
                "object (its file was run twice, or its cell again): build the object anew"
            )
        for field in dataclasses.fields(config):
            if field.init:
                part = join(name, field.name)
                _require_same(getattr(config, field.name), getattr(again, field.name), part)
            elif getattr(config, field.name, None) != getattr(again, field.name, None):
                raise ConfigError(
                    f"{where}{cls.__name__}.{field.name} has a value that is not saved, as the "
                    "field is no argument of the class: leave out init=False"
                )


def packages(plain: Any) -> set[str]:
    """The packages of all classes that a config, parsed from JSON, names."""
    if isinstance(plain, list):
        return set().union(*map(packages, plain))
    if isinstance(plain, dict):
        own = {plain["class"].split(".")[0]} if isinstance(plain.get("class"), str) else set()
        return own.union(*map(packages, plain.values()))
    return set()


def _to_plain(value: Any, name: str) -> Any:
    if is_config(value):
        cls = type(value)
        if "." in cls.__qualname__:
            raise ConfigError(f"{name}: define {cls.__qualname__} at the top level of its module")
        if unsaved := inspect.signature(cls).parameters.keys() - field_types(cls).keys():
            raise ConfigError(
                f"{join(name, min(unsaved))}: {cls.__name__} takes what is no field of it, and "
                "would not be saved: make it a frozen dataclass without an __init__ of its own"
            )
        values = {
            part: _to_plain(getattr(value, part), join(name, part)) for part in field_types(cls)
        }
        return {"class": _public_name(cls), **values}
    value = freeze(value)  # a list in a field is read back as a tuple
    if isinstance(value, tuple):
        return [_to_plain(item, join(name, index)) for index, item in enumerate(value)]
    if isinstance(value, Mapping):
        if "class" in value:
            raise ConfigError(f'{name}: "class" cannot be a key')
        if others := [key for key in value if not isinstance(key, str)]:
            raise ConfigError(f"{name}: the keys of a mapping are strings, not {others[0]!r}")
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
    except Exception as error:  # of a module that is not ours
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ConfigError(f"{where}{path} cannot be imported: {reason}") from error
    if (
        isinstance(cls, type)
        and f"{cls.__module__}.".startswith(f"{module_name}.")
        and dataclasses.is_dataclass(cls)
        and not inspect.isabstract(cls)
    ):
        return cls
    raise ConfigError(f"{where}{module_name} defines no config class {class_name}")
