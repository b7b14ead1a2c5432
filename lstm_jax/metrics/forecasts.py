"""Figures of forecasts: of all values, and of each step of the horizon.

Every figure is a ratio of sums over values, so that it is the same however windows are batched; a
value that was not observed counts nowhere.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from lstm_jax.metrics.means import Mean, Metric, Sum
from lstm_jax.types import Array

GRID = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""Levels whose pinball losses the continuous ranked probability score is the mean of."""
INTERVAL = 0.9
"""Nominal share of values within the interval of `coverage` and `width`."""
_SCORED = 0.95
"""That of the interval which MSIS scores, as in the M4 competition."""
LEAST = 1e-6
"""The least value whose logarithm is taken."""
LEVELS = (0.025, *GRID, 0.975)
"""All levels that figures are computed of."""
_LOWER, _UPPER = LEVELS.index(0.05), LEVELS.index(0.95)


class Units(NamedTuple):
    """How scaled values become values in the units of the data: `scaled * scale + center`.

    Axes are those of what a forecast ends with, [batch, channels] as a rule.
    """

    center: Array
    scale: Array
    is_log: bool = False
    """Whether these are logarithms of values."""

    def values(self, scaled: Array) -> Array:
        """In the units of the data."""
        linear = scaled * self.scale + self.center
        return jnp.exp(linear) if self.is_log else linear

    def scaled(self, values: Array) -> Array:
        """What `values` makes these of. Zero has no logarithm: it counts as 1e-6, and all below."""
        if self.is_log:
            values = jnp.log(jnp.maximum(values, LEAST))
        return (values - self.center) / self.scale

    def difference(self, one: Array, other: Array) -> Array:
        """`values(one) - values(other)`, which loses no digits where the level is high."""
        if self.is_log:
            return self.values(one) - self.values(other)
        return (one - other) * self.scale


class Facts(NamedTuple):
    """What is known of windows beside their values."""

    weight: Float[Array, "horizon batch channels"]
    """1 where there is a value, 0 where there is none."""
    naive_error: Float[Array, "batch channels"]
    """What scaled errors are divided by (Hyndman and Koehler 2006), in the units of the data; 0
    where it is not known or a series is constant: MASE and MSIS leave such a series out."""
    deviation: Float[Array, " channels"]
    """What errors in the units of the data are divided by: 1, or the deviation of training."""
    reference: Float[Array, "batch 2"] | None = None
    """sMAPE and MASE of Naive2 on each window, which OWA is relative to; NaN in a row without."""


def count(
    point: Float[Array, "horizon batch channels"],
    target: Float[Array, "horizon batch channels"],
    units: Units,
    facts: Facts,
    quantiles: Float[Array, "horizon batch channels levels"] | None = None,
) -> dict[str, Metric]:
    """The sums of a batch that `summarize` makes figures of.

    Args:
        point: forecasts, scaled.
        target: what came, scaled.
        units: of the scaled values.
        facts: of the windows.
        quantiles: of `LEVELS`, scaled; none for a forecast without a distribution.
    """
    weight = facts.weight
    error = jnp.abs(units.difference(point, target))
    sizes = jnp.abs(units.values(point)) + jnp.abs(units.values(target))
    deviation = facts.deviation
    naive, known = _divisor(facts.naive_error)
    percentage = 200 * error / jnp.where(sizes == 0, jnp.ones_like(sizes), sizes)
    columns = {
        "values": jnp.ones_like(error),
        "absolute": error / deviation,
        "squared": (error / deviation) ** 2,
        "absolute_in_units": error,
        "squared_in_units": error**2,
        "percentage": percentage,
        "scaled": known * error / naive,
        "with_scale": known * jnp.ones_like(error),
    }
    if units.is_log:
        ratio = (target - point) * units.scale
        columns["qlike"] = jnp.expm1(ratio) - ratio
    if quantiles is not None:
        columns |= _of_quantiles(target, units, quantiles, deviation, naive, known)
    # A value that was not observed may be anything, NaN as well.
    sums = [jnp.where(weight > 0, column, 0).sum(axis=(1, 2)) for column in columns.values()]
    metrics: dict[str, Metric] = {
        f"by_step_{name}": Sum(total) for name, total in zip(columns, sums, strict=True)
    }
    windows = (weight.max(axis=(0, 2)) > 0).astype(point.dtype)
    metrics["windows"] = Sum(windows.sum())
    if facts.reference is not None:
        # Each figure over the values that it is of in the forecast as well.
        counted = {"smape": weight, "mase": weight * known}
        for place, (name, of) in enumerate(counted.items()):
            values = of.sum(axis=(0, 2))
            is_given = (values > 0) & jnp.isfinite(facts.reference[:, place])
            total = jnp.where(is_given, facts.reference[:, place] * values, 0).sum()
            metrics[f"reference_{name}"] = Mean(total, jnp.where(is_given, values, 0).sum())
    return metrics


