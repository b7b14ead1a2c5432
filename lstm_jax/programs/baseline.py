"""Scores the simple rivals of a task on the splits and by the figures of an experiment.

    python -m experiments.baseline --config=configs/forecast_etth1.py --split=test
    python -m experiments.baseline --workdir=runs/etth1 --contexts=96,336,720

Series: repeat, seasonal_naive, drift, naive2, ridge; texts: logistic regression on TF-IDF (extra
`baselines`); vectors: ridge on their summaries; language models: Kneser-Ney n-grams. With a run
directory the figures are kept there, and `experiments.evaluate` shows them beside those of the run.

`make rivals CONFIG=configs/forecast_m4_weekly.py` adds AutoETS, AutoTheta and AutoARIMA to those of
series: it writes the windows (`--write_windows`), has them forecast in an environment of its own,
and calls this program with `--forecasts`. `--stride` and `--windows` choose as for a backtest.
"""

from typing import Any, cast

from absl import flags

import lstm_jax
from lstm_jax.baselines.forecast_files import ForecastFile, write_windows
from lstm_jax.baselines.rivals import figures_of
from lstm_jax.data import SPLITS, SeriesWindows, Split
from lstm_jax.data.base import evaluated_digest, learn
from lstm_jax.data.files import expand
from lstm_jax.errors import ConfigError
from lstm_jax.inference.rolling_origins import rolling_origins
from lstm_jax.programs import program
from lstm_jax.programs.trained import RunFlags
from lstm_jax.reporting.reporter import say
from lstm_jax.runtime.memory import keep_freed_memory
from lstm_jax.storage import rivals
from lstm_jax.storage.metrics_log import render

_FLAGS = flags.FlagValues()
_RUN = RunFlags(_FLAGS)
_CONFIG = flags.DEFINE_string("config", None, "File with a get_config().", flag_values=_FLAGS)
_SPLIT = flags.DEFINE_enum("split", "test", SPLITS, "The part of the data.", flag_values=_FLAGS)
_MODELS = flags.DEFINE_list("models", [], "Which rivals; all of the task.", flag_values=_FLAGS)
_CONTEXTS = flags.DEFINE_list(
    "contexts", [], "Steps that ridge may look back on; validation chooses.", flag_values=_FLAGS
)
_STRIDE = flags.DEFINE_integer(
    "stride", None, "Steps between origins of series.", lower_bound=1, flag_values=_FLAGS
)
_WINDOWS = flags.DEFINE_integer(
    "windows", None, "Of each series the last so many.", lower_bound=1, flag_values=_FLAGS
)
_FORECASTS = flags.DEFINE_string(
    "forecasts", None, "A file of forecasts of other programs.", flag_values=_FLAGS
)
_WRITE_WINDOWS = flags.DEFINE_string(
    "write_windows", None, "A .parquet file, for other programs; no scores.", flag_values=_FLAGS
)
_JSON = flags.DEFINE_bool("json", False, "Print JSON objects, one a line.", flag_values=_FLAGS)


def main() -> None:
    """Reads, fits, scores, prints."""
    keep_freed_memory()
    split = cast(Split, _SPLIT.value)
    contexts = tuple(map(_steps, _CONTEXTS.value))
    path = _CONFIG.value
    if _RUN.is_named == (path is not None):
        raise ConfigError("give --config, or --workdir of a run: one of the two")
    if path is None:
        run = _RUN.load_unchanged()
        experiment, preprocessor = run.experiment, run.preprocessor
    else:
        run, experiment = None, program.load_experiment(path)
        preprocessor = learn(experiment.data)
    task, data = experiment.task, experiment.data
    chosen = {"stride": _STRIDE.value, "windows": _WINDOWS.value}
    if _WRITE_WINDOWS.value is not None:
        if not isinstance(data, SeriesWindows):
            raise ConfigError(f"--write_windows: {type(data).__name__} has no series")
        windows = rolling_origins(data, preprocessor, split, **chosen)
        path = expand(_WRITE_WINDOWS.value)
        write_windows(path, windows.dataset, windows.items, windows.origins)
        return
    forecasts = None if _FORECASTS.value is None else ForecastFile.read(expand(_FORECASTS.value))
    models = _MODELS.value
    found = figures_of(
        task, data, preprocessor, split, models, contexts, **chosen, forecasts=forecasts
    )
    if run is not None and any(chosen.values()):
        say("not kept with the run, which is evaluated on other windows")
    elif run is not None:
        digest = evaluated_digest(data.open(preprocessor), split)
        rivals.save(run.workdir, digest, split, found)
    print(shown(found, split, task, as_json=_JSON.value))


def shown(rows: rivals.Rows, split: str, task: lstm_jax.tasks.Task, *, as_json: bool) -> str:
    """Rows of figures: JSON objects, or a table for people with the best row first."""
    if as_json:
        return "\n".join(
            render({"model": name, "split": split, **row}) for name, row in rows.items()
        )
    score = task.score
    sign = 1 if score.direction == "min" else -1
    order = sorted(rows, key=lambda name: sign * rows[name].get(score.metric, float("inf")))
    plain = {name: _numbers(rows[name]) for name in order}
    return program.table(f"{split} split", plain)


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if isinstance(value, int | float)}


def _steps(text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise ConfigError(f"--contexts: expected numbers of steps, as 96,336, got {text!r}")
    return int(text)


def run() -> None:
    """Runs the program on the flags of the command line."""
    program.run(main, _FLAGS)
