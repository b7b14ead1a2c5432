"""The adding problem, by a task of one's own.

python -m experiments.train --config=examples/configs/adding.py --workdir=runs/adding
"""

from examples.adding import Adding, Numbers, Regression
from lstm_jax import Experiment
from lstm_jax.data import PaddedSequences
from lstm_jax.optimization import Optimizer


def get_config() -> Experiment:
    """The experiment."""
    return Experiment(
        task=Regression(),
        data=PaddedSequences(Adding(), Numbers(), batch_size=50, groups=4),
        optimizer=Optimizer("adam", learning_rate=0.005, clip_norm=1.0),
        epochs=30,
    )