def _divisor(naive_error: Array) -> tuple[Array, Array]:
    """What to divide by, and 1 where that means something."""
    is_known = jnp.isfinite(naive_error) & (naive_error > 0)
    return jnp.where(is_known, naive_error, 1), is_known.astype(naive_error.dtype)


def _of_quantiles(
    target: Array, units: Units, quantiles: Array, deviation: Array, naive: Array, known: Array
) -> dict[str, Array]:
    """The columns that a forecast with a distribution has beside the others."""

    def pinball(place: int) -> Array:
        """Of a level, in the units of the data."""
        beyond = units.difference(target, quantiles[..., place])
        return jnp.maximum(LEVELS[place] * beyond, (LEVELS[place] - 1) * beyond)

    grid = [pinball(place) for place in range(1, len(LEVELS) - 1)]
    lower, upper = quantiles[..., _LOWER], quantiles[..., _UPPER]
    within = (lower <= target) & (target <= upper)
    # The interval score of the level 1 - alpha is 2 / alpha times the pinball losses of its ends.
    score = 2 / (1 - _SCORED) * (pinball(0) + pinball(len(LEVELS) - 1))
    return {
        "crps": 2 * sum(grid) / len(grid) / deviation,
        "pinball_lower": grid[_LOWER - 1] / deviation,
        "pinball_upper": grid[_UPPER - 1] / deviation,
        "within": within.astype(target.dtype),
        "width": units.difference(upper, lower) / deviation,
        "interval_score": known * score / naive,
    }


def by_step(sums: dict[str, Any]) -> dict[str, np.ndarray]:
    """The figures of each step of the horizon, arrays [horizon]; NaN where nothing was counted.

    mae  = mean |y - f|              mse = mean (y - f)^2           rmse = sqrt(mse)
    smape = mean 200 |y - f| / (|y| + |f|)             (Makridakis et al. 2020; 0 for 0 / 0)
    mase = mean |y - f| / naive error of training           (Hyndman and Koehler 2006)
    crps = mean over levels 0.05 ... 0.95 of 2 pinball      (Gneiting and Raftery 2007)
    msis = mean interval score at 95% / naive error of training
    coverage, width: of the interval from the quantile 0.05 to the quantile 0.95
    qlike = mean y / f - log(y / f) - 1 where logarithms are scaled                  (Patton 2011)
    """
    total = {
        name.removeprefix("by_step_"): np.asarray(one.total, np.float64)
        for name, one in sums.items()
        if name.startswith("by_step_")
    }
    return _figures(total)


def summarize(sums: dict[str, Any], in_units: bool = False) -> dict[str, float]:
    """The figures of all values, of merged sums of `count`.

    Args:
        sums: of `count`, merged.
        in_units: whether to give errors in the units of the data beside those divided by the
            deviation of training.
    """
    total = {
        name.removeprefix("by_step_"): np.asarray(one.total, np.float64).sum()
        for name, one in sums.items()
        if name.startswith("by_step_")
    }
    # No values with a scale at all: figures that are NaN everywhere say nothing.
    found = {
        name: float(value)
        for name, value in _figures(total).items()
        if name not in ("mase", "msis") or total["with_scale"] > 0
    }
    if not in_units:
        found = {name: value for name, value in found.items() if not name.endswith("_in_units")}
    if "reference_smape" in sums and sums["reference_smape"].count and "mase" in found:
        references = (sums[f"reference_{name}"].compute() for name in ("smape", "mase"))
        found["owa"] = owa(found["smape"], found["mase"], *references)
    return found


def owa(smape: float, mase: float, reference_smape: float, reference_mase: float) -> float:
    """The overall weighted average of the M4 competition (Makridakis et al. 2020).

    A ratio of means over series, each relative to that of Naive2, not a mean of ratios.

    >>> owa(10.0, 1.0, 20.0, 2.0)
    0.5
    """
    return (smape / reference_smape + mase / reference_mase) / 2


def _figures(total: dict[str, Any]) -> dict[str, Any]:
    """Ratios of sums by their names."""

    def mean(name: str, of: str = "values") -> Any:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.divide(total[name], total[of])

    found = {"mse": mean("squared"), "mae": mean("absolute"), "rmse": np.sqrt(mean("squared"))}
    found |= {
        "mse_in_units": mean("squared_in_units"),
        "mae_in_units": mean("absolute_in_units"),
        "rmse_in_units": np.sqrt(mean("squared_in_units")),
        "smape": mean("percentage"),
        "mase": mean("scaled", "with_scale"),
    }
    if "qlike" in total:
        found["qlike"] = mean("qlike")
    if "crps" in total:
        found |= {name: mean(name) for name in ("crps", "pinball_lower", "pinball_upper")}
        found |= {"coverage": mean("within"), "width": mean("width")}
        found["msis"] = mean("interval_score", "with_scale")
    return found
