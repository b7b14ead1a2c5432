r"""Who speaks, by `Classification` on vectors.

python -m experiments.train --config=examples/configs/spoken_vowels.py --workdir=runs/vowels \
        --config.data.source.folder=japanese_vowels
"""

from examples.spoken_vowels import SpokenVowels, Standardized
from lstm_jax import Experiment
from lstm_jax.cells import LSTM
from lstm_jax.data import PaddedSequences
from lstm_jax.optimization import Optimizer
from lstm_jax.tasks import Classification


def get_config() -> Experiment:
    """The experiment."""
    return Experiment(
        task=Classification(cell=LSTM(hidden=64), embedding=None, dropout=0.3, pooling="mean"),
        data=PaddedSequences(SpokenVowels(), Standardized(), batch_size=25, groups=4),
        optimizer=Optimizer("adam", learning_rate=0.003, clip_norm=1.0),
        epochs=60,
    )
