"""Pictures of a sweep: what its trials came to, and what made the difference.

Each function returns a figure, or None where there is nothing to draw yet.
"""

import collections
import dataclasses
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator

from lstm_jax.errors import RunDirectoryError
from lstm_jax.sweeps.results import SweepRun, TrialResult, show_value
from lstm_jax.sweeps.trials import State

_log = logging.getLogger(__name__)

_WORSE = "worse than shown"
_MARKS = {
    State.COMPLETE: {"marker": "o", "color": "tab:blue"},
    State.PRUNED: {"marker": "x", "color": "0.55"},
    State.DIVERGED: {"marker": "X", "color": "tab:red"},
    _WORSE: {"marker": "^", "color": "tab:blue"},
}
_LOG_METRIC_FROM, _LOG_VALUES_FROM = 5.0, 20.0
"""A scale is logarithmic where the largest value is this many times the smallest."""
_HUGE = 1e100
"""Metrics beyond it are treated like infinite ones: matplotlib would overflow."""
_ABSENT = "0.75"
"""The colour of trials in which a name is inactive."""
_DISCRETE = 10
"""Choices that have a colour of their own; more have neighbouring ones."""
_LONGEST = 20
"""Characters of a choice on an axis."""


def history(sweep: SweepRun) -> Figure | None:
    """The metric of each trial by number, and the best so far as a line."""
    trials, metric = _ended(sweep)
    if metric is None:
        return None
    figure = Figure(figsize=(8.0, 4.2), layout="constrained")
    axes = figure.add_subplot(xlabel="trial")
    _draw_trials(axes, [one.number for one in trials], trials, metric)
    complete = [one for one in trials if one.state is State.COMPLETE and _is_sane(one.metric)]
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
    names = _names(sweep, trials)
    if metric is None or not names:
        return None
    figure, panels = _panels(len(names))
    for axes, name in zip(panels, names, strict=True):
        active = [one for one in trials if not math.isnan(name.place(one))]
        _draw_trials(axes, name.places(active), active, metric)
        name.show(axes, "x")
        if sum(map(len, name.texts)) > 2 * _LONGEST:
            for label in axes.get_xticklabels():
                label.set(rotation=35, ha="right", rotation_mode="anchor")
    _draw_legend(figure)
    return figure


def parallel_coordinates(sweep: SweepRun) -> Figure | None:
    """A line for each trial that is complete, through its values and its metric."""
    trials = [one for one in reversed(sweep.ranked()) if _is_sane(one.metric)]
    names = _names(sweep, trials)
    if not names:
        return None
    metric = _metric(sweep, [one.metric for one in trials])
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
    names = _names(sweep, [one for one, *_ in curves])
    if not names:
        return None
    metric = _metric(sweep, np.concatenate([values for *_, values in curves]))
    figure, panels = _panels(len(names))
    for axes, name in zip(panels, names, strict=True):
        is_discrete = 0 < len(name.texts) <= _DISCRETE
        texts = name.texts if is_discrete else ()
        entries = {text: name.color(place) for place, text in enumerate(texts)}
        for trial, steps, values in curves:
            place = name.place(trial)
            if math.isnan(place):
                entries["inactive"] = _ABSENT
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


def short_names(names: Iterable[str]) -> dict[str, str]:
    """The last part of each dotted name, where no other has the same.

    >>> short_names(["task.layers", "cell.size", "head.size"])
    {'task.layers': 'layers', 'cell.size': 'cell.size', 'head.size': 'head.size'}
    """
    lasts = {name: name.rpartition(".")[2] for name in names}
    counts = collections.Counter(lasts.values())
    return {name: last if counts[last] == 1 else name for name, last in lasts.items()}


@dataclasses.dataclass(frozen=True)
class _Axis:
    """Where the values of a name, or the metric, lie on an axis."""

    label: str
    place: Callable[[TrialResult], float]
    """NaN where a trial has no value."""
    low: int | float
    high: int | float
    is_log: bool = False
    texts: Sequence[str] = ()
    """Of choices, which lie at 0, 1, ..."""
    border: float = 1.06
    """Beyond 0 ... 1, where that lies which is worse than all between `low` and `high`."""

    @property
    def norm(self) -> Normalize:
        """From the values to 0 ... 1, on which it also puts what lies outside."""
        pad = (0.1 * abs(self.low) or 1.0) if self.low == self.high else 0.0
        kind = LogNorm if self.is_log else Normalize
        return kind(self.low - pad, self.high + pad, clip=True)

    def places(self, trials: Iterable[TrialResult]) -> np.ndarray:
        return np.array([self.place(one) for one in trials], float)

    def shows(self, values: Any) -> Any:
        """Whether they lie between the ends."""
        return (self.low <= values) & (values <= self.high)

    def ticks(self) -> dict[int | float, str]:
        if self.texts:
            return dict(enumerate(self.texts))
        if self.low == self.high:
            return {self.low: f"{self.low:.4g}"}
        subs = (1.0, 2.0, 5.0) if self.high < 300 * self.low else (1.0,)
        locator = LogLocator(subs=subs)
        if not (self.is_log and self.high >= 10 * self.low):
            whole = isinstance(self.low, int) and isinstance(self.high, int)
            locator = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10], integer=whole)
        places = locator.tick_values(self.low, self.high)
        return {float(x): f"{x:g}" for x in places if self.low <= x <= self.high}

    def color(self, place: int | float) -> Any:
        if math.isnan(place):
            return _ABSENT
        if 0 < len(self.texts) <= _DISCRETE:
            return colormaps["tab10"](int(place))
        return colormaps["viridis"](float(self.norm(place)))

    def show(self, axes: Axes, side: str) -> None:
        """Makes it the x or the y axis of a panel."""
        limits = [float(self.norm.inverse(end)) for end in (-0.1, 1.1)]
        scale = "log" if self.is_log else "linear"
        axes.set(**{f"{side}scale": scale, f"{side}lim": limits, f"{side}label": self.label})
        ticks = self.ticks()
        axes.set(**{f"{side}ticks": [*ticks], f"{side}ticklabels": [*ticks.values()]})
        axes.minorticks_off()


