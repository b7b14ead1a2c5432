"""Volatility of the S&P 500, 1999 to 2018: the variance of the next trading day.

    PIP_CONSTRAINT=constraints.txt pip install -e '.[series]'
    python -m experiments.train --config=configs/volatility_sp500.py --workdir=runs/volatility
    python -m experiments.evaluate --workdir=runs/volatility

The last 1,000 days, of 2015 to 2018, are the test part, the 1,000 before them validation. The mean
QLIKE (Patton 2011) of forecasts of Parkinson's variance from the days before, the less the better:

                       validation   test
    this, seeds 0 to 2      .340    .420    (.426, .412, .420)
    HAR, in logarithms      .392    .445    (in levels .394, .469)
    GARCH(1,1)              .425    .511
    the day before          .784    .800

There is no published figure on these days. HAR and GARCH are fitted on all days before the part,
the network on those of training alone; but it reads returns with their sign, and HAR none. On the
test days each seed is ahead of both, GARCH beyond chance, HAR not surely: t = 1.2, 2.7 and 1.6 of
the differences day by day (Newey and West 1987, ten lags). The settings were chosen by validation
alone, among 19, twelve of them with two seeds. 12 seconds on two cores.
"""

from lstm_jax import Experiment
from lstm_jax.cells import LSTM
from lstm_jax.data import DailyPrices, Scaling, SeriesWindows, TimeSplit
from lstm_jax.modules import Direct, Qlike, WindowNormalization
from lstm_jax.optimization import Optimizer
from lstm_jax.tasks import Forecasting


def get_config() -> Experiment:
    """The experiment."""
    return Experiment(
        task=Forecasting(
            cell=LSTM(hidden=64),
            decoder=Direct(),
            head=Qlike(),
            normalization=WindowNormalization("last"),
            selected_by="qlike",
        ),
        data=SeriesWindows(
            source=DailyPrices(),
            # A month of trading days, as HAR has it.
            context=22,
            horizon=1,
            split=TimeSplit(validation=1000, test=1000),
            scaling=Scaling(log=True),
            batch_size=64,
        ),
        optimizer=Optimizer("adam", learning_rate=1e-3, clip_norm=1.0),
        epochs=60,
        patience=10,
    )
