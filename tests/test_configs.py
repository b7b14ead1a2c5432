"""Every file in configs/ can be run as its docstring says: shrunk, it trains two steps."""

import ast
import importlib
import math
import re
from pathlib import Path
from typing import Any

import pytest

import lstm_jax
from lstm_jax import Experiment, override
from lstm_jax.config.saved import from_json, to_json
from lstm_jax.data import (
    LabelledTexts,
    SeriesTable,
    SeriesWindows,
    TextFiles,
    TextWindows,
    TimeSplit,
)
from lstm_jax.modules import Segments
from lstm_jax.sweeps.study import define
from lstm_jax.tasks import Classification, Forecasting, LanguageModeling
from tests.runs import tiny_classifier, write_reviews, write_series, write_text

CONFIGS = Path(__file__).parents[1] / "configs"
NAMES = sorted(path.stem for path in CONFIGS.glob("*.py") if path.stem != "__init__")

each_config = pytest.mark.parametrize("name", NAMES)


def get_config(name: str) -> Experiment:
    return importlib.import_module(f"configs.{name}").get_config()


def shrunk(experiment: Experiment, folder: Path) -> Experiment:
    """The same experiment, small in every size, for two steps on a small text in `folder`."""
    length = {"steps": 2, "epochs": None, "evaluate_every": None}
    return override(
        experiment, length | small_task(experiment.task) | small_data(experiment, folder)
    )


def small_task(task: Any) -> dict[str, Any]:
    if isinstance(task, Classification):
        # What it starts from is trained by another config; see tests/training/test_transfer.py.
        sizes = {"task.cell.hidden": 8, "task.embedding": 4, "task.layers": 1}
        return sizes | {"task.pretrained": None}
    if isinstance(task, Forecasting):
        small = {"task.cell.hidden": 8, "task.layers": 1}
        segments = {"task.decoder.embedding": 8, "task.decoder.length": 24}
        return small | (segments if isinstance(task.decoder, Segments) else {})
    assert isinstance(task, LanguageModeling), "say here how a task of this kind is made small"
    if task.cutoffs:
        return {"task.cell.hidden": 8, "task.embedding": 4, "task.cutoffs": (5,)}
    sizes: dict[str, Any] = {} if task.embedding is None else {"task.embedding": 8}
    if isinstance(task.cell, tuple):
        return sizes | {f"task.cell.{index}.hidden": 8 for index in range(len(task.cell))}
    # One layer, for what takes time here is to compile.
    return sizes | {"task.cell.hidden": 8, "task.layers": 1}


def small_data(experiment: Experiment, folder: Path) -> dict[str, Any]:
    if isinstance(experiment.data, LabelledTexts):
        source = tiny_classifier(write_reviews(folder)).data.source
        return {"data.source": source, "data.batch_size": 8, "data.groups": 1}
    if isinstance(experiment.data, SeriesWindows):
        season, horizon = min(experiment.data.season, 4), 3
        sizes = {"context": 48, "horizon": horizon, "season": season, "batch_size": 4}
        sizes["split"] = TimeSplit(horizon, horizon)
        sizes["source"] = SeriesTable(write_series(folder), item="item")
        return {f"data.{name}": value for name, value in sizes.items()}
    assert isinstance(experiment.data, TextWindows), "say here how data of this kind is made small"
    sizes = {"data.window": 4, "data.batch_size": 2}
    return {"data.source": TextFiles(write_text(folder)), **sizes}


# Each file of configs/sweeps/, and the experiment that its docstring names.
SWEEPS = {"learning_rate": "quickstart", "ptb_small": "lm_ptb_small"}


def test_every_search_space_is_known() -> None:
    found = {path.stem for path in (CONFIGS / "sweeps").glob("*.py")} - {"__init__"}
    assert found == set(SWEEPS), "say here which experiment a search space is of"


@pytest.mark.parametrize(("name", "config"), SWEEPS.items())
def test_a_search_space_fits_its_experiment(name: str, config: str) -> None:
    path = CONFIGS / "sweeps" / f"{name}.py"
    text = " ".join((ast.get_docstring(ast.parse(path.read_text())) or "").split())
    command = rf"python -m experiments\.sweep --config=configs/{config}\.py .*"
    assert re.search(rf"{command}--sweep=configs/sweeps/{name}\.py --workdir=\S+", text)
    sweep = importlib.import_module(f"configs.sweeps.{name}").get_sweep()
    for grid in (None, *sweep.grids):
        define(override(sweep, {"grid": grid}), get_config(config))


def test_there_are_configs() -> None:
    assert "quickstart" in NAMES


@each_config
def test_docstring_holds_the_command(name: str) -> None:
    text = ast.get_docstring(ast.parse((CONFIGS / f"{name}.py").read_text())) or ""
    command = rf"python -m experiments\.train --config=configs/{name}\.py --workdir=\S+"
    assert re.search(rf"^\s*{command}", text, re.MULTILINE)


@each_config
def test_saved_and_read_back(name: str) -> None:
    experiment = get_config(name)
    assert from_json(to_json(experiment)) == experiment


@each_config
def test_two_steps(name: str, tmp_path: Path) -> None:
    experiment = shrunk(get_config(name), tmp_path / "text")
    lstm_jax.train(experiment, tmp_path / "run")
    run = lstm_jax.load(tmp_path / "run")
    assert run.experiment == experiment
    assert run.step == 2
    assert run.metrics["train"]["step"].tolist() == [2]
    score = run.evaluate("test")
    # Two steps cannot make a model worse than one that knows nothing by much, or much better.
    if isinstance(experiment.data, SeriesWindows):
        assert score["windows"] == 2
        assert 0 < score["mase"] < 20
        return
    if isinstance(experiment.data, LabelledTexts):
        assert score["examples"] == 17
        assert score["nats"] == pytest.approx(math.log(2), rel=0.5)
        return
    tokens = experiment.data.open(run.preprocessor).tokens("test")
    assert score["tokens"] == len(tokens)
    assert score["nats_per_token"] == pytest.approx(
        math.log(len(run.preprocessor.vocabulary)), rel=0.5
    )
