"""AWD-LSTM in its full size, as far as its speed goes (Merity, Keskar and Socher 2018).

    python -m scripts.benchmarks.training --configs=scripts/benchmarks/awd_lstm.py

Sizes, window, batch (that for WikiText-2) and dropped shares are the paper's; but one rate stands
for its three of variational dropout, windows have one length, and there are no penalties on
activations, no weight decay and no averaging. So it is here to be timed, not to be trained.
"""

from lstm_jax import Experiment
from lstm_jax.cells import LSTM
from lstm_jax.data import TextFiles, TextWindows
from lstm_jax.optimization.optimizers import Optimizer
from lstm_jax.tasks import LanguageModeling


def get_config() -> Experiment:
    """The experiment."""
    return Experiment(
        task=LanguageModeling(
            cell=(LSTM(hidden=1150), LSTM(hidden=1150), LSTM(hidden=400)),
            layers=3,
            embedding=400,
            tied=True,
            dropout=0.4,
            variational=True,
            embedding_dropout=0.1,
            weight_drop=0.5,
        ),
        data=TextWindows(
            source=TextFiles("$LSTM_JAX_DATA/ptb"), tokens="words", batch_size=80, window=70
        ),
        optimizer=Optimizer("sgd", learning_rate=30.0, clip_norm=0.25),
        epochs=1,
    )
