"""Why a forecast is what it is: the contribution of every value that was read."""

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from lstm_jax.config.values import suggestion
from lstm_jax.errors import ConfigError
from lstm_jax.inference.forecasting import windows_of
from lstm_jax.inference.integrated_gradients import integrate
from lstm_jax.modules import Graph, merge, split
from lstm_jax.types import Array, Params

if TYPE_CHECKING:
    import matplotlib.figure

_POINTS = 16
"""Points of the path that are computed side by side."""


@dataclasses.dataclass(frozen=True, eq=False)
class ForecastExplanation:
    """What the values and covariates of a window contribute to one number of its forecast.

    Attributes:
        item: the name of the series.
        target: what is explained, in words: the channel, the step, the quantile.
        stamps: of the steps of the context.
        inputs: the names of what is read at each step: channels, then covariates.
        values: [context, channels], in the units of the data.
        contributions: [context, inputs], integrated gradients in the units of the data (where
            these are scaled by logarithms, of the logarithm). With `future` they add up to
            `forecast - baseline`, up to `error`.
        future: [horizon, known inputs], of what was known of the horizon.
        forecast: the number that is explained.
        baseline: the same for a window at the mean of training, covariates at theirs.
    """

    item: str
    target: str
    stamps: tuple[str, ...]
    inputs: tuple[str, ...]
    values: Float[np.ndarray, "context channels"]
    contributions: Float[np.ndarray, "context inputs"]
    future: Float[np.ndarray, "horizon known"]
    forecast: float
    baseline: float

    @property
    def error(self) -> float:
        """The sum of the contributions minus the change of the forecast: completeness."""
        total = self.contributions.sum() + self.future.sum()
        return float(total - (self.forecast - self.baseline))

    def plot(self) -> "matplotlib.figure.Figure":
        """The series above a heat map of contributions over time and input."""
        from matplotlib.figure import Figure  # which takes a second

        steps, inputs = self.contributions.shape
        figure = Figure(figsize=(10, 3.5 + 0.25 * inputs), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1 + 0.2 * inputs))
        for channel, name in enumerate(self.inputs[: self.values.shape[1]]):
            above.plot(np.arange(steps), self.values[:, channel], label=name, linewidth=1)
        above.legend(frameon=False, fontsize=8, ncols=4)
        above.set_title(
            f"{self.item}: {self.target} is {self.forecast:.4g}, {self.baseline:.4g} at the mean",
            fontsize=9,
            parse_math=False,
        )
        most = float(np.abs(self.contributions).max()) or 1.0
        picture = below.imshow(
            self.contributions.T, aspect="auto", cmap="RdBu_r", vmin=-most, vmax=most
        )
        below.set_yticks(np.arange(inputs), self.inputs, fontsize=7)
        ticks = np.linspace(0, steps - 1, min(steps, 5)).astype(int)
        below.set_xticks(ticks, [self.stamps[tick] for tick in ticks], fontsize=7)
        figure.colorbar(picture, ax=below, label="contribution")
        return figure


