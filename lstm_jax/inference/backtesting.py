"""Backtests: forecasts from rolling origins, with intervals, beside what came."""

import dataclasses
import functools
from typing import Any, Literal, NamedTuple, get_args

import jax
import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Int

from lstm_jax.data.series.dataset import SeriesDataset
from lstm_jax.data.series.panel import Panel
from lstm_jax.data.sources import Split
from lstm_jax.errors import ConfigError
from lstm_jax.functional.conformal import coverage
from lstm_jax.inference.calibration import conformal_widths, ends_of, scores_of
from lstm_jax.inference.forecasting import forecasts_of, in_units, levels_of
from lstm_jax.inference.rolling_origins import rolling_origins
from lstm_jax.metrics import forecasts
from lstm_jax.metrics.forecasts import Facts, Units
from lstm_jax.metrics.means import merge_metrics
from lstm_jax.reporting.reporter import progress_bar, say

Intervals = Literal["head", "split", "adaptive"]
"""Where intervals come from: the quantiles of the head, split conformal prediction with the errors
of validation, or adaptive conformal prediction, which goes on learning from what came. Of a head
with quantiles the last two widen or narrow these (Romano, Patterson and Candes 2019)."""
Values = Float[np.ndarray, "windows horizon channels"]


@dataclasses.dataclass(frozen=True, eq=False)
class Backtest:
    """Forecasts from rolling origins, in the units of the data.

    Attributes:
        dataset: of the windows.
        split: their part of the data.
        stride: steps between origins.
        places: [windows], their numbers in the split.
        items: [windows], the number of the series of each window.
        origins: [windows], how many of its steps lie before the horizon.
        point: [windows, horizon, channels].
        truth: what came, likewise; NaN where nothing did.
        lower: the lower end of the interval, likewise; None without one.
        upper: the upper end.
        interval: the nominal share of values within.
        intervals: where the intervals come from.
        sums: what figures are made of.
    """

    dataset: SeriesDataset
    split: Split
    stride: int
    places: Int[np.ndarray, " windows"]
    items: Int[np.ndarray, " windows"]
    origins: Int[np.ndarray, " windows"]
    point: Values
    truth: Values
    lower: Values | None
    upper: Values | None
    interval: float
    intervals: str
    sums: dict[str, Any]

    @functools.cached_property
    def figures(self) -> dict[str, Any]:
        """Of all windows, as the task calls them; of each step in `by_step`."""
        pre, known, within = self.dataset.preprocessor, np.isfinite(self.truth), self.is_within
        found: dict[str, Any] = {"windows": len(self.places), "horizon": pre.horizon}
        found |= forecasts.summarize(self.sums, pre.standardised)
        found |= {"windows": len(self.places), "intervals": self.intervals}
        every = forecasts.by_step(self.sums)
        steps = {name: one.tolist() for name, one in every.items() if name in found}
        assert self.lower is not None
        assert self.upper is not None
        found |= {"interval": self.interval, "coverage": float(within[known].mean())}
        width = self.upper - self.lower
        found["width"] = float(width[known].mean())
        found["coverage_by_quarter"] = coverage(within, known)

        def by_step(values: np.ndarray) -> list[float]:
            total = np.where(known, values, 0).sum(axis=(0, 2))
            return (total / np.maximum(known.sum(axis=(0, 2)), 1)).tolist()

        return found | {"by_step": steps | {"coverage": by_step(within), "width": by_step(width)}}

    @property
    def is_within(self) -> Bool[np.ndarray, "windows horizon channels"]:
        """Whether what came lay within its interval."""
        assert self.lower is not None
        assert self.upper is not None
        return (self.lower <= self.truth) & (self.truth <= self.upper)

    def table(self) -> pa.Table:
        """A row for each window, step and channel.

        `item`, `cutoff` (the last step that was known), `time`, `step`, `value` (the channel),
        `actual`, `forecast`, and `lower` and `upper`.
        """
        panel, shape = self.dataset.panel, self.point.shape
        steps = self.dataset.preprocessor.horizon
        every = zip(self.items.tolist(), self.origins.tolist(), strict=True)
        times = np.stack([panel.times(item, origin - 1, steps + 1) for item, origin in every])
        names = np.array(panel.items)[self.items]

        def spread(array: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
            wide = [1 if axis not in axes else size for axis, size in enumerate(shape)]
            return np.broadcast_to(array.reshape(wide), shape).reshape(-1)

        columns = {
            "item": spread(names, (0,)),
            "cutoff": _stamps(panel, spread(times[:, 0], (0,))),
            "time": _stamps(panel, spread(times[:, 1:], (0, 1))),
            "step": spread(np.arange(1, steps + 1), (1,)),
            "value": spread(np.array(panel.schema.values), (2,)),
            "actual": self.truth.reshape(-1),
            "forecast": self.point.reshape(-1),
        }
        if self.lower is not None and self.upper is not None:
            columns |= {"lower": self.lower.reshape(-1), "upper": self.upper.reshape(-1)}
        return pa.table(columns)


def run_backtest(
    task: Any,
    use: Any,
    split: Split = "test",
    *,
    windows: int | None = None,
    stride: int | None = None,
    interval: float = 0.9,
    intervals: Intervals | None = None,
    batch_size: int = 64,
) -> Backtest:
    """Forecasts from rolling origins of a part of the data, each from what lay before it alone.

        backtest = run.backtest("test", stride=24)
        backtest.figures["mase"], backtest.table().to_pandas()

    Args:
        task: the forecaster's.
        use: a trained model; a run gives it by itself.
        split: the part of the data.
        windows: of each series, the last so many; by default all.
        stride: steps between origins; by default that of the config's evaluations.
        interval: the share of values that are to lie within the interval.
        intervals: where they come from; by default from the head where it is a distribution, else
            adaptive.
        batch_size: windows side by side; the result does not depend on it.

    Raises:
        ConfigError: a number is out of range, or the head has no quantiles.
        DataError: the data cannot be read.
    """
    del task
    kind = intervals or ("head" if use.model.head.is_distribution else "adaptive")
    if kind != "head" and split != "test":
        say(f"intervals ({kind}) on the {split} part rest on the errors of validation itself")
    _check(use, kind, interval, windows=windows, stride=stride, batch_size=batch_size)
    pre = use.preprocessor
    dataset, places, items, origins = rolling_origins(use.data, pre, split, stride, windows)
    levels = levels_of(use.model.head, interval)
    found = _forecast(use, dataset, split, places, levels, batch_size)
    lower, upper = ends_of(found.point, found.quantiles)
    if kind != "head":
        scores = scores_of(found.truth, lower, upper)
        adaptive = kind == "adaptive"
        width = conformal_widths(use, scores, items, dataset.stride(split), interval, adaptive)
        # An interval that is narrowed stays one.
        width = np.maximum(width, (lower - upper) / 2)
        lower, upper = lower - width, upper + width
    center, scale = dataset.scaling_at(items, origins)
    units = functools.partial(in_units, center=center, scale=scale, is_log=pre.scaling.log)
    point = units(found.point)
    # What came is that of the table, to the last digit.
    rows = dataset.panel.first[items] + origins
    truth = dataset.panel.values[rows[:, None] + np.arange(pre.horizon)].astype(np.float64)
    return Backtest(
        dataset,
        split,
        dataset.stride(split),
        places,
        items,
        origins,
        point,
        truth,
        units(lower),
        units(upper),
        interval,
        kind,
        found.sums,
    )


class _Found(NamedTuple):
    """Forecasts of windows and what came, scaled."""

    point: Values
    quantiles: Float[np.ndarray, "windows horizon channels 2"] | None
    truth: Values
    sums: dict[str, Any]


def _forecast(
    use: Any,
    dataset: SeriesDataset,
    split: Split,
    places: Int[np.ndarray, " windows"],
    levels: tuple[float, ...],
    batch_size: int,
) -> _Found:
    size = min(batch_size, len(places))
    cuts = [places[begin : begin + size] for begin in range(0, len(places), size)]
    batches = (dataset.windows_at(split, cut, size) for cut in progress_bar(cuts, "backtest"))
    deviation = np.array(use.model.deviation, np.float32)
    is_log = use.preprocessor.scaling.log
    parts, truths, sums = [], [], {}
    every = tuple(sorted({*forecasts.LEVELS, *levels}))
    wanted, in_figures = ([every.index(one) for one in some] for some in (levels, forecasts.LEVELS))
    for batch, found in forecasts_of(use.model, batches, every):
        point = np.moveaxis(found.point, 0, 1).astype(np.float32)
        quantiles = None
        if found.quantiles is not None:
            quantiles = np.moveaxis(found.quantiles, 0, 1).astype(np.float32)[..., in_figures]
            found = found._replace(quantiles=found.quantiles[..., wanted])
        counted = _counted(point, quantiles, batch, deviation, is_log)
        host = {name: one.to_host() for name, one in counted.items()}
        sums = merge_metrics(sums, host) if sums else host
        truth = np.where(batch.weight > 0, batch.targets, np.nan).astype(np.float64)
        truths.append(np.moveaxis(truth, 1, 0))
        parts.append(found)
    ends = [part.quantiles for part in parts if part.quantiles is not None]
    point = np.concatenate([part.point for part in parts])
    return _Found(point, np.concatenate(ends) if ends else None, np.concatenate(truths), sums)


@functools.partial(jax.jit, static_argnums=4)
def _counted(
    point: Any, quantiles: Any, batch: Any, deviation: Any, is_log: bool
) -> dict[str, Any]:
    units = Units(batch.center, batch.scale, is_log)
    facts = Facts(batch.weight, batch.naive_error, deviation, batch.reference)
    return forecasts.count(point, batch.targets, units, facts, quantiles)


def _check(use: Any, kind: Any, interval: float, **sizes: int | None) -> None:
    if kind not in get_args(Intervals):
        raise ConfigError(f"intervals: one of {', '.join(get_args(Intervals))}, not {kind!r}")
    if kind == "head" and not use.model.head.is_distribution:
        name = type(use.model.head).__name__
        raise ConfigError(f"intervals: the head {name} has none: take 'split' or 'adaptive'")
    if not 0 < interval < 1:
        raise ConfigError(f"interval lies between 0 and 1, not {interval}")
    for name, value in sizes.items():
        if value is not None and (not isinstance(value, int) or value < 1):
            raise ConfigError(f"{name} must be a whole number of at least 1, got {value}")


def _stamps(panel: Panel, stamps: np.ndarray) -> pa.Array:
    """Time stamps as a column: instants with their zone."""
    found = pa.array(stamps)
    clock, zone = panel.schema.clock, panel.schema.zone
    return found.cast(pa.timestamp("us", zone)) if clock and zone else found
