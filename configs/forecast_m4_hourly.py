"""M4 Hourly: 414 series of all kinds, the next 48 hours, by smoothing and a recurrence together.

    python -m experiments.train --config=configs/forecast_m4_hourly.py --workdir=runs/m4_hourly
    python -m experiments.evaluate --workdir=runs/m4_hourly

Needs Hourly-train.csv and Hourly-test.csv of the competition, `.gz` or not, in $LSTM_JAX_DATA/m4.
The last 48 values of each series are the test part, as in the competition, the 48 before them
validation. In the manner of ES-RNN, the winner (Smyl 2020); published OWA: .440 ES-RNN, .484 the
second place, .628 seasonal naive.
"""

from lstm_jax import Experiment
from lstm_jax.cells import GRU
from lstm_jax.data import M4, Scaling, SeriesWindows, TimeSplit
from lstm_jax.modules import Absolute, Segments, Smoothing
from lstm_jax.optimization import Optimizer, WarmupCosine
from lstm_jax.tasks import Forecasting


def get_config() -> Experiment:
    """The experiment."""
    return Experiment(
        task=Forecasting(
            cell=GRU(hidden=128),
            decoder=Segments(length=24, embedding=128),
            head=Absolute(),
            normalization=Smoothing(),
            dropout=0.1,
            selected_by="owa",
        ),
        data=SeriesWindows(
            source=M4(group="Hourly"),
            context=336,
            horizon=48,
            season=24,
            split=TimeSplit(validation=48, test=48),
            scaling=Scaling("mean_absolute", per="item"),
            batch_size=128,
            relative_to_naive2=True,
        ),
        optimizer=Optimizer(
            "adam",
            learning_rate=2e-3,
            schedule=WarmupCosine(warmup=100, length=4000, unit="steps", floor=0.02),
            clip_norm=1.0,
        ),
        steps=4000,
        evaluate_every=250,
    )
