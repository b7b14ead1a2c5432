"""Backtests a forecaster from rolling origins, beside its simple rivals on the same windows.

    python -m experiments.backtest --workdir=runs/etth1 --stride=24 --output=backtest.parquet
    python -m experiments.backtest --workdir=runs/etth1 --windows=10 --plots=pictures --json

Prints figures, how many values lay within their intervals, and by how much the model beats the best
rival, with the test of Diebold and Mariano (1995). `--output` is a long table (`.parquet` or
`.csv`): item, cutoff, time, step, value, actual, forecast, lower, upper. `--plots` is a folder.
`--refit` trains anew before each origin, on all that lies before it, in the run directory.
`--forecasts` is what `make rivals` leaves in its folder `rivals`: its models are rivals, too.
"""

import functools
from pathlib import Path
from typing import Any, cast

import numpy as np
from absl import flags

from lstm_jax.baselines.comparison import Loss, compared, losses
from lstm_jax.baselines.forecast_files import ForecastFile
from lstm_jax.baselines.rivals import SERIES
from lstm_jax.baselines.series import rival, rival_of_file, scored
from lstm_jax.baselines.volatility import NAMES
from lstm_jax.config.values import suggestion
from lstm_jax.data import SPLITS, Split
from lstm_jax.data.files import expand
from lstm_jax.errors import ConfigError
from lstm_jax.inference.backtesting import Backtest
from lstm_jax.modules import Qlike
from lstm_jax.programs import program
from lstm_jax.programs.tables import check_table, write_table
from lstm_jax.programs.trained import RunFlags
from lstm_jax.reporting.forecasts import draw_backtest
from lstm_jax.runtime.memory import keep_freed_memory
from lstm_jax.storage.metrics_log import render
from lstm_jax.training.refit import refitted

_FLAGS = flags.FlagValues()
_RUN = RunFlags(_FLAGS)
_SPLIT = flags.DEFINE_enum("split", "test", SPLITS, "The part of the data.", flag_values=_FLAGS)
_WINDOWS = flags.DEFINE_integer(
    "windows", None, "Of each series the last so many windows; all.", flag_values=_FLAGS
)
_STRIDE = flags.DEFINE_integer(
    "stride", None, "Steps between origins; as the config evaluates.", flag_values=_FLAGS
)
_REFIT = flags.DEFINE_bool("refit", False, "Train anew before each origin.", flag_values=_FLAGS)
_INTERVAL = flags.DEFINE_float(
    "interval", 0.9, "Share of values that are to lie within.", flag_values=_FLAGS
)
_INTERVALS = flags.DEFINE_enum(
    "intervals", None, ("head", "split", "adaptive"), "How they are made.", flag_values=_FLAGS
)
_RIVALS = flags.DEFINE_list(
    "rivals", ["repeat", "seasonal_naive", "ridge"], "To compare with.", flag_values=_FLAGS
)
_FORECASTS = flags.DEFINE_string(
    "forecasts", None, "A file of forecasts of other programs.", flag_values=_FLAGS
)
_OUTPUT = flags.DEFINE_string("output", None, "A .parquet or .csv table.", flag_values=_FLAGS)
_PLOTS = flags.DEFINE_string("plots", None, "A folder for pictures.", flag_values=_FLAGS)
_JSON = flags.DEFINE_bool("json", False, "Print JSON objects, one a line.", flag_values=_FLAGS)


