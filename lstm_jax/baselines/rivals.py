"""Which rivals each task has."""

from collections.abc import Sequence
from typing import Any

from lstm_jax.baselines.forecast_files import ForecastFile
from lstm_jax.baselines.ngrams import language_model_figures
from lstm_jax.baselines.series import rows
from lstm_jax.baselines.summaries import summary_ridge
from lstm_jax.baselines.texts import classification_figures
from lstm_jax.baselines.volatility import NAMES, is_volatility
from lstm_jax.config.values import suggestion
from lstm_jax.data.base import Data
from lstm_jax.data.kinds import Features
from lstm_jax.data.series import SeriesWindows
from lstm_jax.data.sources import Split
from lstm_jax.data.windows import TokenWindows
from lstm_jax.errors import ConfigError
from lstm_jax.tasks.base import Task
from lstm_jax.tasks.classification import Classification
from lstm_jax.tasks.forecasting import Forecasting
from lstm_jax.tasks.language_modeling import LanguageModeling

SERIES = ("repeat", "seasonal_naive", "drift", "naive2", "ridge")
CLASSICAL = ("auto_ets", "auto_theta", "auto_arima")
"""What `scripts/rivals.py` forecasts by, in an environment of its own."""


def names_of(task: Task, preprocessor: Any) -> tuple[str, ...]:
    """The rivals of a task.

    Raises:
        ConfigError: it has none.
    """
    if isinstance(task, Forecasting):
        return (*SERIES, *NAMES) if is_volatility(preprocessor.schema) else SERIES
    if isinstance(task, Classification):
        is_vectors = isinstance(preprocessor.inputs, Features)
        return ("summary_ridge",) if is_vectors else ("tfidf",)
    if isinstance(task, LanguageModeling):
        return ("kneser_ney",)
    raise ConfigError(f"{type(task).__name__} has no simple rival here")


def figures_of(
    task: Task,
    data: Data,
    preprocessor: Any,
    split: Split = "test",
    names: Sequence[str] = (),
    contexts: Sequence[int] = (),
    *,
    stride: int | None = None,
    windows: int | None = None,
    forecasts: ForecastFile | None = None,
) -> dict[str, dict[str, Any]]:
    """The figures of the simple rivals of a task, by their names, as the task calls them.

    They are fitted on the training part, and their settings chosen on the validation part; what was
    chosen stands beside the figures as `chosen`.

    Args:
        task: whose figures they are.
        data: what it learns from.
        preprocessor: what was learned of them.
        split: the part that is measured.
        names: of the rivals; all, if there are none.
        contexts: of a ridge regression on series, the steps that it may look back on.
        stride: of series, steps between origins; as the config says, if not given.
        windows: of each series, the last so many; all, if not given.
        forecasts: of series, those of other programs, which are rivals as well.

    Raises:
        ConfigError: the task has no such rival, or a package is missing.
        DataError: a split cannot be read; a forecast is missing, or is of other windows.
    """
    known = names_of(task, preprocessor)
    if not isinstance(task, Forecasting) and (stride or windows or forecasts):
        raise ConfigError(f"--stride, --windows, --forecasts: {type(task).__name__} is no forecast")
    if forecasts is not None:
        known = (*dict.fromkeys((*known, *forecasts.models)),)
    for name in names:
        if name in CLASSICAL and name not in known:
            raise ConfigError(f"--models: {name} comes by a file: `make rivals`, then --forecasts")
        if name not in known:
            raise ConfigError(f"--models: there is no rival {name!r}{suggestion(name, known)}")
    if isinstance(task, Forecasting):
        assert isinstance(data, SeriesWindows)
        wanted = tuple(names) or known
        options = {"stride": stride, "windows": windows, "forecasts": forecasts}
        return rows(data, preprocessor, split, task.score.metric, wanted, contexts, **options)
    if isinstance(task, Classification):
        is_vectors = isinstance(preprocessor.inputs, Features)
        fitted = summary_ridge if is_vectors else classification_figures
        found, chosen = fitted(task, data, preprocessor, split)
        key = "penalty" if is_vectors else "C"
        return {known[0]: found | {"chosen": {key: chosen}}}
    dataset = data.open(preprocessor)
    if not isinstance(dataset, TokenWindows):
        raise ConfigError(f"n-grams are of text in one stream, not of {type(data).__name__}")
    found, order = language_model_figures(task, dataset, preprocessor, split)
    return {known[0]: found | {"chosen": {"order": order}}}