def _ended(sweep: SweepRun) -> tuple[list[TrialResult], _Axis | None]:
    """The trials that are marked in pictures, and the metric's axis if one has a metric."""
    trials = [one for one in sweep.trials if one.state in _MARKS]
    metrics = [one.metric for one in trials if one.state is not State.DIVERGED]
    return trials, _metric(sweep, metrics) if any(map(_is_sane, metrics)) else None


def _metric(sweep: SweepRun, metrics: Iterable[float | None]) -> _Axis:
    """The metric's axis, without outliers at the worse end, which would squash everything else.

    They are what Tukey (1977) calls far out: three interquartile ranges beyond the quartiles.
    """
    values = np.array([*metrics], float)
    values = np.sort(values[np.abs(values) < _HUGE])
    is_log = values[0] > 1 / _HUGE and values[-1] > _LOG_METRIC_FROM * values[0]
    sizes = (np.log(values) if is_log else values) * (1 if sweep.score.direction == "min" else -1)
    lower, upper = np.percentile(sizes, [25, 75])
    if upper > lower:
        values = values[sizes <= upper + 3 * (upper - lower)]
    is_log = values[0] > 1 / _HUGE and values[-1] > _LOG_METRIC_FROM * values[0]
    label = sweep.metric.replace("/", " ").replace("_", " ")
    border = 1.06 if sweep.score.direction == "min" else -0.06
    return _Axis(
        label, _metric_of, float(values[0]), float(values[-1]), bool(is_log), border=border
    )


def _names(sweep: SweepRun, trials: Sequence[TrialResult]) -> list[_Axis]:
    """The axes of the names that have a value in one of the trials."""
    shorts, axes = short_names(sweep.definition.space), []
    for name, text in sweep.definition.space.items():
        if values := [one.values[name] for one in trials if name in one.values]:
            axes.append(_axis_of(name, shorts[name], text.partition(" when ")[0], values))
    return axes


def _axis_of(name: str, label: str, distribution: str, values: Sequence[Any]) -> _Axis:
    if not distribution.startswith("Choice") and all(type(one) in (int, float) for one in values):
        low, high = min(values), max(values)
        is_meant = distribution.startswith("LogUniform") or "log=True" in distribution
        is_log = low > 0 and (is_meant or high > _LOG_VALUES_FROM * low)
        return _Axis(label, lambda one: one.values.get(name, math.nan), low, high, is_log)

    def rank(value: Any) -> tuple[bool, int | float, str]:
        is_number = type(value) in (int, float)
        return not is_number, value if is_number else 0.0, repr(value)

    # By their text, for 1, 1.0 and True are equal.
    keys = {repr(value): value for value in sorted(values, key=rank)}
    texts = _shorten(["none" if one is None else show_value(one) for one in keys.values()])
    places = {key: float(place) for place, key in enumerate(keys)}

    def place(one: TrialResult) -> float:
        return places[repr(one.values[name])] if name in one.values else math.nan

    return _Axis(label, place, -0.5, len(keys) - 0.5, texts=texts)


def _draw_trials(
    axes: Axes, places: Iterable[int | float], trials: list[TrialResult], metric: _Axis
) -> None:
    """Marks trials; at the border those that diverged or are worse than the axis shows."""
    border = float(metric.norm.inverse(metric.border))
    points = collections.defaultdict[str, list[tuple[float, float]]](list)
    for place, one in zip(places, trials, strict=True):
        height = _metric_of(one)
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
    split, _, name = sweep.metric.partition("/")
    try:
        columns = trial.metrics.get(split, {})
    except RunDirectoryError as error:
        _log.warning("left out of the picture: %s", error)
        columns = {}
    values = columns.get(name, np.array([]))
    finite = np.abs(values) < _HUGE
    return columns.get("step", values)[: len(values)][finite], values[finite]


def _shorten(texts: Sequence[str]) -> list[str]:
    """Texts that fit on an axis, and differ where the whole ones do."""
    cuts: list[Callable[[str], str]] = [
        lambda text: text.partition("(")[0][:_LONGEST],
        lambda text: f"{text[: _LONGEST - 1]}…",
        lambda text: f"{text[:6]}…{text[7 - _LONGEST :]}",
    ]
    short = list(texts)
    for cut in cuts:
        short = [text if len(text) <= _LONGEST else cut(text) for text in texts]
        if len(set(short)) == len(set(texts)):
            break
    return [text.replace("$", r"\$") for text in short]  # or it were a formula


def _is_sane(metric: float | None) -> bool:
    """Whether it is a number that can be drawn; infinity and NaN are none."""
    return metric is not None and abs(metric) < _HUGE


def _metric_of(trial: TrialResult) -> float:
    return math.nan if trial.metric is None else trial.metric
