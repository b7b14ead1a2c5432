"""Which experiments the plain models repeat, and what these need to be told."""

from typing import Any

from lstm_jax import Experiment
from lstm_jax.cells import GRU, LSTM
from lstm_jax.data import LabelledTexts, SeriesWindows, TextWindows
from lstm_jax.errors import ConfigError
from lstm_jax.modules import Gaussian, Recursive, Segments, Squared, StudentT, WindowNormalization
from lstm_jax.optimization.optimizers import Optimizer
from lstm_jax.tasks import Classification, Forecasting, LanguageModeling
from lstm_jax.tasks.fields import cells_of
from scripts.benchmarks import classifier, forecaster, language_model

Sizes = language_model.Sizes | classifier.Sizes


def sizes_of(experiment: Experiment, vocabulary: int, length: int) -> Sizes:
    """What the plain models need to be told to train as the experiment does.

    Args:
        experiment: a language model or a classifier.
        vocabulary: different tokens, where the data do not say how many there are at most.
        length: steps of a batch of a classifier.

    Raises:
        ConfigError: they cannot, because the experiment is not of the kind they are written for.
    """
    task, data, optimizer = experiment.task, experiment.data, experiment.optimizer
    training = {"clip_norm": optimizer.clip_norm, "learning_rate": optimizer.learning_rate}
    if optimizer.clip_norm and _is_plain(optimizer, "name", "schedule", *training):
        if (
            isinstance(task, LanguageModeling)
            and isinstance(data, TextWindows)
            and _is_repeated_language_model(task, optimizer)
        ):
            return _language_model_sizes(task, data, training, vocabulary)
        if (
            isinstance(task, Classification)
            and isinstance(data, LabelledTexts)
            and _is_repeated_classifier(task, optimizer)
        ):
            return _classifier_sizes(task, data, training, vocabulary, length)
    raise ConfigError(
        "the plain models are LSTM language models trained as in configs/lm_ptb_*.py and LSTM "
        "classifiers trained as in configs/sentiment_imdb.py"
    )


def forecaster_sizes_of(experiment: Experiment, channels: int) -> forecaster.Sizes:
    """What the plain forecasters need to be told to train as the experiment does.

    Args:
        experiment: SegRNN or DeepAR.
        channels: of a series, where the data do not name its columns.

    Raises:
        ConfigError: they cannot, because the experiment is not of the kind they are written for.
    """
    task, data, optimizer = experiment.task, experiment.data, experiment.optimizer
    training = {"clip_norm": optimizer.clip_norm, "learning_rate": optimizer.learning_rate}
    if (
        isinstance(task, Forecasting)
        and isinstance(data, SeriesWindows)
        and _has_values_alone(data)
        and task.channels == "independent"
        and optimizer.name == "adam"
        and _is_plain(optimizer, "schedule", *training)
    ):
        sizes: dict[str, Any] = {
            "hidden": tuple(cell.hidden for cell in cells_of(task.cell, task.layers)),
            "head": type(task.head).__name__,
            "context": data.context,
            "horizon": data.horizon,
            "channels": _channels(data, channels),
            "covariates": 2 * len(data.calendar),
            "batch": data.batch_size,
            "dropout": task.dropout,
            **training,
        }
        decoder = task.decoder
        if isinstance(decoder, Segments) and _is_segrnn(task, decoder, data):
            return forecaster.Sizes(
                "SegRNN", segment=decoder.length, embedding=decoder.embedding, **sizes
            )
        if decoder == Recursive() and _is_deepar(task):
            return forecaster.Sizes("DeepAR", **sizes)
    raise ConfigError(
        "the plain forecasters are SegRNN as in configs/forecast_etth1.py and DeepAR as in "
        "scripts/benchmarks/deepar.py"
    )


def _has_values_alone(data: SeriesWindows) -> bool:
    """Whether nothing but values, all of them there, and the calendar is read of a series."""
    source = data.source
    others = (getattr(source, name, ()) for name in ("past", "known", "static"))
    is_whole = getattr(source, "missing", "error") == "error" and data.shortest_context is None
    return is_whole and not any(others)


def _channels(data: SeriesWindows, unknown: int) -> int:
    names = getattr(data.source, "values", None)
    if names is None:
        return unknown
    # Each column of a wide table is a series of its own.
    return 1 if getattr(data.source, "wide", False) else len(names)


def _is_segrnn(task: Forecasting, decoder: Segments, data: SeriesWindows) -> bool:
    return (
        type(task.cell) is GRU
        and task.head == Squared()
        and task.normalization == WindowNormalization("last")
        and _is_plain(task, "cell", "decoder", "channels", "normalization", "dropout")
        and not (data.calendar or data.horizon % decoder.length)
    )


def _is_deepar(task: Forecasting) -> bool:
    cells = cells_of(task.cell, task.layers)
    parts = ("decoder", "head", "channels", "normalization")
    return (
        _is_lstm(cells[0])
        and len(set(cells)) == 1
        and task.head in (Gaussian(), StudentT())
        and task.normalization == WindowNormalization("mean_absolute")
        and _is_plain(task, "cell", "layers", "dropout", *parts)
    )


def _is_repeated_language_model(task: LanguageModeling, optimizer: Optimizer) -> bool:
    sizes = ("cell", "layers", "embedding", "tied", "init_scale", "reduction")
    noise = ("dropout", "variational", "embedding_dropout", "weight_drop")
    return (
        all(_is_lstm(cell) for cell in cells_of(task.cell, task.layers))
        and _is_plain(task, *sizes, *noise)
        and optimizer.name == "sgd"
    )


def _language_model_sizes(
    task: LanguageModeling, data: TextWindows, training: dict[str, Any], vocabulary: int
) -> language_model.Sizes:
    hidden = tuple(cell.hidden for cell in cells_of(task.cell, task.layers))
    return language_model.Sizes(
        vocabulary=data.max_vocabulary or vocabulary,
        embedding=hidden[0] if task.embedding is None else task.embedding,
        hidden=hidden,
        window=data.window,
        batch=data.batch_size,
        dropout=task.dropout,
        variational=task.variational,
        embedding_dropout=task.embedding_dropout,
        weight_drop=task.weight_drop,
        tied=task.tied,
        sum_over_time=task.reduction == "sum_over_time",
        **training,
    )


def _is_repeated_classifier(task: Classification, optimizer: Optimizer) -> bool:
    return (
        _is_lstm(task.cell)
        and _is_plain(task, "cell", "embedding", "dropout", "variational", "word_dropout")
        and task.variational
        and optimizer.name == "adam"
    )


def _classifier_sizes(
    task: Classification,
    data: LabelledTexts,
    training: dict[str, Any],
    vocabulary: int,
    length: int,
) -> classifier.Sizes:
    (cell,) = cells_of(task.cell, task.layers)
    return classifier.Sizes(
        vocabulary=data.max_vocabulary or vocabulary,
        embedding=task.embedding or 0,
        hidden=cell.hidden,
        length=length,
        batch=data.batch_size,
        dropout=task.dropout,
        word_dropout=task.word_dropout,
        **training,
    )


def _is_lstm(cell: Any) -> bool:
    return type(cell) is LSTM and not cell.peepholes


def _is_plain(config: Any, *fields: str) -> bool:
    """Whether all other fields of a dataclass are as they are by default."""
    return type(config)(**{name: getattr(config, name) for name in fields}) == config
