"""Python files that build an object: a config, or the definition of a sweep."""

import contextlib
import difflib
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from lstm_jax.errors import ConfigError
from lstm_jax.files import expand_user

T = TypeVar("T")


def load_object(name: str, path: str, kind: type[T]) -> T:
    """What the function `get_{name}()` of a Python file returns.

    Args:
        name: "config" or "sweep", the name of the flag.
        path: of the file.
        kind: the class of the object.

    Raises:
        ConfigError: the file is missing or fails, or returns something else.
    """
    found = _call(f"get_{name}", expand_user(path), f"--{name}")
    if not isinstance(found, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        what = f"{article} {kind.__name__}"
        raise ConfigError(f"{path} needs a function get_{name}() that returns {what}")
    return found


def _call(function: str, path: Path, flag: str) -> Any:
    """What a function of a Python file returns; None if it has no such function."""
    if not path.is_file():
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.py")], n=1)
        hint = f"; did you mean {path.with_name(near[0])}?" if near else ""
        raise ConfigError(f"{flag}: there is no file {path}{hint}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{flag}: {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    importable = _is_importable(path)
    try:
        with _registered(module) if importable or _is_free(path.stem) else contextlib.nullcontext():
            spec.loader.exec_module(module)
        if importable:  # what later imports it, as reading a saved config does, gets these classes
            sys.modules[path.stem] = module
        return getattr(module, function)() if hasattr(module, function) else None
    except Exception as error:
        # The mistake is in the caller's file, so its line helps more than our frames.
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(path)]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        where = f"{path}, line {line}" if line else str(path)
        message = " ".join(str(error).split())
        raise ConfigError(f"{where}: {type(error).__name__}: {message}") from error


def _is_importable(path: Path) -> bool:
    """Whether the classes in a file are found again by an import, as saved configs name them."""
    found = PathFinder.find_spec(path.stem)
    return found is not None and found.origin is not None and Path(found.origin) == path.resolve()


def _is_free(name: str) -> bool:
    """Whether no module has the name, which a config file must not take from it."""
    return name not in sys.modules and PathFinder.find_spec(name) is None


@contextlib.contextmanager
def _registered(module: ModuleType) -> Iterator[None]:
    """A module among those that are imported, where dataclasses look theirs up, while it is run."""
    before = sys.modules.get(module.__name__)
    sys.modules[module.__name__] = module
    try:
        yield
    finally:
        del sys.modules[module.__name__]
        if before is not None:
            sys.modules[module.__name__] = before
