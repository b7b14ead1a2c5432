"""What was learned from validation data belongs to one checkpoint."""

import shutil

import pytest

import lstm_jax
from lstm_jax.errors import CheckpointError, ConfigError, MissingCapabilityError, RunDirectoryError
from lstm_jax.storage import calibration
from lstm_jax.tasks import Classification


def test_it_is_saved_for_a_step_and_read_back(copied):
    step = lstm_jax.load(copied).step
    digest = calibration.checkpoint_digest(copied, step)
    assert calibration.read(copied, step, digest) is None
    values = {"temperature": 0.1 + 0.2, "names": ["a"]}
    calibration.save(copied, step, digest, values)
    assert calibration.read(copied, step, digest) == values
    path = copied / "calibration" / f"{step}.json"
    path.write_text(path.read_text().replace('"a"', '"b"'))
    with pytest.raises(RunDirectoryError, match=r"cannot be read \(it was changed\): delete it"):
        calibration.read(copied, step, digest)
    calibration.prune(copied, [step])
    assert path.exists()
    calibration.prune(copied, [step + 1])
    assert not path.exists()


def test_that_of_another_checkpoint_is_refused(copied):
    one, other = lstm_jax.load(copied).steps[:2]
    digests = {step: calibration.checkpoint_digest(copied, step) for step in (one, other)}
    calibration.save(copied, one, digests[one], {"temperature": 2.0})
    path = copied / "calibration"
    shutil.copy(path / f"{one}.json", path / f"{other}.json")
    message = f"{other}.json belongs to another checkpoint of step {other}: delete it"
    with pytest.raises(RunDirectoryError, match=message):
        calibration.read(copied, other, digests[other])
    (path / f"{one}.json").write_text("[]")
    with pytest.raises(RunDirectoryError, match=r"cannot be read .*: delete it"):
        calibration.read(copied, one, digests[one])
    shutil.rmtree(copied / "checkpoints")
    with pytest.raises(CheckpointError, match="cannot be read"):
        calibration.checkpoint_digest(copied, one)


@pytest.mark.usefixtures("unannotated")
def test_what_json_cannot_hold_is_refused(copied):
    step = lstm_jax.load(copied).step
    with pytest.raises(ConfigError, match="calibrate must return what JSON can hold"):
        calibration.save(copied, step, "", {"temperature": object()})
    with pytest.raises(ConfigError, match="calibrate must return a mapping, not a list"):
        calibration.save(copied, step, "", [1.0])
    assert not (copied / "calibration").exists()


@pytest.mark.usefixtures("unannotated")
def test_numbers_as_keys_are_read_back_as_json_has_them(copied):
    """Their order was another one when it was read, and the run could not be loaded."""
    step = lstm_jax.load(copied).step
    digest = calibration.checkpoint_digest(copied, step)
    calibration.save(copied, step, digest, {2: 1.0, 10: {3: 2.0, 20: 1.0}})
    assert calibration.read(copied, step, digest) == {"2": 1.0, "10": {"3": 2.0, "20": 1.0}}


def test_a_step_is_calibrated_when_asked(copied, monkeypatch):
    found = []

    def calibrate(self, use):
        found.append(use.preprocessor.targets.names)
        return {"examples": len(list(use.data.source.examples("validation")))}

    run = lstm_jax.load(copied, step="latest")
    with pytest.raises(ConfigError, match=r"not calibrated: call run\.calibrate\(\) once"):
        run._use.calibrated("examples")
    assert run.calibrate() is None, "a task that learns nothing"
    assert not (copied / "calibration").exists()
    monkeypatch.setattr(Classification, "calibrate", calibrate)
    assert run.calibrate() == run.calibration == {"examples": 13}
    use = lstm_jax.load(copied, step="latest")._use
    assert use.calibrated("examples") == 13
    with pytest.raises(ConfigError, match=r"calibrate found no 'example' .* but examples"):
        use.calibrated("example")
    assert found == [("0", "1")]


def test_the_vocabulary_of_before_is_told(copied):
    with pytest.raises(MissingCapabilityError, match=r"is run\.preprocessor\.vocabulary now"):
        lstm_jax.load(copied).vocabulary  # noqa: B018
