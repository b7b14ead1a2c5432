"""Pictures of a sweep: what its trials came to, and what made the difference.

Each function returns a figure, or None where there is nothing to draw yet.
"""

import collections
import logging
import math
from collections.abc import Iterable

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lstm_jax.errors import RunDirectoryError
from lstm_jax.sweeps.axes import (
    ABSENT,
    DISCRETE,
    HUGE,
    LONGEST,
    Axis,
    is_sane,
    metric_axis,
    metric_of,
    name_axes,
)
from lstm_jax.sweeps.results import SweepRun, TrialResult
from lstm_jax.sweeps.space import short_names
from lstm_jax.sweeps.trials import State

_log = logging.getLogger(__name__)

_WORSE = "worse than shown"
_MARKS = {
    State.COMPLETE: {"marker": "o", "color": "tab:blue"},
    State.PRUNED: {"marker": "x", "color": "0.55"},
    State.DIVERGED: {"marker": "X", "color": "tab:red"},
    _WORSE: {"marker": "^", "color": "tab:blue"},
}


def history(sweep: SweepRun) -> Figure | None:
    """The metric of each trial by number, and the best so far as a line."""
    trials, metric = _ended(sweep)
    if metric is None:
        return None
    figure = Figure(figsize=(8.0, 4.2), layout="constrained")
    axes = figure.add_subplot(xlabel="trial")
    _draw_trials(axes, [one.number for one in trials], trials, metric)
    complete = [one for one in trials if one.state is State.COMPLETE and is_sane(one.metric)]
    if complete:
        better = np.minimum if sweep.score.direction == "min" else np.maximum
        best = better.accumulate(metric.places(complete))
        numbers = [*(one.number for one in complete), trials[-1].number]
        line = {"where": "post", "color": "tab:orange", "label": "best so far", "zorder": 1}
        axes.step(numbers, [*best, best[-1]], **line)
    axes.set_xlim(-0.5, trials[-1].number + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    _draw_legend(figure)
    return figure


def slices(sweep: SweepRun) -> Figure | None:
    """The metric over the values of each name, with the standard deviation of several seeds."""
    trials, metric = _ended(sweep)
    names = name_axes(sweep, trials)
    if metric is None or not names:
        return None
    figure, panels = _panels(len(names))
    for axes, name in zip(panels, names, strict=True):
        active = [one for one in trials if not math.isnan(name.place(one))]
        _draw_trials(axes, name.places(active), active, metric)
        name.show(axes, "x")
        if sum(map(len, name.texts)) > 2 * LONGEST:
            for label in axes.get_xticklabels():
                label.set(rotation=35, ha="right", rotation_mode="anchor")
    _draw_legend(figure)
    return figure


def parallel_coordinates(sweep: SweepRun) -> Figure | None:
    """A line for each trial that is complete, through its values and its metric."""
    trials = [one for one in reversed(sweep.ranked()) if is_sane(one.metric)]
    names = name_axes(sweep, trials)
    if not names:
        return None
    metric = metric_axis(sweep, [one.metric for one in trials])
    scales = [*names, metric]
    heights = np.stack([np.ma.filled(one.norm(one.places(trials)), np.nan) for one in scales])
    heights[-1] = np.where(metric.shows(metric.places(trials)), heights[-1], metric.border)
    inactive = -0.13
    lines = [[*enumerate(line)] for line in np.where(np.isnan(heights), inactive, heights).T]
    colors = colormaps["viridis" if sweep.score.direction == "min" else "viridis_r"](heights[-1])
    colors[:-1, 3] = np.clip(100 / len(trials), 0.15, 0.8)  # many lines would hide each other
    widths = [1.0] * (len(trials) - 1) + [3.0]
    figure = Figure(figsize=(max(7.0, 1.7 * len(scales)), 4.8), layout="constrained")
    axes = figure.add_subplot(xlim=(-0.2, len(scales) - 0.4), ylim=(-0.2, 1.06))
    axes.add_collection(LineCollection(lines, colors=colors, linewidths=widths))
    for place, (scale, column) in enumerate(zip(scales, heights, strict=True)):
        axes.axvline(place, color="0.3", linewidth=0.8)
        ticks = {float(scale.norm(value)): text for value, text in scale.ticks().items()}
        ticks |= {inactive: "inactive"} if np.isnan(column).any() else {}
        ticks |= {scale.border: "worse"} if scale.border in column else {}
        box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8}
        for height, text in ticks.items():
            axes.plot(place, height, marker="_", color="0.3")
            axes.text(place + 0.05, height, text, va="center", fontsize=8, bbox=box)
    axes.set_xticks(range(len(scales)), [one.label for one in scales], rotation=20, ha="right")
    axes.yaxis.set_visible(False)
    axes.spines[:].set_visible(False)
    axes.set_title(f"the best, trial {trials[-1].number}, is the thick line", fontsize=10)
    return figure


