"""A research training framework for recurrent networks in JAX.

What a notebook needs:

    run = lstm_jax.train(experiment, "runs/ptb")
    run = lstm_jax.load("runs/ptb")
    sweep = lstm_jax.load_sweep("runs/lr")
"""

from lstm_jax import cells, tasks
from lstm_jax.config import override
from lstm_jax.experiment import Experiment
from lstm_jax.run import Run, load
from lstm_jax.runner import train
from lstm_jax.sweeps.results import load_sweep

__all__ = ["Experiment", "Run", "cells", "load", "load_sweep", "override", "tasks", "train"]
