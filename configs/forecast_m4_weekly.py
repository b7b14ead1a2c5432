"""M4 Weekly: 359 series of all kinds, the next 13 weeks.

    python -m experiments.train --config=configs/forecast_m4_weekly.py --workdir=runs/m4_weekly
    python -m experiments.evaluate --workdir=runs/m4_weekly

Needs Weekly-train.csv and Weekly-test.csv of the competition, `.gz` or not, in $LSTM_JAX_DATA/m4.
The last 13 values of each series are the test part, as in the competition, the 13 before them
validation. Each window is normalized by its own mean and deviation, and errors count in units of
those. Published OWA: .739 the best, .851 the winner over all groups (Smyl 2020), 1 naive.
"""

from lstm_jax import Experiment
from lstm_jax.cells import GRU
from lstm_jax.data import M4, Scaling, SeriesWindows, TimeSplit
from lstm_jax.modules import Absolute, Segments, WindowNormalization
from lstm_jax.optimization import Optimizer, WarmupCosine
from lstm_jax.tasks import Forecasting


def get_config() -> Experiment:
    """The experiment."""
    return Experiment(
        task=Forecasting(
            cell=GRU(hidden=64),
            decoder=Segments(length=13, embedding=64),
            head=Absolute(),
            normalization=WindowNormalization("standard"),
            normalized_loss=True,
            dropout=0.1,
            selected_by="owa",
        ),
        data=SeriesWindows(
            source=M4(group="Weekly"),
            context=52,
            horizon=13,
            split=TimeSplit(validation=13, test=13),
            scaling=Scaling("none", log=True),
            batch_size=256,
            relative_to_naive2=True,
        ),
        optimizer=Optimizer(
            "adam",
            learning_rate=1e-3,
            schedule=WarmupCosine(warmup=100, length=2000, unit="steps", floor=0.02),
            clip_norm=1.0,
        ),
        steps=2000,
        evaluate_every=250,
    )
