"""Tiny runs for tests: an experiment that trains in a second, and what one looks at afterwards."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from lstm_jax import Experiment, override
from lstm_jax.cells import GRU, LSTM
from lstm_jax.data import (
    LabelledTable,
    LabelledTexts,
    SeriesTable,
    SeriesWindows,
    TextFiles,
    TextWindows,
    TimeSplit,
)
from lstm_jax.modules import Segments, WindowNormalization
from lstm_jax.optimization import Optimizer
from lstm_jax.optimization.schedules import Plateau
from lstm_jax.reporting.reporter import Reporter
from lstm_jax.storage import checkpoints
from lstm_jax.tasks import Classification, Forecasting, LanguageModeling

STEPS_PER_EPOCH = 12
_SENTENCE = "so we beat on, boats against the current, borne back ceaselessly into the past.\n"


_DRAW = Reporter._draw


def draw_pictures(wanted: bool) -> None:
    """Whether the runs of this process draw learning curves, which takes most of their time."""
    Reporter._draw = _DRAW if wanted else lambda self: None


def write_series(folder: Path, steps: int = 60) -> str:
    """Two daily series of two channels, as a table in a folder; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["item,time,load,heat"]
    for item in "ab":
        for step in range(steps):
            day = np.datetime64("2024-01-01") + np.timedelta64(step, "D")
            load = 20 + 5 * np.sin(np.pi * step / 2) + step % 7 + len(item)
            lines.append(f"{item},{day},{load:.4f},{10 + step % 4}")
    path = folder / "series.csv"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def write_text(folder: Path, validation: int = 90) -> str:
    """Writes the three files of a text, 12 steps of training long; returns the folder's name."""
    folder.mkdir(exist_ok=True)
    for name, length in {"train": 4 * 5 * STEPS_PER_EPOCH, "valid": validation, "test": 70}.items():
        # Each split starts elsewhere in the sentence, so that no two are alike.
        text = _SENTENCE * (length // len(_SENTENCE) + 2)
        (folder / f"{name}.txt").write_text(text[len(name) :][:length])
    return str(folder)


def tiny(folder: str | Path, **changes: Any) -> Experiment:
    """An experiment on the text in `folder` with all that a checkpoint has to keep.

    Noise, two moments, a learning rate that follows the validation; records, checkpoints and
    evaluations that fall on different steps, and dispatches that they cut short. Changes are given
    as to `override`, with two underscores for a dot.
    """
    experiment = Experiment(
        task=LanguageModeling(cell=LSTM(hidden=4), layers=1, embedding=3, dropout=0.2),
        data=TextWindows(
            source=TextFiles(str(folder)), tokens="characters", batch_size=4, window=5
        ),
        optimizer=Optimizer("adam", learning_rate=0.02, schedule=Plateau(), clip_norm=1.0),
        epochs=2,
        evaluate_every=6,
        checkpoint_every=5,
        log_every=4,
        steps_per_dispatch=2,
    )
    lengths = {"epochs": None} if "steps" in changes else {}
    named = {name.replace("__", "."): value for name, value in (lengths | changes).items()}
    return override(experiment, named)


def write_reviews(folder: Path) -> str:
    """Writes tables of texts of many lengths whose last word decides; returns the folder's name."""
    folder.mkdir(exist_ok=True)
    fillers = ["the", "film", "was", "plot", "and", "long"]
    for name, count in {"train": 48, "valid": 13, "test": 17}.items():
        lines = ["sentence\tlabel"]
        for number in range(count):
            words = [fillers[(number * 7 + place) % 6] for place in range(number * 5 % 11)]
            lines.append(f"{' '.join([*words, ['dull', 'great'][number % 2]])}\t{number % 2}")
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n")
    return str(folder)


def tiny_classifier(folder: str | Path, **changes: Any) -> Experiment:
    """An experiment that learns the texts of `write_reviews` within a second."""
    files = {name: f"{folder}/{name}.tsv" for name in ("train", "test")}
    source = LabelledTable(**files, validation=f"{folder}/valid.tsv", text="sentence")
    experiment = Experiment(
        task=Classification(cell=LSTM(hidden=4), embedding=3, dropout=0.1),
        data=LabelledTexts(source=source, tokens="words", batch_size=8, groups=2),
        optimizer=Optimizer("adam", learning_rate=0.05, clip_norm=1.0),
        epochs=4,
        log_every=4,
        steps_per_dispatch=1,  # one program for each shape, not two
    )
    return override(experiment, {name.replace("__", "."): v for name, v in changes.items()})


def tiny_forecaster(folder: str | Path, **changes: Any) -> Experiment:
    """An experiment that learns the series of `write_series` within a second."""
    source = SeriesTable(f"{folder}/series.csv", item="item")
    experiment = Experiment(
        task=Forecasting(
            cell=GRU(hidden=4),
            decoder=Segments(length=4, embedding=4),
            channels="independent",
            normalization=WindowNormalization("last"),
            dropout=0.1,
        ),
        data=SeriesWindows(
            source, context=8, horizon=3, season=4, split=TimeSplit(12, 14), batch_size=8
        ),
        optimizer=Optimizer("adam", learning_rate=0.02, clip_norm=1.0),
        epochs=3,
        log_every=4,
        steps_per_dispatch=1,
    )
    return override(experiment, {name.replace("__", "."): v for name, v in changes.items()})


def arrays_of(workdir: Path, step: int | None = None) -> dict[str, np.ndarray]:
    """Every leaf of a checkpoint, of the latest by default, by its name."""
    directory = workdir / "checkpoints"
    step = checkpoints.steps(directory)[-1] if step is None else step
    leaves = checkpoints.verify(directory, step)["leaves"]
    return checkpoints._read_arrays(directory / str(step) / "arrays", leaves)


def log_of(workdir: Path) -> list[dict[str, Any]]:
    """The records of the metrics log."""
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def assert_same_run(found: Path, expected: Path) -> None:
    """Both have the same checkpoints, byte for byte the same arrays in the latest, the same log."""
    steps = checkpoints.steps(expected / "checkpoints")
    assert checkpoints.steps(found / "checkpoints") == steps
    assert_same_arrays(arrays_of(found), arrays_of(expected))
    assert (found / "metrics.jsonl").read_bytes() == (expected / "metrics.jsonl").read_bytes()


def assert_same_arrays(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        assert found[name].tobytes() == array.tobytes(), name


def evaluations_of(workdir: Path) -> dict[int, float]:
    """The validation scores in the log, by step."""
    records = [record for record in log_of(workdir) if record["split"] == "validation"]
    return {record["step"]: record["nats_per_token"] for record in records}
