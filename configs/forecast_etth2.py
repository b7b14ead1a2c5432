"""ETTh2, seven channels of an electricity transformer, hour by hour: the next 96 hours.

    python -m experiments.train --config=configs/forecast_etth2.py --workdir=runs/etth2
    python -m experiments.backtest --workdir=runs/etth2 --plots=runs/etth2/pictures

Needs ETTh2.csv in $LSTM_JAX_DATA/ett. The protocol of the literature: 12, 4 and 4 months for
training, validation and test, all windows of each, errors over the standard deviation of training;
`--config.data.horizon=192` (336, 720) is its other horizons. SegRNN (Lin et al. 2023); published
MSE .278 with a context of 96, .276 with 720.
"""

from lstm_jax import Experiment
from lstm_jax.cells import GRU
from lstm_jax.data import SeriesTable, SeriesWindows, TimeSplit
from lstm_jax.modules import Segments, WindowNormalization
from lstm_jax.optimization import Decay, Optimizer
from lstm_jax.tasks import Forecasting


def get_config() -> Experiment:
    """The experiment."""
    return Experiment(
        task=Forecasting(
            cell=GRU(hidden=32),
            decoder=Segments(length=24, embedding=32),
            channels="independent",
            normalization=WindowNormalization("last"),
            autoregressive=True,
            dropout=0.5,
        ),
        data=SeriesWindows(
            source=SeriesTable("$LSTM_JAX_DATA/ett/ETTh2.csv", time="date"),
            context=336,
            horizon=96,
            season=24,
            # 12, 4 and 4 months of 30 days; the rest of the file is not used.
            split=TimeSplit(validation=2880, test=2880, end=14400),
            batch_size=64,
            standardised=True,
        ),
        optimizer=Optimizer("adam", learning_rate=5e-4, schedule=Decay(0.8, after=3)),
        epochs=15,
        patience=4,
    )
