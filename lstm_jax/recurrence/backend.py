"""Which program runs the loop over time.

scan     `jax.lax.scan`, compiled by XLA: everywhere, every cell
native   a kernel in C++ for CPUs: LSTM without peepholes, GRU and SimpleRNN; float32, bfloat16
cudnn    NVIDIA's for its GPUs: LSTM without peepholes in float32, no resets; not measured
auto     native where it applies, else scan; never cudnn
"""

import contextlib
import contextvars
import os
from collections.abc import Iterator
from typing import Literal, get_args

import jax

from lstm_jax.errors import ConfigError

Backend = Literal["auto", "scan", "native", "cudnn"]

BACKENDS: tuple[Backend, ...] = get_args(Backend)

_VARIABLE = "LSTM_JAX_BACKEND"

# A function compiled under one backend is compiled anew under another. The environment is read
# once: it is no part of what a compiled function is known by.
_chosen = jax.make_user_context(default_value=os.environ.get(_VARIABLE, "auto"))

_recorded: contextvars.ContextVar[dict[str, list[str]] | None] = contextvars.ContextVar(
    "recorded", default=None
)


def use(backend: Backend) -> contextlib.AbstractContextManager[None]:
    """Chooses the backend of what is compiled in a `with` block.

    Outside of any, the environment variable LSTM_JAX_BACKEND chooses, as it is when lstm_jax is
    imported, or else "auto". Results of two backends differ by rounding. Second derivatives and
    `jax.export` need "scan"; "cudnn" has no `jax.vmap` either.

    Raises:
        ConfigError: there is no such backend.

    >>> with use("scan"):
    ...     chosen()
    'scan'
    """
    return _chosen(_checked(backend, "backend"))


def chosen() -> str:
    """The backend that was chosen.

    Raises:
        ConfigError: LSTM_JAX_BACKEND names none.
    """
    return _checked(_chosen.value, _VARIABLE)


@contextlib.contextmanager
def recorded() -> Iterator[dict[str, list[str]]]:
    """Tells of the loops over time traced in a `with` block which backends they are compiled for.

    Gives a dict, filled by and by: the names of the backends, and what is to be said of each: what
    it uses, why it is no other one.
    """
    used: dict[str, list[str]] = {}
    token = _recorded.set(used)
    try:
        yield used
    finally:
        _recorded.reset(token)


def describe(used: dict[str, list[str]]) -> str:
    """What `recorded` gave, in a line.

    >>> describe({"native": ["avx2, 4 threads"], "scan": []})
    'native (avx2, 4 threads), scan'
    """
    parts = [
        name + (f" ({'; '.join(remarks)})" if remarks else "")
        for name, remarks in sorted(used.items())
    ]
    return ", ".join(parts)


def describe_change(before: str | None, now: str) -> str:
    """A line for a run that goes on under another backend than it was saved under, or nothing."""
    if before in (None, now):
        return ""
    return (
        f"\nso far the backend was {before}: from here on results differ by rounding from those of "
        "a run that never stopped"
    )


def record(name: str, remark: str | None = None) -> None:
    """Tells `recorded` of a loop that is traced."""
    if (used := _recorded.get()) is not None:
        remarks = used.setdefault(name, [])
        if remark and remark not in remarks:
            remarks.append(remark)


def _checked(backend: str, name: str) -> str:
    if backend not in BACKENDS:
        raise ConfigError(f"{name} is one of {', '.join(BACKENDS)}, not {backend!r}")
    return backend
