"""The picture of a run: what it logged, over its steps."""

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

_LOG_SCALE_FROM = 5.0
"""A metric whose largest value is this many times its smallest is drawn on a logarithmic scale."""
_COLORS = {"train": "tab:blue", "validation": "tab:orange"}


def draw_curves(metrics: Mapping[str, Mapping[str, np.ndarray]]) -> Figure | None:
    """A figure with one panel for each metric and one curve for each split; None if all is empty.

    A split that was measured once, as a test set is at the end, becomes a horizontal line.

    Args:
        metrics: arrays by split and name, with a column `step`, as `run_directory.read_metrics`
            returns them. Values that are not finite are left out.
    """
    names = [
        name
        for name in dict.fromkeys(name for columns in metrics.values() for name in columns)
        if name not in ("step", "epoch")
        and any(np.isfinite(columns[name]).any() for columns in metrics.values() if name in columns)
    ]
    if not names:
        return None
    columns = math.ceil(math.sqrt(len(names)))
    rows = math.ceil(len(names) / columns)
    figure = Figure(figsize=(5.5 * columns, 3.7 * rows), layout="constrained")
    for place, name in enumerate(names, start=1):
        _draw_metric(figure.add_subplot(rows, columns, place), name, metrics)
    return figure


def _draw_metric(axes: Axes, name: str, metrics: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    drawn: list[np.ndarray] = []
    for split, columns in metrics.items():
        finite = np.isfinite(columns.get(name, np.array([])))
        if not finite.any():
            continue
        steps, values = columns["step"][finite], columns[name][finite]
        drawn.append(values)
        label, color = f"{split} (last: {values[-1]:.4g})", _COLORS.get(split)
        marker = "o" if len(values) <= 60 else None
        axes.plot(steps, values, label=label, color=color, marker=marker, markersize=3)
    axes.set_xlabel("training step")
    axes.set_ylabel(name.replace("_", " "))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    values = np.concatenate(drawn)
    if values.min() > 0 and values.max() >= _LOG_SCALE_FROM * values.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
