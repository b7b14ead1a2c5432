"""The kernel in C++ as it was built: where it lies, and what of this machine it uses."""

import ctypes
import functools
import itertools
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax

from lstm_jax.errors import ConfigError

STORED = ("float32", "bfloat16")
"""The dtypes of sequences that it has."""

_LIBRARY = "lib/kernel.so"
_THREADS = "LSTM_JAX_NUM_THREADS"
_INSTRUCTION_SET = "LSTM_JAX_INSTRUCTION_SET"


def why_not_built() -> str | None:
    """Why the kernel cannot be used on this machine; None if it can.

    Raises:
        ConfigError: LSTM_JAX_INSTRUCTION_SET names none that this machine has. So does whatever
            else uses the kernel.
    """
    kernel = _kernel()
    return kernel if isinstance(kernel, str) else None


def instruction_sets() -> list[str]:
    """Those that the kernel is compiled for and this machine has, the widest last."""
    kernel = _kernel()
    return [] if isinstance(kernel, str) else _names(kernel.library)


def instruction_set() -> str:
    """The one that the kernel uses; each rounds in a way of its own.

    The widest one, unless the environment variable LSTM_JAX_INSTRUCTION_SET named another when the
    kernel was first used: to compare speeds, or the rounding of a machine that has no wider one.
    """
    kernel = _kernel()
    assert not isinstance(kernel, str)
    return kernel.instruction_set


def describe() -> str:
    """The instruction set the kernel uses here, and how many threads it may use.

    The environment variable LSTM_JAX_NUM_THREADS sets the threads; otherwise they are as many as
    the CPUs that this process may use.

    Raises:
        ConfigError: LSTM_JAX_NUM_THREADS is not a positive number.
    """
    kernel = _kernel()
    assert not isinstance(kernel, str)
    given = os.environ.get(_THREADS, "1")
    if not given.isdecimal() or int(given) < 1:
        raise ConfigError(f"{_THREADS} must be a number of at least 1, not {given!r}")
    threads = kernel.library.lstm_jax_thread_limit()
    return f"{kernel.instruction_set}, {threads} thread{'s' if threads > 1 else ''}"


class _Kernel(NamedTuple):
    """What was loaded."""

    library: ctypes.CDLL
    instruction_set: str


@functools.cache
def _kernel() -> _Kernel | str:
    """The kernel, registered with JAX, or why there is none.

    Raises:
        ConfigError: LSTM_JAX_INSTRUCTION_SET names none that this machine has.
    """
    # Of an editable installation the kernel lies elsewhere than the Python files: among what is
    # installed, as if they were there, too.
    folders = Path(__file__).parents[1], *(Path(entry, "lstm_jax") for entry in sys.path)
    paths = [folder / _LIBRARY for folder in folders]
    path = next((path for path in paths if path.exists()), None)
    if path is None:
        return "lstm_jax was installed without a C++ compiler"
    try:
        library = ctypes.CDLL(str(path))
        library.lstm_jax_instruction_set.restype = ctypes.c_char_p
        names, choose = _names(library), library.lstm_jax_choose_instruction_set
        for name in itertools.product(("forward", "backward"), STORED):
            target = target_name(*name)
            handler = jax.ffi.pycapsule(getattr(library, target))
            jax.ffi.register_ffi_target(target, handler, platform="cpu")
    except (OSError, AttributeError, jax.errors.JaxRuntimeError) as error:
        # Built for another machine, or for another version of jaxlib or of lstm_jax.
        return f"{path} cannot be loaded: {' '.join(str(error).split())}"
    chosen = os.environ.get(_INSTRUCTION_SET) or names[-1]
    if chosen not in names:
        choice = ", ".join(names)
        raise ConfigError(f"{_INSTRUCTION_SET} is {chosen!r}; this machine has {choice}")
    choose(names.index(chosen))
    return _Kernel(library, chosen)


def _names(library: ctypes.CDLL) -> list[str]:
    found = itertools.takewhile(bool, map(library.lstm_jax_instruction_set, itertools.count()))
    return [name.decode().removeprefix("lstm_jax_") for name in found]


def target_name(name: str, stored: Any) -> str:
    """The name of a pass over sequences of a dtype, to JAX and in the library."""
    return f"lstm_jax_{name}_{stored}"
