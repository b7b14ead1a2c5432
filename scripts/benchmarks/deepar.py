"""DeepAR in the size of its paper, as far as its speed goes (Salinas et al. 2020).

    python -m scripts.benchmarks.forecasting --configs=scripts/benchmarks/deepar.py

Layers, units, context, horizon, batch and learning rate are the paper's for hourly electricity; a
window is one series, here the oil temperature of ETTh1. The rate of dropout is the default of
GluonTS; vectors of series and weighted sampling, which are of use with many series, are left out.
"""

from lstm_jax import Experiment
from lstm_jax.cells import LSTM
from lstm_jax.data import Scaling, SeriesTable, SeriesWindows, TimeSplit
from lstm_jax.modules import Gaussian, Recursive, WindowNormalization
from lstm_jax.optimization import Optimizer
from lstm_jax.tasks import Forecasting


def get_config() -> Experiment:
    """The experiment."""
    return Experiment(
        task=Forecasting(
            cell=LSTM(hidden=40),
            layers=3,
            decoder=Recursive(),
            head=Gaussian(),
            channels="independent",
            normalization=WindowNormalization("mean_absolute"),
            dropout=0.1,
        ),
        data=SeriesWindows(
            source=SeriesTable("$LSTM_JAX_DATA/ett/ETTh1.csv", time="date", values=("OT",)),
            context=168,
            horizon=24,
            season=24,
            split=TimeSplit(validation=2880, test=2880, end=14400),
            scaling=Scaling("mean_absolute"),
            calendar=("hour", "weekday"),
            batch_size=64,
        ),
        optimizer=Optimizer("adam", learning_rate=1e-3),
        epochs=10,
    )
