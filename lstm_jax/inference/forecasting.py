"""Forecasts of windows, and of what follows the end of series."""

import dataclasses
import functools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
import pyarrow as pa
from jaxtyping import Float, Shaped

from lstm_jax.data.series.domain import check_domain
from lstm_jax.data.series.panel import Panel
from lstm_jax.data.series.windows import SeriesBatch, Windows
from lstm_jax.errors import ConfigError, DataError
from lstm_jax.modules import Forecast, Graph, merge, split
from lstm_jax.types import Key, Params


class Scaled(NamedTuple):
    """Forecasts of windows, float64, in scaled values."""

    point: Float[np.ndarray, "windows horizon channels"]
    quantiles: Float[np.ndarray, "windows horizon channels levels"] | None


def forecasts_of(
    model: Any, batches: Iterable[SeriesBatch], levels: tuple[float, ...], seed: int = 0
) -> Iterator[tuple[SeriesBatch, Scaled]]:
    """The forecasts of a model for windows, batch by batch, without rows that only fill up.

    Args:
        model: a `Forecaster`.
        batches: of windows.
        levels: of the quantiles; none are computed where the head has none.
        seed: of what is drawn, which a window's place decides beside it.
    """
    graph, params = split(model)
    wanted = levels if model.head.is_distribution else ()
    for batch in batches:
        found = _forecast(graph, params, batch, wanted, jax.random.key(seed))
        count = int((batch.place >= 0).sum())

        def rows(array: Any, count: int = count) -> np.ndarray:
            return np.moveaxis(np.asarray(array, np.float64)[:, :count], 1, 0)

        quantiles = None if found.quantiles is None else rows(found.quantiles)
        yield batch.take(np.arange(count)), Scaled(rows(found.point), quantiles)


@functools.partial(jax.jit, static_argnums=(0, 3))
def _forecast(
    graph: Graph, params: Params, batch: Any, levels: tuple[float, ...], key: Key
) -> Forecast:
    keys = jax.vmap(lambda place: jax.random.fold_in(key, place))(batch.place)
    return merge(graph, params).forecast(batch, levels, keys)


def in_units(
    scaled: Float[np.ndarray, "windows horizon channels"],
    center: Float[np.ndarray, "windows channels"],
    scale: Float[np.ndarray, "windows channels"],
    is_log: bool,
) -> Float[np.ndarray, "windows horizon channels"]:
    """Scaled values in the units of the data."""
    values = scaled * scale[:, None] + center[:, None]
    return np.exp(values) if is_log else values


@dataclasses.dataclass(frozen=True, eq=False)
class Forecasts:
    """What is forecast of series, step by step behind their ends, in the units of the data.

    Attributes:
        items: the names of the series.
        channels: the names of the values.
        times: [items, horizon], datetime64[us] or int64.
        point: [items, horizon, channels].
        lower: the lower end of the interval, likewise; None without one.
        upper: the upper end.
        interval: the nominal share of values within the interval.
        stamps: the times as text, [items, horizon].
    """

    items: tuple[str, ...]
    channels: tuple[str, ...]
    times: Shaped[np.ndarray, "items horizon"]
    stamps: tuple[tuple[str, ...], ...]
    point: Float[np.ndarray, "items horizon channels"]
    lower: Float[np.ndarray, "items horizon channels"] | None
    upper: Float[np.ndarray, "items horizon channels"] | None
    interval: float

    def table(self) -> pa.Table:
        """A row for each item, time and value: `item`, `time`, `value`, `forecast`, `lower`, ...

        `.to_pandas()` of it is a data frame.
        """
        items, horizon, channels = self.point.shape
        shape = (items, horizon, channels)
        columns = {
            "item": np.broadcast_to(np.array(self.items)[:, None, None], shape),
            "time": np.broadcast_to(np.array(self.stamps)[:, :, None], shape),
            "value": np.broadcast_to(np.array(self.channels), shape),
            "forecast": self.point,
        }
        if self.lower is not None and self.upper is not None:
            columns |= {"lower": self.lower, "upper": self.upper}
        return pa.table({name: column.reshape(-1) for name, column in columns.items()})


