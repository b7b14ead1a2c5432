"""A research training framework for recurrent networks in JAX.

What a notebook needs:

    run = lstm_jax.train(experiment, "runs/ptb")
    run = lstm_jax.load("runs/ptb")
"""

from lstm_jax import cells, tasks
from lstm_jax.config import override
from lstm_jax.experiment import Experiment
from lstm_jax.run import Run, load
from lstm_jax.runner import train

__all__ = ["Experiment", "Run", "cells", "load", "override", "tasks", "train"]
