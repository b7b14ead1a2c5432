"""Penn Treebank, the medium LSTM of Zaremba, Sutskever and Vinyals 2014 (section 4.1).

    python -m experiments.train --config=configs/lm_ptb_medium.py --workdir=runs/ptb_medium

Needs the Penn Treebank text (ptb.train.txt, ptb.valid.txt, ptb.test.txt) in $LSTM_JAX_DATA/ptb.
Published: test perplexity 82.7, validation 86.2. Estimated from its speed: 2.7 hours
on 2 CPU cores (docs/results.md).
"""

from lstm_jax import Experiment
from lstm_jax.cells import LSTM
from lstm_jax.data import TextFiles, TextWindows
from lstm_jax.optimization import Decay, Optimizer
from lstm_jax.tasks import LanguageModeling


def get_config() -> Experiment:
    """The experiment."""
    return Experiment(
        task=LanguageModeling(
            # As in the paper's code, every bias starts from the same U(-0.05, 0.05).
            cell=LSTM(hidden=650, forget_bias=0.0),
            layers=2,
            dropout=0.5,
            init_scale=0.05,
            reduction="sum_over_time",
        ),
        data=TextWindows(
            source=TextFiles("$LSTM_JAX_DATA/ptb"), tokens="words", batch_size=20, window=35
        ),
        optimizer=Optimizer(
            "sgd",
            learning_rate=1.0,
            schedule=Decay(factor=0.8, after=6, unit="epochs"),
            clip_norm=5.0,
        ),
        epochs=39,
    )
