"""Backtests for which a model is trained anew before each origin."""

from collections.abc import Collection
from typing import Any

import numpy as np

from lstm_jax.config.tree import override
from lstm_jax.data.series import SeriesWindows, TimeSplit
from lstm_jax.data.sources import Split
from lstm_jax.errors import ConfigError
from lstm_jax.inference.backtesting import Backtest
from lstm_jax.inference.rolling_origins import rolling_origins
from lstm_jax.metrics.means import merge_metrics
from lstm_jax.run import Run
from lstm_jax.training.loop import train

REFITS = "refits"
"""The folder of a run directory that holds the runs of its backtests, by their origins."""


def refitted(
    run: Run,
    split: Split = "test",
    *,
    windows: int | None = None,
    stride: int | None = None,
    **options: Any,
) -> Backtest:
    """A backtest whose model is trained anew before each origin, on all that lies before it.

    Each has the settings of the run and a validation part as long, which ends at the origin. Its
    run directory is `refits/<origin>` in that of the run: killed and started again, a backtest
    goes on where it was.

    Args:
        run: whose settings they are.
        split: the part of the data.
        windows: of each series, the last so many windows; by default all.
        stride: steps between origins; by default that of the config's evaluations.
        options: `interval` and `intervals`, as `run.backtest` takes them.

    Raises:
        ConfigError: the series do not begin and end together, or as `run.backtest`.
        DataError: the data cannot be read, or are too few before an origin.
    """
    data = run.experiment.data
    if not isinstance(data, SeriesWindows):
        raise ConfigError(f"a backtest is of series, not of {type(data).__name__}")
    found = rolling_origins(data, run.preprocessor, split, stride, windows)
    dataset, places, items, origins = found
    if len({*dataset.panel.lengths.tolist()}) > 1 or len({*dataset.panel.start.tolist()}) > 1:
        raise ConfigError("refit needs series that begin and end together: backtest without it")
    validation = int(dataset.bounds[0, 1] - dataset.bounds[0, 0])
    parts: list[tuple[np.ndarray, Backtest]] = []
    for origin in np.unique(origins).tolist():
        cut = TimeSplit(validation=validation, test=data.horizon, end=origin + data.horizon)
        experiment = override(run.experiment, {"data.split": cut})
        fresh = train(experiment, run.workdir / REFITS / str(origin))
        parts.append(
            (np.flatnonzero(origins == origin), fresh.backtest("test", stride=1, **options))
        )
    return _joined(parts, dataset=dataset, split=split, places=places, items=items, origins=origins)


def _joined(parts: Collection[tuple[np.ndarray, Backtest]], **whole: Any) -> Backtest:
    """One backtest of those of each origin; `rows` are the places of their windows in it."""
    first = next(iter(parts))[1]
    shape = len(whole["places"]), *first.point.shape[1:]
    arrays = {name: np.zeros(shape) for name in ("point", "truth", "lower", "upper")}
    sums: dict[str, Any] = {}
    for rows, part in parts:
        for name, array in arrays.items():
            array[rows] = getattr(part, name)
        sums = merge_metrics(sums, part.sums) if sums else part.sums
    stride = whole["dataset"].stride(whole["split"])
    beside = {"stride": stride, "interval": first.interval, "intervals": first.intervals}
    return Backtest(**whole, **arrays, **beside, sums=sums)
