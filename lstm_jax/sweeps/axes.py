"""The axes of a sweep's pictures: where the values of a name and the metric lie on them."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.ticker import LogLocator, MaxNLocator

from lstm_jax.sweeps.results import SweepRun, TrialResult
from lstm_jax.sweeps.space import short_names, show_value

HUGE = 1e100
"""Metrics beyond it are treated like infinite ones: matplotlib would overflow."""
_LOG_FROM = 5.0
"""The metric's scale is logarithmic where the largest value is this many times the smallest."""
ABSENT = "0.75"
"""The colour of trials in which a name is inactive."""
DISCRETE = 10
"""Choices that have a colour of their own; more have neighbouring ones."""
LONGEST = 20
"""Characters of a choice on an axis."""


@dataclasses.dataclass(frozen=True)
class Axis:
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
    """Where values beyond the worse end are marked, on the scale on which the axis is 0 ... 1."""

    @property
    def norm(self) -> Normalize:
        """From the values to 0 ... 1, on which it also puts what lies outside."""
        pad = (0.1 * abs(self.low) or 1.0) if self.low == self.high else 0.0
        kind = LogNorm if self.is_log else Normalize
        return kind(self.low - pad, self.high + pad, clip=True)

    def places(self, trials: Iterable[TrialResult]) -> np.ndarray:
        """Those of several trials."""
        return np.array([self.place(one) for one in trials], float)

    def shows(self, values: Any) -> Any:
        """Whether they lie between the ends."""
        return (self.low <= values) & (values <= self.high)

    def ticks(self) -> dict[int | float, str]:
        """The places that have a label, and what it says."""
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
        """What tells a value from others where it has no place on an axis."""
        if math.isnan(place):
            return ABSENT
        if 0 < len(self.texts) <= DISCRETE:
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


def metric_axis(sweep: SweepRun, metrics: Iterable[float | None]) -> Axis:
    """The metric's axis, without outliers at the worse end, which would squash everything else.

    They are what Tukey (1977) calls far out: three interquartile ranges beyond the quartiles.
    """
    values = np.array([*metrics], float)
    values = np.sort(values[np.abs(values) < HUGE])
    sizes = (np.log(values) if _is_wide(values) else values) * (
        1 if sweep.score.direction == "min" else -1
    )
    lower, upper = np.percentile(sizes, [25, 75])
    if upper > lower:
        values = values[sizes <= upper + 3 * (upper - lower)]
    label = sweep.metric.replace("/", " ").replace("_", " ")
    border = 1.06 if sweep.score.direction == "min" else -0.06
    return Axis(
        label, metric_of, float(values[0]), float(values[-1]), _is_wide(values), border=border
    )


def _is_wide(values: np.ndarray) -> bool:
    """Whether ascending values are better shown by their logarithms."""
    return bool(values[0] > 1 / HUGE and values[-1] > _LOG_FROM * values[0])


def name_axes(sweep: SweepRun, trials: Sequence[TrialResult]) -> list[Axis]:
    """The axes of the names that have a value in one of the trials."""
    shorts, axes = short_names(sweep.definition.space), []
    for name, text in sweep.definition.space.items():
        if values := [one.values[name] for one in trials if name in one.values]:
            axes.append(_axis_of(name, shorts[name], text.partition(" when ")[0], values))
    return axes


def _axis_of(name: str, label: str, distribution: str, values: Sequence[Any]) -> Axis:
    if not distribution.startswith("Choice") and all(type(one) in (int, float) for one in values):
        low, high = min(values), max(values)
        is_log = distribution.startswith("LogUniform") or "log=True" in distribution
        return Axis(label, lambda one: one.values.get(name, math.nan), low, high, is_log)

    def rank(value: Any) -> tuple[bool, int | float, str]:
        is_number = type(value) in (int, float)
        return not is_number, value if is_number else 0.0, repr(value)

    # By their text, for 1, 1.0 and True are equal.
    keys = {repr(value): value for value in sorted(values, key=rank)}
    texts = _shorten([show_value(one) for one in keys.values()])
    places = {key: float(place) for place, key in enumerate(keys)}

    def place(one: TrialResult) -> float:
        return places[repr(one.values[name])] if name in one.values else math.nan

    return Axis(label, place, -0.5, len(keys) - 0.5, texts=texts)


def _shorten(texts: Sequence[str]) -> list[str]:
    """Texts that fit on an axis, and differ where the whole ones do."""
    cuts: list[Callable[[str], str]] = [
        lambda text: text.partition("(")[0][:LONGEST],
        lambda text: f"{text[: LONGEST - 1]}…",
        lambda text: f"{text[:6]}…{text[7 - LONGEST :]}",
    ]
    short = list(texts)
    for cut in cuts:
        short = [text if len(text) <= LONGEST else cut(text) for text in texts]
        if len(set(short)) == len(set(texts)):
            break
    return [text.replace("$", r"\$") for text in short]  # or it were a formula


def is_sane(metric: float | None) -> bool:
    """Whether it is a number that can be drawn; infinity and NaN are none."""
    return metric is not None and abs(metric) < HUGE


def metric_of(trial: TrialResult) -> float:
    """The metric, NaN where a trial has none."""
    return math.nan if trial.metric is None else trial.metric
