"""Penn Treebank, the large LSTM of Zaremba, Sutskever and Vinyals 2014 (section 4.1).

    python -m experiments.train --config=configs/lm_ptb_large.py --workdir=runs/ptb_large

Needs the Penn Treebank text (ptb.train.txt, ptb.valid.txt, ptb.test.txt) in $LSTM_JAX_DATA/ptb.
Published: test perplexity 78.4, validation 82.2. Made for an accelerator; not run yet.
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
            # As in the paper's code, every bias starts from the same U(-0.04, 0.04).
            cell=LSTM(hidden=1500, forget_bias=0.0),
            layers=2,
            dropout=0.65,
            init_scale=0.04,
            reduction="sum_over_time",
        ),
        data=TextWindows(
            source=TextFiles("$LSTM_JAX_DATA/ptb"), tokens="words", batch_size=20, window=35
        ),
        optimizer=Optimizer(
            "sgd",
            learning_rate=1.0,
            schedule=Decay(factor=1 / 1.15, after=14, unit="epochs"),
            clip_norm=10.0,
        ),
        epochs=55,
    )
