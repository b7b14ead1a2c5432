"""Hourly temperatures of Seattle, a day ahead, with intervals: the table comes as a package.

    PIP_CONSTRAINT=constraints.txt pip install -e '.[series]'
    python -m experiments.train --config=configs/forecast_quickstart.py --workdir=runs/seattle
    python -m experiments.backtest --workdir=runs/seattle --plots=runs/seattle/pictures

8,759 hours of 2010; one is absent, 03:00 of the 14th of March, when clocks went forward.
Measured: mean absolute error 0.0628 degrees on the last four weeks, after a minute and a half on 2
CPU cores; seasonal naive 0.1233, ridge 0.0626 (docs/results.md). Nearly all that can be known of
these hours is linear in those before: the linear map does most of it, and the network is small.
"""

from lstm_jax import Experiment
from lstm_jax.cells import GRU
from lstm_jax.data import Scaling, SeriesTable, SeriesWindows, TimeSplit
from lstm_jax.modules import Gaussian, Segments, WindowNormalization
from lstm_jax.optimization import Optimizer, WarmupCosine
from lstm_jax.tasks import Forecasting


def get_config() -> Experiment:
    """The experiment."""
    return Experiment(
        task=Forecasting(
            cell=GRU(hidden=8),
            decoder=Segments(length=24, embedding=8),
            head=Gaussian(),
            normalization=WindowNormalization("season"),
            normalized_loss=True,
            autoregressive=True,
            dropout=0.9,
            selected_by="mae",
        ),
        data=SeriesWindows(
            source=SeriesTable(
                "package:vega_datasets/_data/seattle-temps.csv",
                time="date",
                frequency="h",
                missing="mask",
            ),
            context=96,
            horizon=24,
            season=24,
            # Degrees are as good as any unit: the normalization takes the level away.
            scaling=Scaling("none"),
            # The last four weeks, and the four before.
            split=TimeSplit(validation=672, test=672),
            batch_size=64,
        ),
        optimizer=Optimizer(
            "adam",
            learning_rate=5e-3,
            schedule=WarmupCosine(warmup=50, length=10000, unit="steps", floor=0.002),
            clip_norm=1.0,
        ),
        steps=10000,
        evaluate_every=500,
    )