def main() -> None:
    """Loads, forecasts, compares, writes, prints."""
    keep_freed_memory()
    forecasts = None if _FORECASTS.value is None else ForecastFile.read(expand(_FORECASTS.value))
    of_file = () if forecasts is None else forecasts.models
    # Those of the file are meant, unless it is said who is.
    names = [*_RIVALS.value, *(() if _RIVALS.present else of_file)]
    for name in names:
        if name not in (known := (*SERIES, *NAMES, *of_file)):
            raise ConfigError(f"--rivals: there is none {name!r}{suggestion(name, known)}")
    if _OUTPUT.value is not None:
        check_table("--output", _OUTPUT.value)
    run = _RUN.load_unchanged()
    split = cast(Split, _SPLIT.value)
    options = {"windows": _WINDOWS.value, "stride": _STRIDE.value, "interval": _INTERVAL.value}
    backtest = functools.partial(refitted, run) if _REFIT.value else run.backtest
    found: Backtest = backtest(split, **options, intervals=_INTERVALS.value)
    if _OUTPUT.value is not None:
        write_table(found.table(), expand(_OUTPUT.value))
    if _PLOTS.value is not None:
        draw_backtest(found, Path(expand(_PLOTS.value)))
    comparison, rows = compared_with_rivals(run, found, names, forecasts)
    model = getattr(run.experiment.task, "name", type(run.experiment.task).__name__)
    if _JSON.value:
        print(render({"model": model, "split": split, **found.figures, "comparison": comparison}))
        for name, row in rows.items():
            print(render({"model": name, "split": split, **row}))
        return
    table = {name: _numbers(row) for name, row in {model: found.figures, **rows}.items()}
    print(program.table(f"{split} split", table))
    print("\n" + said_of_intervals(found))
    if comparison:
        print(said_of_comparison(model, comparison))


def compared_with_rivals(
    run: Any, found: Backtest, names: list[str], forecasts: ForecastFile | None = None
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The comparison with the best rival, and the figures of each; empty without any."""
    task, pre = run.experiment.task, run.preprocessor
    by_power: dict[int, Loss] = {2: "squared error", 1: "absolute error"}
    loss = (
        "QLIKE" if isinstance(task.head, Qlike) else by_power.get(task.head.power, "absolute error")
    )
    # As in the table: in the units of the data, or over the deviation of training.
    deviation = np.array(pre.deviation) if pre.standardised else np.ones(pre.channels)
    theirs, rows = {}, {}
    for name in names:
        if forecasts is not None and name in forecasts.models:
            one = rival_of_file(name, forecasts, found.dataset, found.items, found.origins)
        else:
            one = rival(name, run.experiment.data, pre, task.score.metric)
        said = scored(found.dataset, found.split, one.forecaster, name, found.places)
        theirs[name] = losses(said.point, found.truth, deviation, loss)
        rows[name] = said.figures | one.facts
    if not rows:
        return {}, {}
    ours = losses(found.point, found.truth, deviation, loss)
    return {
        "loss": loss,
        **compared(ours, theirs, found.stride),
    }, rows


def said_of_intervals(found: Backtest) -> str:
    """How many values lay within, in a line."""
    figures = found.figures
    quarters = ", ".join(f"{share:.1%}" for share in figures["coverage_by_quarter"])
    made = f"{figures['intervals']}, nominal {found.interval:.0%}"
    return (
        f"intervals ({made}): {figures['coverage']:.1%} of the values within, by quarter of the "
        f"horizon {quarters}"
    )


def said_of_comparison(model: str, comparison: dict[str, Any]) -> str:
    """Whether the model beats the best rival, in lines."""

    def verdict(one: dict[str, Any]) -> str:
        word = "less" if one["better_by"] > 0 else "more"
        return f"{abs(one['better_by']):.1%} {word} (p = {one['p']:.2g})"

    best = comparison["best"]
    word = "beats" if comparison["better_by"] > 0 else "does not beat"
    parts = (
        f"steps {part['steps'][0]} to {part['steps'][1]}: {verdict(part)}"
        for part in comparison["by_part"]
    )
    return (
        f"{model} {word} {best}, the best rival: mean {comparison['loss']} {verdict(comparison)}; "
        + "; ".join(parts)
    )


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if isinstance(value, int | float)}


def run() -> None:
    """Runs the program on the flags of the command line."""
    program.run(main, _FLAGS)
