"""What every program here does: parse flags, run, and say what was wrong in one line."""

import contextlib
import functools
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, cast

from absl import app, flags, logging

from lstm_jax import Experiment, override
from lstm_jax.config.saved import check
from lstm_jax.errors import ConfigError, NonFiniteError, StorageError, UserError
from lstm_jax.files import storage_error
from lstm_jax.metrics.means import format_metric
from lstm_jax.programs.config_files import load_object
from lstm_jax.recurrence import backend

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
    """Metrics for people, one a line; what has parts of its own, such as steps, is for programs."""
    values = {name: value for name, value in values.items() if not isinstance(value, Mapping)}
    width = max(map(len, values))
    return "\n".join(f"{name:<{width}}  {_show(value)}" for name, value in values.items())


def table(title: str, rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Rows of figures for people, a column for each figure that any of them has."""
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    cells = [[title, *columns]]
    for name, row in rows.items():
        cells.append([name, *(_show(row[one]) if one in row else "" for one in columns)])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in cells
    )
    return "\n".join(line.rstrip() for line in lines)


def _show(value: Any) -> str:
    """A figure, or a list in one line."""
    return format_metric(value) if isinstance(value, int | float) else str(value)
