"""Pictures of backtests: series with their forecasts and intervals, and the error of each step."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lstm_jax.files import replacing

_SHOWN = 6
"""Windows that are drawn of a backtest, evenly spaced."""


def draw_backtest(backtest: Any, folder: Path) -> list[Path]:
    """Writes `forecasts.png` and `error_by_step.png` into a folder; returns their paths.

    Args:
        backtest: of `run.backtest`.
        folder: is made if it is not there.

    Raises:
        StorageError: the disk is full or refuses to be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {"forecasts": draw_windows(backtest), "error_by_step": draw_errors(backtest)}
    paths = []
    for name, figure in pictures.items():
        path = folder / f"{name}.png"
        with replacing(path, is_shared=True) as file:
            figure.savefig(file, format="png", dpi=110)
        paths.append(path)
    return paths


def draw_windows(backtest: Any, channel: int = 0) -> Figure:
    """Some windows: what lay before, what came, the forecast and its interval."""
    dataset = backtest.dataset
    horizon = dataset.preprocessor.horizon
    shown = np.unique(np.linspace(0, len(backtest.items) - 1, _SHOWN).astype(int))
    figure = Figure(figsize=(11, 2.1 * len(shown)), layout="constrained")
    for place, window in enumerate(shown, start=1):
        axes = figure.add_subplot(len(shown), 1, place)
        item, origin = int(backtest.items[window]), int(backtest.origins[window])
        before = dataset.history(item, origin)[-2 * horizon :, channel]
        axes.plot(np.arange(-len(before), 0), before, color="0.4", linewidth=1)
        ahead = np.arange(horizon)
        axes.plot(ahead, backtest.truth[window, :, channel], color="0.2", label="actual")
        axes.plot(ahead, backtest.point[window, :, channel], color="tab:blue", label="forecast")
        if backtest.lower is not None:
            low, high = backtest.lower[window, :, channel], backtest.upper[window, :, channel]
            label = f"{backtest.interval:.0%} interval"
            axes.fill_between(ahead, low, high, color="tab:blue", alpha=0.2, label=label)
        stamp = dataset.panel.schema.texts(dataset.panel.times(item, origin, 1))[0]
        names = dataset.panel.schema.values
        title = f"{dataset.panel.items[item]}, from {stamp}"
        axes.set_title(title, fontsize=9, parse_math=False)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_ylabel(names[channel], parse_math=False)
        if place == len(shown):
            axes.set_xlabel(f"steps from the origin ({dataset.panel.schema.frequency})")
        if place == 1:
            axes.legend(frameon=False, ncols=3, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1))
    return figure


def draw_errors(backtest: Any) -> Figure:
    """The mean absolute error of each step of the horizon, and how many values lay within."""
    steps = backtest.figures["by_step"]
    count = np.arange(1, len(steps["mae"]) + 1)
    figure = Figure(figsize=(9, 5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot(count, steps["mae"], color="tab:blue")
    above.set_ylabel("mean absolute error")
    above.set_ylim(bottom=0)
    below.plot(count, steps["coverage"], color="tab:orange")
    below.axhline(backtest.interval, color="0.5", linestyle="--", linewidth=1)
    below.set_ylabel("share within the interval")
    below.set_xlabel("step of the horizon")
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
