"""The experiment and the trials of the benchmark `sweep`."""

from lstm_jax import Experiment
from lstm_jax.cells import LSTM
from lstm_jax.data import PythonDocumentation, TextWindows
from lstm_jax.optimization.optimizers import Optimizer
from lstm_jax.sweeps import Sweep
from lstm_jax.tasks import LanguageModeling


def get_config() -> Experiment:
    """The experiment of every trial."""
    return Experiment(
        task=LanguageModeling(cell=LSTM(hidden=64), layers=1, embedding=32),
        data=TextWindows(
            source=PythonDocumentation(), tokens="characters", batch_size=16, window=64
        ),
        optimizer=Optimizer("adam", learning_rate=4e-3, clip_norm=1.0),
        steps=1500,
        evaluate_every=500,
    )


def get_sweep() -> Sweep:
    """One trial for each of 64 seeds; `--trials` says how many of them."""
    return Sweep({"seed": list(range(64))}, sampler="grid")
