"""Hourly temperatures of Seattle, a day ahead, with quantiles: the table comes as a package.

    PIP_CONSTRAINT=constraints.txt pip install -e '.[series]'
    python -m experiments.train --config=configs/forecast_quickstart.py --workdir=runs/seattle
    python -m experiments.backtest --workdir=runs/seattle --plots=runs/seattle/pictures

8,759 hours of 2010; one is absent, 03:00 of the 14th of March, when clocks went forward.
"""

from lstm_jax import Experiment
from lstm_jax.cells import GRU
from lstm_jax.data import SeriesTable, SeriesWindows, TimeSplit
from lstm_jax.modules import Quantiles, Segments, WindowNormalization
from lstm_jax.optimization import Optimizer, WarmupCosine
from lstm_jax.tasks import Forecasting


def get_config() -> Experiment:
    """The experiment."""
    return Experiment(
        task=Forecasting(
            cell=GRU(hidden=64),
            decoder=Segments(length=24, embedding=64),
            head=Quantiles(),
            normalization=WindowNormalization("season"),
            normalized_loss=True,
            autoregressive=True,
            dropout=0.7,
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
            # The last four weeks, and the four before.
            split=TimeSplit(validation=672, test=672),
            batch_size=64,
        ),
        optimizer=Optimizer(
            "adam",
            learning_rate=2e-3,
            schedule=WarmupCosine(warmup=50, length=3000, unit="steps", floor=0.02),
            clip_norm=1.0,
        ),
        steps=3000,
        evaluate_every=200,
    )