def learning_curves(sweep: SweepRun) -> Figure | None:
    """The metric of each trial's first run over training, coloured by the value of each name."""
    found = ((one, _curve(sweep, one)) for one in sweep.trials)
    curves = [(one, *curve) for one, curve in found if len(curve[0])]
    names = name_axes(sweep, [one for one, *_ in curves])
    if not names:
        return None
    metric = metric_axis(sweep, np.concatenate([values for *_, values in curves]))
    figure, panels = _panels(len(names))
    for axes, name in zip(panels, names, strict=True):
        is_discrete = 0 < len(name.texts) <= DISCRETE
        texts = name.texts if is_discrete else ()
        entries = {text: name.color(place) for place, text in enumerate(texts)}
        for trial, steps, values in curves:
            place = name.place(trial)
            if math.isnan(place):
                entries["inactive"] = ABSENT
            values = np.clip(values, metric.low, metric.high)
            (line,) = axes.plot(steps, values, color=name.color(place), linewidth=1)
            line.set(marker="." if len(steps) == 1 else "", zorder=1 if math.isnan(place) else 2)
        axes.set(xlabel="training step", title=name.label)
        metric.show(axes, "y")
        handles = [Line2D([], [], color=color, label=text) for text, color in entries.items()]
        if handles:
            corner = "upper right" if sweep.score.direction == "min" else "lower right"
            axes.legend(handles=handles, loc=corner, frameon=False, fontsize=8)
        if not is_discrete:
            ticks = name.ticks()
            bar = figure.colorbar(ScalarMappable(name.norm, "viridis"), ax=axes, ticks=[*ticks])
            bar.set_ticks([*ticks], labels=[*ticks.values()], minor=False)
            bar.minorticks_off()
    return figure


def importances(sweep: SweepRun) -> Figure | None:
    """The share of each name in the differences between trials."""
    shares = sweep.importances()
    if not shares:
        return None
    figure = Figure(figsize=(7.0, 1.1 + 0.35 * len(shares)), layout="constrained")
    axes = figure.add_subplot(xlabel="importance (%)")
    shorts = short_names(sweep.definition.space)
    percents = [100 * share for share in shares.values()]
    bars = axes.barh([shorts[name] for name in shares], percents, height=0.6)
    axes.bar_label(bars, [f"{percent:.0f}" for percent in percents], padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _ended(sweep: SweepRun) -> tuple[list[TrialResult], Axis | None]:
    """The trials that are marked in pictures, and the metric's axis if one has a metric."""
    trials = [one for one in sweep.trials if one.state in _MARKS]
    metrics = [one.metric for one in trials if one.state is not State.DIVERGED]
    return trials, metric_axis(sweep, metrics) if any(map(is_sane, metrics)) else None


def _draw_trials(
    axes: Axes, places: Iterable[int | float], trials: list[TrialResult], metric: Axis
) -> None:
    """Marks trials; at the border those that diverged or are worse than the axis shows."""
    border = float(metric.norm.inverse(metric.border))
    points = collections.defaultdict[str, list[tuple[float, float]]](list)
    for place, one in zip(places, trials, strict=True):
        height = metric_of(one)
        is_shown = one.state is not State.DIVERGED and metric.shows(height)
        kind = _WORSE if one.state is State.COMPLETE and not is_shown else one.state
        points[kind].append((place, height if is_shown else border))
        if is_shown and one.summary is not None and one.summary.std is not None:
            axes.errorbar(place, height, one.summary.std, color=_MARKS[kind]["color"], zorder=1)
    for kind, found in points.items():
        turned = {"marker": "v"} if kind == _WORSE and border < metric.low else {}
        axes.scatter(*np.transpose(found), label=kind, **(_MARKS[kind] | turned))
    metric.show(axes, "y")


def _draw_legend(figure: Figure) -> None:
    drawn = (axes.get_legend_handles_labels() for axes in figure.axes)
    handles = {label: handle for pair in drawn for handle, label in zip(*pair, strict=True)}
    figure.legend([*handles.values()], [*handles], loc="outside lower center", ncols=5)


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(4.6 * columns, 3.5 * rows), layout="constrained")
    return figure, [figure.add_subplot(rows, columns, place + 1) for place in range(count)]


def _curve(sweep: SweepRun, trial: TrialResult) -> tuple[np.ndarray, np.ndarray]:
    """Steps and finite values of the metric, as the first run logged them."""
    try:
        columns = trial.metrics.get(sweep.definition.split, {})
    except RunDirectoryError as error:
        _log.warning("left out of the picture: %s", error)
        columns = {}
    values = columns.get(sweep.score.metric, np.array([]))
    finite = np.abs(values) < HUGE
    return columns.get("step", values)[: len(values)][finite], values[finite]
