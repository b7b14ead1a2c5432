"""The simple rivals of forecasting, scored by the same figures on the same windows."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from lstm_jax.baselines.forecast_files import ForecastFile
from lstm_jax.baselines.naive_forecasts import METHODS, naive_forecasts
from lstm_jax.baselines.ridge import Form, Ridge, fit
from lstm_jax.baselines.volatility import NAMES, garch, har
from lstm_jax.data.series.dataset import SeriesDataset
from lstm_jax.data.series.series_windows import SeriesWindows
from lstm_jax.data.series.windows import SeriesBatch
from lstm_jax.data.sources import Split
from lstm_jax.inference.forecasting import in_units
from lstm_jax.inference.rolling_origins import rolling_origins
from lstm_jax.metrics import forecasts
from lstm_jax.metrics.forecasts import Facts, Units
from lstm_jax.metrics.means import merge_metrics
from lstm_jax.reporting.reporter import progress_bar
from lstm_jax.types import Array, Batch

STRENGTHS = tuple(float(10.0**power) for power in np.arange(-8, 1.5, 0.5))
"""Of the regularization of ridge, multiples of the mean variance of a feature."""
_BATCH = 256
Scaled = Float[np.ndarray, "horizon windows channels"]
Forecaster = Callable[[SeriesDataset, SeriesBatch, np.ndarray, np.ndarray], Scaled]
"""Of a data set, a batch of it, and the items and origins of its windows: forecasts, scaled."""


class Rival(NamedTuple):
    """A simple rival."""

    forecaster: Forecaster
    facts: dict[str, Any]
    """What stands beside its figures: what was `chosen` of it, what it took."""


class Scored(NamedTuple):
    """What a rival says of windows."""

    figures: dict[str, Any]
    point: Float[np.ndarray, "windows horizon channels"]
    """In the units of the data."""


def rival(
    name: str, data: SeriesWindows, preprocessor: Any, score: str, contexts: Sequence[int] = ()
) -> Rival:
    """A rival by its name, fitted where there is something to fit.

    Args:
        name: `ridge`, one of `METHODS`, or, of daily variances, of `volatility.NAMES`.
        data: the config of the data.
        preprocessor: what was learned of them.
        score: the figure that ridge and HAR are chosen by, on validation.
        contexts: steps that ridge may look back on, from which validation chooses; those of the
            config if there are none.
    """
    if name in METHODS:
        return Rival(_naive(name), {})
    if name in NAMES:
        return _of_volatility(name, data.open(preprocessor), score)
    choices = []
    for context in contexts or (data.context,):
        longer = dataclasses.replace(data, context=context, shortest_context=None)
        seen = dataclasses.replace(preprocessor, context=context, padded=False)
        dataset = longer.open(seen)
        model, value = _fit_ridge(dataset, score)
        choices.append((value, context, model, dataset))
    _, context, model, dataset = min(choices, key=lambda choice: choice[0])
    chosen = {"context": context, "strength": model.strength, "form": model.form}
    return Rival(_ridge(model, dataset), {"chosen": chosen})


def scored(
    dataset: SeriesDataset,
    split: Split,
    forecaster: Forecaster,
    title: str,
    places: np.ndarray | None = None,
) -> Scored:
    """The figures of a forecaster on windows of a split, by the names of the task.

    Args:
        dataset: of the windows.
        split: their part of the data.
        forecaster: which is scored.
        title: of the progress that is shown.
        places: the numbers of the windows; all of the split, if not given.
    """
    pre, origins = dataset.preprocessor, dataset.origins(split)
    places = np.arange(len(origins)) if places is None else places
    deviation = np.array(pre.deviation if pre.standardised else (1.0,) * pre.channels, np.float32)
    merged: dict[str, Any] = {}
    points = []
    cuts = [places[begin : begin + _BATCH] for begin in range(0, len(places), _BATCH)]
    for cut in progress_bar(cuts, title):
        batch = dataset.windows_at(split, cut, min(_BATCH, len(places)))
        items, steps = origins.at(cut)
        point = np.zeros(batch.targets.shape, np.float32)
        known = batch.take(np.arange(len(cut)))
        said = np.asarray(forecaster(dataset, known, items, steps), np.float64)
        point[:, : len(cut)] = said
        found = _counted(point, batch, deviation, pre.scaling.log)
        host = {key: metric.to_host() for key, metric in found.items()}
        merged = merge_metrics(merged, host) if merged else host
        scaling = dataset.scaling_at(items, steps)
        points.append(in_units(np.moveaxis(said, 1, 0), *scaling, pre.scaling.log))
    summary: dict[str, Any] = forecasts.summarize(merged, pre.standardised)
    every = forecasts.by_step(merged)
    steps = {key: one.tolist() for key, one in every.items() if key in summary}
    summary |= {"windows": int(merged["windows"].total), "horizon": pre.horizon, "by_step": steps}
    return Scored(summary, np.concatenate(points))


def rows(
    data: SeriesWindows,
    preprocessor: Any,
    split: Split,
    score: str,
    names: Sequence[str],
    contexts: Sequence[int] = (),
    *,
    stride: int | None = None,
    windows: int | None = None,
    forecasts: ForecastFile | None = None,
) -> dict[str, dict[str, Any]]:
    """The figures of each rival on a split; for the arguments see `rival` and `rolling_origins`.

    What `forecasts` has of the names is taken from there.

    Raises:
        DataError: a forecast is missing there, or is of other windows.
    """
    dataset, places, items, origins = rolling_origins(data, preprocessor, split, stride, windows)
    # Before anything is fitted: what is missing is to be told at once.
    given = {
        name: rival_of_file(name, forecasts, dataset, items, origins)
        for name in names
        if forecasts is not None and name in forecasts.models
    }
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        one = given.get(name) or rival(name, data, preprocessor, score, contexts)
        figures = scored(dataset, split, one.forecaster, name, places).figures
        found[name] = figures | one.facts
    return found


@functools.partial(jax.jit, static_argnums=3)
def _counted(point: Array, batch: Batch, deviation: Array, is_log: bool) -> dict[str, Any]:
    units = Units(batch.center, batch.scale, is_log)
    facts = Facts(batch.weight, batch.naive_error, deviation, batch.reference)
    return forecasts.count(point, batch.targets, units, facts)


def _naive(name: str) -> Forecaster:
    """A method that learns nothing, by its name."""

    def forecaster(
        dataset: SeriesDataset, batch: SeriesBatch, items: np.ndarray, origins: np.ndarray
    ) -> Scaled:
        del batch
        return _scaled(
            dataset, naive_forecasts(dataset, METHODS[name], items, origins), items, origins
        )

    return forecaster


def rival_of_file(
    name: str,
    forecasts: ForecastFile,
    dataset: SeriesDataset,
    items: np.ndarray,
    origins: np.ndarray,
) -> Rival:
    """A rival whose forecasts of windows another program has made.

    Raises:
        DataError: a forecast is missing, or is of other windows.
    """
    given = forecasts.of(name, dataset, items, origins)

    def forecaster(
        dataset: SeriesDataset, batch: SeriesBatch, items: np.ndarray, origins: np.ndarray
    ) -> Scaled:
        del batch
        pairs = zip(items.tolist(), origins.tolist(), strict=True)
        found = np.stack([given.points[pair] for pair in pairs], axis=1)
        return _scaled(dataset, found, items, origins)

    return Rival(forecaster, given.facts)


def _scaled(
    dataset: SeriesDataset, found: Scaled, items: np.ndarray, origins: np.ndarray
) -> Scaled:
    """Forecasts in the units of the data, scaled."""
    # A forecast below zero has no logarithm.
    if dataset.preprocessor.scaling.log:
        found = np.maximum(found, np.finfo(np.float32).tiny)
    return dataset.scaled(found, items, origins)


def _ridge(model: Ridge, own: SeriesDataset) -> Forecaster:
    """Forecasts of a ridge regression, which looks back as far as its own data set does."""

    def forecaster(
        dataset: SeriesDataset, batch: SeriesBatch, items: np.ndarray, origins: np.ndarray
    ) -> Scaled:
        del dataset, batch
        windows = own.before(items, origins)
        # Where a window begins before its series, the first value stands for what was before.
        rows = np.maximum(np.arange(len(windows.values))[:, None], windows.padding)
        values = np.take_along_axis(windows.values, rows[..., None], axis=0).astype(np.float64)
        found = model.forecast(values.reshape(len(values), -1))
        return found.reshape(len(found), *values.shape[1:])

    return forecaster


def _of_volatility(name: str, dataset: SeriesDataset, score: str) -> Rival:
    def of(forecaster: Forecaster) -> float:
        found = scored(dataset, "validation", forecaster, name).figures
        return found.get(score, found["mae"])

    forecaster, chosen = garch(dataset) if name == "garch" else har(dataset, of)
    return Rival(forecaster, {"chosen": chosen})


def _fit_ridge(dataset: SeriesDataset, score: str) -> tuple[Ridge, float]:
    """The ridge regression that validation likes best, and its score there."""
    scores: dict[int, float] = {}

    def of(model: Ridge) -> float:
        found = scored(dataset, "validation", _ridge(model, dataset), "ridge").figures
        # Ridge gives points alone: what only distributions have is no way to choose it.
        scores[id(model)] = found.get(score, found["mae"])
        return scores[id(model)]

    best = fit(dataset, STRENGTHS, _forms(dataset), of)
    return best, scores[id(best)]


def _forms(dataset: SeriesDataset) -> Sequence[Form]:
    """Relative errors are for positive values of unlike heights."""
    pre = dataset.preprocessor
    values = dataset.panel.values
    is_positive = not pre.scaling.log and all(c == 0 for row in pre.center for c in row)
    if is_positive and np.nanmin(values) > 0:
        return "mean", "last", "log_last"
    return "mean", "last"
