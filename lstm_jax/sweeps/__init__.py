"""Hyperparameter sweeps: what is searched, and what came of it."""

from lstm_jax.sweeps.local import run_sweep
from lstm_jax.sweeps.results import SweepRun, load_sweep
from lstm_jax.sweeps.space import Choice, Integer, LogUniform, Uniform
from lstm_jax.sweeps.sweep import Sweep

__all__ = [
    "Choice",
    "Integer",
    "LogUniform",
    "Sweep",
    "SweepRun",
    "Uniform",
    "load_sweep",
    "run_sweep",
]