def forecast_series(
    task: Any,
    use: Any,
    given: Any,
    horizon: int | None = None,
    *,
    interval: float = 0.9,
    batch_size: int = 64,
) -> Forecasts:
    """What follows the end of each series of a table, with an interval.

        run.forecast("last_week.csv").table().to_pandas()
        run.forecast(frame, horizon=24)

    A table has the columns, the frequency and the zone of the one that was trained on, and any
    number of items, those never seen included; known covariates go on as far as the horizon. The
    interval is that of the head where it is a distribution, else that of split conformal
    prediction: each step is as wide as the errors on the validation part say
    (`Forecasting.calibrate`).

    Args:
        task: the forecaster's.
        use: a trained model; a run gives it by itself.
        given: a path, a frame, an Arrow table, a mapping of columns, or a `Panel`.
        horizon: steps, at most as many as the model was trained for; by default as many.
        interval: the share of values that lie within the interval.
        batch_size: series side by side; the result does not depend on it.

    Raises:
        ConfigError: the horizon is longer, or there is no such interval.
        DataError: the table is malformed, does not fit, or is too short.
    """
    pre = use.preprocessor
    count = pre.horizon if horizon is None else horizon
    if not isinstance(count, int) or not 1 <= count <= pre.horizon:
        raise ConfigError(
            f"horizon: this model forecasts 1 to {pre.horizon} steps, not {count}; train another "
            f"with --config.data.horizon={count}"
        )
    panel = use.data.source.panel_of(given, pre.schema)
    windows = windows_of(task, use, panel)
    levels = levels_of(use.model.head, interval)
    parts = list(forecasts_of(use.model, ends(windows, batch_size), levels))
    point = np.concatenate([part.point for _, part in parts])
    center, scale = windows.scaling_at(np.arange(len(windows.lengths)), windows.lengths)
    lower = upper = None
    if levels:
        every = [part.quantiles for _, part in parts if part.quantiles is not None]
        quantiles = np.concatenate(every)
        lower, upper = quantiles[..., 0], quantiles[..., 1]
    elif (width := conformal_width(use.calibration, interval)) is not None:
        lower, upper = point - width, point + width

    def final(scaled: np.ndarray | None) -> np.ndarray | None:
        if scaled is None:
            return None
        return in_units(scaled, center, scale, pre.scaling.log)[:, :count]

    found = final(point)
    assert found is not None
    ends_at = enumerate(panel.lengths.tolist())
    times = np.stack([panel.times(item, length, count) for item, length in ends_at])
    return Forecasts(
        panel.items,
        pre.schema.values,
        times,
        tuple(tuple(panel.schema.texts(row)) for row in times),
        found,
        final(lower),
        final(upper),
        interval,
    )


def ends(windows: Windows, batch_size: int) -> Iterator[SeriesBatch]:
    """The windows that end where each series ends."""
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1, got {batch_size!r}")
    count = len(windows.lengths)
    size = min(batch_size, count)
    for begin in range(0, count, size):
        items = np.arange(begin, min(begin + size, count))
        yield windows.batch(items, windows.lengths[items], items, size, with_targets=False)


def conformal_width(
    calibration: Any, interval: float
) -> Float[np.ndarray, "horizon channels"] | None:
    """Half the width of the split conformal interval, scaled; None without a calibration.

    Raises:
        ConfigError: that interval was not calibrated.
    """
    if not calibration or "widths" not in calibration:
        return None
    widths = calibration["widths"]
    if f"{interval:g}" not in widths:
        raise ConfigError(f"interval: one of {', '.join(widths)} was calibrated, not {interval:g}")
    return np.array(widths[f"{interval:g}"])


def levels_of(head: Any, interval: float) -> tuple[float, ...]:
    """The levels at the ends of an interval; none where the head has no quantiles."""
    if not 0 < interval < 1:
        raise ConfigError(f"interval lies between 0 and 1, not {interval}")
    if not head.is_distribution:
        return ()
    levels = round((1 - interval) / 2, 10), round((1 + interval) / 2, 10)
    head.check_levels(levels)
    return levels


def windows_of(task: Any, use: Any, panel: Panel) -> Windows:
    """The windows of a panel, once it is long enough, and its covariates reach over the horizon."""
    pre, shortest = use.preprocessor, use.data.shortest_context or use.preprocessor.context
    known = np.diff(panel.known_first)
    for item, (place, length) in enumerate(zip(panel.places, panel.lengths, strict=True)):
        if length < shortest:
            raise DataError(
                f"{place}: {length} steps, and the model looks back on at least {shortest}"
            )
        if pre.schema.known and known[item] < length + pre.horizon:
            raise DataError(
                f"{place}: known covariates end {length + pre.horizon - known[item]} steps before "
                f"the horizon of {pre.horizon}: give rows for them with empty values"
            )
        begin = panel.first[item]
        pre.scaling.check(panel.values[begin : begin + length], place)
    check_values(panel, task.head, task.normalization)
    return Windows(panel, pre)


def check_values(panel: Panel, head: Any, normalization: Any) -> None:
    """Makes sure that series hold what a head and a normalization are of.

    Raises:
        DataError: a value is no count, or not positive; names the first.
    """
    if head.counts:
        check_domain(panel, "counts", type(head).__name__)
    if normalization.is_log:
        check_domain(panel, "positive values", type(normalization).__name__)
