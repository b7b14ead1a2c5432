"""Tiny Shakespeare by characters, in the manner of Karpathy 2015 (char-rnn).

    python scripts/prepare_data.py --name=tiny_shakespeare
    python -m experiments.train --config=configs/lm_tiny_shakespeare.py --workdir=runs/shakespeare

Where the text lies on disk already, the second command alone does with
`--config.data.source='TextFile("input.txt")'`. No figure is published for this split.
"""

from lstm_jax import Experiment
from lstm_jax.cells import LSTM
from lstm_jax.data import TensorFlowDataset, TextWindows
from lstm_jax.optimization import Optimizer, WarmupCosine
from lstm_jax.tasks import LanguageModeling


def get_config() -> Experiment:
    """The experiment."""
    return Experiment(
        task=LanguageModeling(cell=LSTM(hidden=256), layers=2, embedding=64, dropout=0.3),
        data=TextWindows(
            source=TensorFlowDataset("tiny_shakespeare"),
            tokens="characters",
            batch_size=32,
            window=64,
        ),
        optimizer=Optimizer(
            "adam",
            learning_rate=4e-3,
            schedule=WarmupCosine(warmup=100, length=7000, unit="steps", floor=0.05),
            clip_norm=1.0,
        ),
        steps=7000,
        evaluate_every=500,
    )
