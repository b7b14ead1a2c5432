"""How parameters change: optimizers, learning rates over time, groups with rates of their own."""

from lstm_jax.optimization.optimizers import Optimizer
from lstm_jax.optimization.schedules import (
    Constant,
    Decay,
    Piecewise,
    Plateau,
    Schedule,
    SlantedTriangular,
    WarmupCosine,
)

__all__ = [
    "Constant",
    "Decay",
    "Optimizer",
    "Piecewise",
    "Plateau",
    "Schedule",
    "SlantedTriangular",
    "WarmupCosine",
]
