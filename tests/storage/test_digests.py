"""Files that a checkpoint depends on are verified before they are used."""

import json

import pytest

import lstm_jax
from lstm_jax.errors import CheckpointError, RunDirectoryError
from lstm_jax.storage import checkpoints, digests
from tests.runs import tiny_classifier


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("config.json", '"dropout": 0.1', '"dropout": 0.2'),
        ("config.json", '"seed": 0', '"seed": 1'),
        ("preprocessor.json", '"tail"', '"head"'),
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


def test_a_missing_file_is_told(copied):
    path, step = copied / "preprocessor.json", lstm_jax.load(copied).step
    path.unlink()
    with pytest.raises(RunDirectoryError) as caught:
        lstm_jax.load(copied)
    assert str(caught.value) == (
        f"{path} is missing, without which the run cannot be read: put it back"
    )
    # So it is where a vocabulary.json is beside it, which runs of the first format have.
    manifest = checkpoints.read_manifest(copied / "checkpoints", step)
    with pytest.raises(RunDirectoryError) as caught:
        digests.verify(copied, manifest["metadata"]["files"], step)
    assert str(caught.value) == (
        f"{path} is missing, with which the checkpoint of step {step} was saved: put it back"
    )


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


def test_the_next_best_is_loaded_where_a_manifest_is_damaged(copied):
    best = lstm_jax.load(copied).step
    path = copied / "checkpoints" / str(best) / "manifest.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    assert lstm_jax.load(copied).step != best


def test_what_is_changed_while_a_run_goes_on_is_found(reviews, tmp_path, monkeypatch):
    """A checkpoint notes what the run was begun with, not what stands there when it is saved."""
    save = checkpoints.save

    def changing(directory, step, *rest):
        path = directory.parent / "config.json"
        path.write_text(path.read_text().replace('"clip_norm": 1.0', '"clip_norm": 9.0'))
        return save(directory, step, *rest)

    monkeypatch.setattr(checkpoints, "save", changing)
    with pytest.raises(RunDirectoryError, match=r"config.json was changed since"):
        lstm_jax.train(tiny_classifier(reviews, epochs=1), tmp_path)


def test_a_later_version_may_let_other_fields_grow(copied, monkeypatch):
    """A checkpoint notes which fields did not count when it was saved."""
    monkeypatch.setattr(lstm_jax.Experiment, "MAY_GROW", ("steps",))
    lstm_jax.load(copied)
