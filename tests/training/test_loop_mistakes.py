"""What a run directory, or data, refuse of a run."""

import os

import pytest

import lstm_jax
from lstm_jax.data import TextFiles
from lstm_jax.errors import ConfigError, DataError, RunDirectoryError
from lstm_jax.optimization.optimizers import Optimizer
from lstm_jax.storage import run_directory
from lstm_jax.tasks import LanguageModeling, Score
from tests.runs import (
    arrays_of,
    assert_same_arrays,
    tiny,
    write_text,
)


def test_another_experiment_is_refused_with_the_difference(text, tmp_path):
    lstm_jax.train(tiny(text, steps=2), tmp_path)
    before = arrays_of(tmp_path), (tmp_path / "metrics.jsonl").read_bytes()
    with pytest.raises(RunDirectoryError) as error:
        lstm_jax.train(tiny(text, steps=1, seed=3, task__dropout=0.5), tmp_path)
    message = str(error.value)
    assert "task.dropout was 0.2 and is now 0.5" in message
    assert "seed was 0 and is now 3" in message
    assert "steps was 2 and is now 1 (it may only grow)" in message
    assert_same_arrays(arrays_of(tmp_path), before[0])
    assert (tmp_path / "metrics.jsonl").read_bytes() == before[1]


def test_a_run_does_not_go_on_with_another_score(text, tmp_path, monkeypatch):
    lstm_jax.train(tiny(text, steps=6), tmp_path)
    lstm_jax.train(tiny(text, steps=8), tmp_path)
    monkeypatch.setattr(LanguageModeling, "score", Score("perplexity", "min"))
    with pytest.raises(ConfigError, match=r"^LanguageModeling\.score is 'perplexity' \(min\) now"):
        lstm_jax.train(tiny(text, steps=10), tmp_path)


def test_a_second_writer_is_refused_at_once(text, tmp_path):
    experiment = tiny(text, steps=2)
    with (
        run_directory.open_for_writing(tmp_path, experiment),
        pytest.raises(RunDirectoryError, match=f"is being written by process {os.getpid()} on"),
    ):
        lstm_jax.train(experiment, tmp_path)
    lstm_jax.train(experiment, tmp_path)


def test_data_that_changed_are_refused(tmp_path):
    folder = tmp_path / "text"
    write_text(folder)
    lstm_jax.train(tiny(folder, steps=2), tmp_path / "run")
    train = folder / "train.txt"
    train.write_text(train.read_text().replace("b", "B"))
    with pytest.raises(RunDirectoryError, match="the data changed"):
        lstm_jax.train(tiny(folder, steps=2), tmp_path / "run")


@pytest.mark.parametrize("name", ["train", "valid"])
def test_the_same_characters_in_another_order_are_other_data(name, tmp_path):
    folder = tmp_path / "text"
    write_text(folder)
    lstm_jax.train(tiny(folder, steps=2), tmp_path / "run")
    file = folder / f"{name}.txt"
    file.write_text(file.read_text()[::-1])
    with pytest.raises(RunDirectoryError, match="the data changed since"):
        lstm_jax.train(tiny(folder, steps=4), tmp_path / "run")


def test_a_mistake_in_a_new_experiment_can_be_mended_in_the_same_directory(text, tmp_path):
    for wrong, error in (
        ({"data__source": TextFiles(text + "s")}, DataError),
        ({"data__batch_size": 1000}, ConfigError),
        ({"optimizer": Optimizer("sgd", options={"momentum": "much"})}, ConfigError),
    ):
        with pytest.raises(error):
            lstm_jax.train(tiny(text, steps=1, **wrong), tmp_path / "run")
    lstm_jax.train(tiny(text, steps=1), tmp_path / "run")


def test_a_missing_validation_text_is_an_error_before_training(tmp_path):
    folder = tmp_path / "text"
    write_text(folder)
    (folder / "valid.txt").unlink()
    with pytest.raises(DataError, match="has no validation text"):
        lstm_jax.train(tiny(folder), tmp_path / "run")
    assert not (tmp_path / "run" / "metrics.jsonl").exists()
