"""Files that a checkpoint depends on are verified before they are used."""

import json
import shutil

import pytest

import lstm_jax
from lstm_jax.errors import CheckpointError, RunDirectoryError
from lstm_jax.storage import checkpoints
from tests.runs import tiny_classifier


@pytest.fixture
def copied(classifier, tmp_path):
    return shutil.copytree(classifier, tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("config.json", '"dropout": 0.1', '"dropout": 0.2'),
        ("config.json", '"seed": 0', '"seed": 1'),
        ("vocabulary.json", '"classes":["0","1"]', '"classes":["1","0"]'),
    ],
)
def test_a_changed_file_is_found_before_it_is_used(copied, reviews, name, old, new):
    path = copied / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(RunDirectoryError) as caught:
        lstm_jax.load(copied)
    assert str(caught.value).startswith(f"{path} was changed since the checkpoint of step ")
    with pytest.raises(RunDirectoryError):
        lstm_jax.train(tiny_classifier(reviews), copied)


def test_what_may_grow_and_how_the_text_is_laid_out_do_not_count(copied, reviews):
    path = copied / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    before = lstm_jax.load(copied).step
    run = lstm_jax.train(tiny_classifier(reviews, epochs=5), copied)
    assert json.loads(path.read_text())["epochs"] == 5
    assert run.step >= before
    for step in run.steps:
        lstm_jax.load(copied, step)


def test_a_manifest_that_is_damaged_is_still_an_error_of_the_checkpoint(copied):
    for step in checkpoints.steps(copied / "checkpoints"):
        path = copied / "checkpoints" / str(step) / "manifest.json"
        path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(CheckpointError, match="differs from its digest"):
        lstm_jax.load(copied)
