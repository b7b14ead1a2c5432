"""Penn Treebank, the small LSTM of Zaremba, Sutskever and Vinyals 2014 (section 4.1).

    python -m experiments.train --config=configs/lm_ptb_small.py --workdir=runs/ptb_small

Needs the Penn Treebank text (ptb.train.txt, ptb.valid.txt, ptb.test.txt) in $LSTM_JAX_DATA/ptb.
Published: test perplexity 114.5; measured 115.3, in 27 minutes on 2 busy CPU cores
(docs/results.md).
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
            # The paper's code starts every bias, the forget gate's too, from the same U(-0.1, 0.1).
            cell=LSTM(hidden=200, forget_bias=0.0),
            layers=2,
            init_scale=0.1,
            reduction="sum_over_time",
        ),
        data=TextWindows(
            source=TextFiles("$LSTM_JAX_DATA/ptb"), tokens="words", batch_size=20, window=20
        ),
        optimizer=Optimizer(
            "sgd",
            learning_rate=1.0,
            schedule=Decay(factor=0.5, after=4, unit="epochs"),
            clip_norm=5.0,
        ),
        epochs=13,
        steps_per_dispatch=10,
    )
