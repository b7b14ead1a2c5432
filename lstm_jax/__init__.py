"""A research training framework for recurrent networks in JAX.

What a notebook needs:

    run = lstm_jax.train(experiment, "runs/ptb")
    run = lstm_jax.load("runs/ptb")
    sweep = lstm_jax.load_sweep("runs/lr")
"""

import os
from typing import TYPE_CHECKING, Any

# Arrow starts a thread where it is imported, and a thread takes a heap of the C library for itself.
# XLA's threads would then share that one, which holds no large array: those of a training step
# would be mapped and cleared anew at every step (see `lstm_jax.runtime.memory`).
os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")

from lstm_jax import cells, tasks
from lstm_jax.config.moved import tell_of_old_imports
from lstm_jax.config.tree import override
from lstm_jax.experiment import Experiment
from lstm_jax.recurrence import backend
from lstm_jax.run import Run, load
from lstm_jax.training.loop import train

if TYPE_CHECKING:
    from lstm_jax.sweeps.results import load_sweep

__all__ = [
    "Experiment",
    "Run",
    "backend",
    "cells",
    "load",
    "load_sweep",
    "override",
    "tasks",
    "train",
]

tell_of_old_imports()


def __getattr__(name: str) -> Any:
    # Not above: sweeps bring Optuna, SQLAlchemy and SciPy, a third of the time of this import.
    if name == "load_sweep":
        from lstm_jax.sweeps.results import load_sweep

        return load_sweep
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
