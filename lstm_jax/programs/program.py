"""What every program here does: parse flags, run, and say what was wrong in one line."""

import contextlib
import difflib
import functools
import importlib.machinery
import importlib.util
import io
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TypeVar, cast

from absl import app, flags, logging

from lstm_jax import Experiment, override
from lstm_jax.config.saved import check
from lstm_jax.errors import ConfigError, NonFiniteError, StorageError, UserError
from lstm_jax.files import expand_user, storage_error
from lstm_jax.metrics.means import format_metric
from lstm_jax.recurrence import backend

T = TypeVar("T")

_PREFIX = "config."
_FLAGS = flags.FlagValues()
_BACKEND = flags.DEFINE_enum(
    "backend",
    None,
    backend.BACKENDS,
    "What runs the loop over time: see lstm_jax/recurrence/backend.py.",
    flag_values=_FLAGS,
)
_changes = flags.FlagValues()
"""The flags `--config.a.b` of the command line."""


def run(main: Callable[[], None], own: flags.FlagValues) -> None:
    """Runs a program: `main` with flags parsed, errors in one line, and their exit codes.

    Exit codes: 0; 1 for a failure of the training or the disk; 2 for a mistake of the caller; 130
    after Ctrl-C, 143 after SIGTERM and 141 where nobody reads any more what is printed.

    Args:
        main: what it does.
        own: its flags. They are known to absl while it runs, so that several programs, all of which
            have a `--workdir`, can be imported side by side.
    """

    def guarded(arguments: list[str]) -> None:
        if len(arguments) > 1:
            _fail(f"unexpected argument {arguments[1]!r}; flags start with --", 2)
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # JAX and Orbax tell much at INFO
        # The bytes of a path may be no text: it is printed as it was given.
        if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
            sys.stdout.reconfigure(errors="surrogateescape")
        try:
            chosen = cast(backend.Backend | None, _BACKEND.value)
            with backend.use(chosen) if chosen else contextlib.nullcontext():
                main()
            with standard_output():
                pass  # but what was printed is written now, where an error can still be told
        except BrokenPipeError:
            _abandon_output()
            raise SystemExit(128 + signal.SIGPIPE) from None
        except (UserError, NonFiniteError, StorageError) as error:
            _fail(str(error), error.exit_code)
        except KeyboardInterrupt:
            raise SystemExit(128 + signal.SIGINT) from None

    signal.signal(signal.SIGTERM, _terminate)
    # What --help says above the flags.
    sys.modules["__main__"].__doc__ = sys.modules[main.__module__].__doc__
    parts = own, _FLAGS, _changes
    for argument in sys.argv[1:]:
        name = argument.lstrip("-").partition("=")[0]
        if argument.startswith("-") and name.startswith(_PREFIX) and name not in _changes:
            text = "overrides a field of the config"
            flags.DEFINE_string(name, None, text, flag_values=_changes)
    try:
        for part in parts:
            part.unparse_flags()
            flags.FLAGS.append_flag_values(part)
            for name in part:  # or --help would not show it
                flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])
        app.run(guarded, flags_parser=functools.partial(_parse, parts))
    finally:
        for part in parts:
            flags.FLAGS.remove_flag_values(part)
        for name in [*_changes]:
            delattr(_changes, name)


@contextlib.contextmanager
def standard_output() -> Iterator[Any]:
    """Standard output, to be written in a `with` block.

    Raises:
        StorageError: what it leads to is full, or refuses to be written.
        BrokenPipeError: it leads to a program that has gone.
    """
    try:
        yield sys.stdout
        sys.stdout.flush()
    except OSError as error:
        _abandon_output()
        if isinstance(error, BrokenPipeError | StorageError):
            raise
        raise storage_error(Path("standard output"), error) from error


def load_experiment(path: str) -> Experiment:
    """The experiment that `get_config()` of a Python file builds, with `--config.*` flags applied.

    Raises:
        ConfigError: the file is missing or fails, or a flag names no field or has a wrong type.
    """
    experiment = override(load_object("config", path, Experiment), config_changes())
    check(experiment)
    return experiment


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


def config_changes() -> dict[str, str]:
    """What the `--config.a.b=value` flags of this command line say."""
    return {name.removeprefix(_PREFIX): str(_changes[name].value) for name in _changes}


def chosen_backend() -> str | None:
    """What the flag `--backend` says."""
    return _BACKEND.value


def parse_step(step: str | None) -> int | str | None:
    """The value of a `--step` flag, as `lstm_jax.load` takes it.

    Raises:
        ConfigError: it is no number and not one of the words.
    """
    if step is None or step == "best":
        return None
    if step == "latest":
        return step
    if not step.isdecimal():
        raise ConfigError(f"--step: expected a number, best or latest, got {step!r}")
    return int(step)


def _parse(parts: Sequence[flags.FlagValues], arguments: list[str]) -> list[str]:
    """Parses the flags, which are absl's as well as those of the parts."""
    try:
        rest = flags.FLAGS(arguments)
    except flags.Error as error:
        _fail(str(error).replace("\n", " "), 2)
    for part in parts:
        part.mark_as_parsed()
    return rest


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
    before = sys.modules.get(path.stem)
    sys.modules[path.stem] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
        return getattr(module, function)() if hasattr(module, function) else None
    except Exception as error:
        # The mistake is in the caller's file, so its line helps more than our frames.
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(path)]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        where = f"{path}, line {line}" if line else str(path)
        message = " ".join(str(error).split())
        raise ConfigError(f"{where}: {type(error).__name__}: {message}") from error
    finally:
        if not _is_importable(path):
            del sys.modules[path.stem]
            if before is not None:
                sys.modules[path.stem] = before


def _is_importable(path: Path) -> bool:
    """Whether the classes in a file are found again by an import, as saved configs name them."""
    found = importlib.machinery.PathFinder.find_spec(path.stem)
    return found is not None and found.origin is not None and Path(found.origin) == path.resolve()


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    raise SystemExit(128 + number)


def _abandon_output() -> None:
    """Python must not try to write the rest when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, exit_code: int) -> NoReturn:
    line = message.replace("\n", "\\n")  # a path may hold one
    print(f"error: {line}", file=sys.stderr)
    raise SystemExit(exit_code)


def show(values: dict[str, Any]) -> str:
    """Metrics for people, one a line."""
    width = max(map(len, values))
    return "\n".join(f"{name:<{width}}  {_show(value)}" for name, value in values.items())


def _show(value: Any) -> str:
    """A figure, or a list in one line."""
    return format_metric(value) if isinstance(value, int | float) else str(value)