def explain_forecast(
    task: Any,
    use: Any,
    given: Any,
    *,
    item: str | None = None,
    channel: str | None = None,
    step: int = 1,
    quantile: float | None = None,
    tolerance: float = 0.001,
) -> ForecastExplanation:
    """What each value of the context contributes to a number of the forecast behind a series' end.

        run.explain("last_week.csv", step=24, quantile=0.9).plot()

    By integrated gradients along the straight line from a window at the mean of training, whose
    covariates are at theirs, to the window (Sundararajan, Taly and Yan 2017).

    Args:
        task: the forecaster's.
        use: a trained model; a run gives it by itself.
        given: what `run.forecast` takes.
        item: the name of the series; the first, if not given.
        channel: the name of what is forecast; the first, if not given.
        step: of the horizon, from 1 on.
        quantile: its level; the point forecast, if not given.
        tolerance: how far the contributions may be from adding up to the change of the forecast,
            relative to it or, if that is larger, to 1 in scaled values.

    Raises:
        ConfigError: there is no such item, channel, step or quantile.
        DataError: as `run.forecast`.
    """
    pre, model = use.preprocessor, use.model
    if not 1 <= step <= pre.horizon:
        raise ConfigError(f"step: the horizon has 1 to {pre.horizon}, not {step}")
    if quantile is not None:
        model.head.check_levels((quantile,))
    panel = use.data.source.panel_of(given, pre.schema)
    number = _place("item", panel.items, item)
    which = _place("channel", pre.schema.values, channel)
    windows = windows_of(task, use, panel)
    rows = np.array([number])
    batch = windows.batch(rows, windows.lengths[rows], np.zeros(1, int), 1, with_targets=False)
    graph, params = split(model)
    levels = () if quantile is None else (quantile,)
    (center,), (scale,) = windows.scaling_at(rows, windows.lengths[rows])
    is_centred = not pre.scaling.log and pre.scaling.kind not in ("none", "mean_absolute")
    mean = np.zeros(pre.channels) if is_centred else batch.values.mean(axis=(0, 1))
    at_points = functools.partial(
        _gradients, graph, params, batch, mean.astype(np.float32), (step - 1, which), levels
    )
    shapes = [getattr(batch, name)[:, 0].shape for name in ("values", "covariates", "future")]

    def flat(at: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, Array]:
        found, outputs = at_points(at, weight)
        return np.concatenate([np.asarray(one, np.float64).reshape(-1) for one in found]), outputs

    found = integrate(flat, _POINTS, tolerance, "forecast")
    cuts = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
    parts = np.split(found.contributions * scale[which], cuts)
    values, covariates, future = (
        part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)
    )
    ends = [one * scale[which] + center[which] for one in (found.output, found.baseline)]
    name = pre.schema.values[which]
    said = "forecast" if quantile is None else f"quantile {quantile:g}"
    first = int(windows.lengths[number]) - pre.context
    return ForecastExplanation(
        panel.items[number],
        f"the {said} of {name}, step {step}",
        tuple(panel.schema.texts(panel.times(number, first, pre.context))),
        (*pre.schema.values, *pre.covariate_names),
        batch.values[:, 0].astype(np.float64) * scale + center,
        np.concatenate([values, covariates], axis=1),
        future,
        *ends,
    )


def _place(what: str, names: tuple[str, ...], name: str | None) -> int:
    if name is not None and name not in names:
        raise ConfigError(f"{what}: there is no {name!r}{suggestion(name, names)}")
    return 0 if name is None else names.index(name)


@functools.partial(jax.jit, static_argnums=(0, 4, 5))
def _gradients(
    graph: Graph,
    params: Params,
    batch: Any,
    mean: Float[Array, " channels"],
    which: tuple[int, int],
    levels: tuple[float, ...],
    at: Float[Array, " points"],
    weights: Float[Array, " points"],
) -> tuple[tuple[Array, Array, Array], Float[Array, " points"]]:
    """The weighted contributions at points of the path, and the forecasts there."""
    model = merge(graph, params)
    batch = jax.tree.map(jnp.asarray, batch)
    points = len(at)
    many = batch.take(np.zeros(points, int))
    ways = batch.values - mean, batch.covariates, batch.future
    path = tuple(
        end - way + at[None, :, None] * way
        for end, way in zip((batch.values, batch.covariates, batch.future), ways, strict=True)
    )
    keys = jax.vmap(lambda place: jax.random.fold_in(jax.random.key(0), place))(many.place)
    step, channel = which

    def outputs(path: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        moved = many._replace(values=path[0], covariates=path[1], future=path[2])
        found = model.forecast(moved, levels, keys)
        values = found.quantiles[..., 0] if levels else found.point
        return (weights * values[step, :, channel]).sum(), values[step, :, channel]

    slopes, values = jax.grad(outputs, has_aux=True)(path)
    found = [(slope * way).sum(axis=1) for slope, way in zip(slopes, ways, strict=True)]
    return (found[0], found[1], found[2]), values
