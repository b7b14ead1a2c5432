import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from lstm_jax.config.saved import from_json, to_json
from lstm_jax.data import TextPreprocessor, TextWindows, Vocabulary
from lstm_jax.errors import ConfigError, DataError, RunDirectoryError, StorageError
from lstm_jax.optimization.optimizers import Optimizer
from lstm_jax.storage import run_directory
from tests.test_files import largest_file

ROOT = Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Inner:
    width: int = 3


@dataclasses.dataclass(frozen=True)
class Experiment:
    MAY_GROW: ClassVar[tuple[str, ...]] = ("steps", "inner.width")

    steps: int | None = 10
    seed: int = 0
    optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)
    inner: Inner = Inner()
    data: TextWindows = dataclasses.field(default_factory=TextWindows)


def open_and_close(workdir, experiment):
    with run_directory.open_for_writing(workdir, experiment) as directory:
        assert directory.path == Path(workdir)


def begin(workdir, experiment):
    """Opens a run that comes so far as to have a preprocessor."""
    with run_directory.open_for_writing(workdir, experiment) as directory:
        directory.save_preprocessor(learned("to be"))


def learned(text):
    return TextPreprocessor(Vocabulary.build([text], "words"))


def refusal(workdir, experiment):
    """The message, which is one line and leaves the directory as it was."""
    before = {path: path.read_bytes() for path in Path(workdir).rglob("*") if path.is_file()}
    with pytest.raises(RunDirectoryError) as error:
        run_directory.open_for_writing(workdir, experiment)
    after = {path: path.read_bytes() for path in Path(workdir).rglob("*") if path.is_file()}
    before.pop(Path(workdir) / "lock", None)
    after.pop(Path(workdir) / "lock", None)
    assert before == after
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_run_starts_and_goes_on_with_the_same_experiment(tmp_path):
    workdir = tmp_path / "runs" / "deep" / "x"
    for _ in range(2):
        open_and_close(workdir, Experiment())
    assert sorted(os.listdir(workdir)) == ["config.json", "lock"]
    assert run_directory.read_experiment(workdir, trust=["tests"]) == Experiment()
    assert run_directory.read_experiment(str(workdir), trust=["tests"]) == Experiment()
    assert run_directory.read_metrics(workdir) == {}


def test_the_parts_of_a_run_have_their_places(tmp_path):
    with run_directory.open_for_writing(tmp_path, Experiment()) as directory:
        assert directory.checkpoints == tmp_path / "checkpoints"
        assert not directory.checkpoints.exists()
        log = directory.open_metrics()
        log.append({"split": "train", "step": 5, "loss": 1.5})
        log.close()
    assert (tmp_path / "metrics.jsonl").stat().st_size == log.size
    assert run_directory.read_metrics(tmp_path)["train"]["loss"].tolist() == [1.5]


def test_what_a_run_killed_at_its_start_left_is_taken_up(tmp_path):
    (tmp_path / "lock").touch()
    (tmp_path / ".config.json.writing").write_text("{")
    open_and_close(tmp_path, Experiment())
    assert run_directory.read_experiment(tmp_path, trust=["tests"]) == Experiment()
    assert not (tmp_path / ".config.json.writing").exists()


# ---- the experiment -----------------------------------------------------------------------------


def test_another_experiment_is_refused_with_the_difference(tmp_path):
    begin(tmp_path, Experiment())
    changed = Experiment(seed=1, optimizer=Optimizer(learning_rate=0.5))
    assert refusal(tmp_path, changed) == (
        f"{tmp_path} holds another experiment: seed was 0 and is now 1; "
        "optimizer.learning_rate was 0.001 and is now 0.5; "
        "undo the change or choose another directory"
    )
    open_and_close(tmp_path, Experiment())  # the refusal has let go of the lock


def test_a_run_that_stopped_before_it_had_a_preprocessor_starts_anew(tmp_path):
    open_and_close(tmp_path, Experiment(seed=1))
    open_and_close(tmp_path, Experiment(seed=2))
    assert run_directory.read_experiment(tmp_path, trust=["tests"]) == Experiment(seed=2)
    begin(tmp_path, Experiment(seed=2))
    assert "seed was 2 and is now 3" in refusal(tmp_path, Experiment(seed=3))
    (tmp_path / "preprocessor.json").unlink()
    (tmp_path / "checkpoints").mkdir()
    assert "seed was 2 and is now 3" in refusal(tmp_path, Experiment(seed=3))


def test_an_experiment_of_another_class_is_refused(tmp_path):
    begin(tmp_path, Inner())
    assert "holds another experiment: the class was" in refusal(tmp_path, Experiment())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (Experiment(steps=10), Experiment(steps=11)),
        (Experiment(steps=10), Experiment(steps=None)),
        (Experiment(inner=Inner(3)), Experiment(inner=Inner(4))),
    ],
)
def test_what_may_grow_grows_and_never_shrinks(tmp_path, old, new):
    begin(tmp_path, old)
    open_and_close(tmp_path, new)
    assert run_directory.read_experiment(tmp_path, trust=["tests"]) == new
    assert "(it may only grow)" in refusal(tmp_path, old)
    # What grew beside a change that is refused is not written either.
    assert "seed was 0 and is now 1" in refusal(tmp_path, dataclasses.replace(old, seed=1))
    assert run_directory.read_experiment(tmp_path, trust=["tests"]) == new


def test_a_config_that_lacks_a_newer_field_takes_its_default(tmp_path):
    text = to_json(Experiment())
    older = text.replace('  "seed": 0,\n', "")
    assert older != text
    (tmp_path / "config.json").write_text(older)
    begin(tmp_path, Experiment())
    assert "seed was 0 and is now 1" in refusal(tmp_path, Experiment(seed=1))


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b'{"class": "os.path"}'])
def test_a_damaged_config_is_refused(tmp_path, content):
    begin(tmp_path, Experiment())
    (tmp_path / "config.json").write_bytes(content)
    assert f"{tmp_path}/config.json cannot be compared" in refusal(tmp_path, Experiment())


def test_a_directory_of_other_things_is_refused_and_nothing_is_written_there(tmp_path):
    (tmp_path / "thesis.tex").touch()
    assert "is not empty and not a run directory" in refusal(tmp_path, Experiment())
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_a_file_is_not_a_run_directory(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "x"):
        assert "cannot be a run directory" in refusal(path, Experiment())


def test_a_full_disk_is_one_line(tmp_path):
    with largest_file(0), pytest.raises(StorageError, match="lock cannot be written: File too"):
        run_directory.open_for_writing(tmp_path, Experiment())
    with largest_file(200), pytest.raises(StorageError, match=r"config\.json cannot be written"):
        run_directory.open_for_writing(tmp_path, Experiment())
    open_and_close(tmp_path, Experiment())


# ---- one writer ---------------------------------------------------------------------------------


def test_a_second_writer_in_this_process_is_refused(tmp_path):
    with run_directory.open_for_writing(tmp_path, Experiment()):
        message = refusal(tmp_path, Experiment())
        assert f"{tmp_path} is being written by process {os.getpid()} on host " in message
        assert run_directory.read_experiment(tmp_path, trust=["tests"]) == Experiment()
    open_and_close(tmp_path, Experiment())


def test_closing_twice_does_not_open_the_lock_of_the_next_writer(tmp_path):
    first = run_directory.open_for_writing(tmp_path, Experiment())
    first.close()
    with run_directory.open_for_writing(tmp_path, Experiment()):
        first.close()
        assert "is being written" in refusal(tmp_path, Experiment())


def test_a_lock_without_a_name_still_holds(tmp_path):
    with run_directory.open_for_writing(tmp_path, Experiment()):
        (tmp_path / "lock").write_bytes(b"")
        assert "is being written by another process" in refusal(tmp_path, Experiment())


WRITER = """
import sys, time
from lstm_jax.storage.run_directory import open_for_writing
from tests.storage.test_run_directory import Experiment

with open_for_writing(sys.argv[1], Experiment()):
    print("open", flush=True)
    time.sleep(60)
"""


def test_another_process_is_named_and_its_lock_ends_with_it(tmp_path):
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        try:
            assert writer.stdout.readline() == "open\n"
            message = refusal(tmp_path, Experiment())
            assert f"is being written by process {writer.pid} on host " in message
            assert " since 20" in message
        finally:
            writer.kill()
    open_and_close(tmp_path, Experiment())


# ---- the preprocessor ---------------------------------------------------------------------------


def test_the_preprocessor_is_saved_once_and_must_stay(tmp_path):
    first = learned("to be or not to be")
    with run_directory.open_for_writing(tmp_path, Experiment()) as directory:
        directory.save_preprocessor(first)
        directory.save_preprocessor(first)
        assert run_directory.read_preprocessor(tmp_path, Experiment()) == first
        for text in ("to be or not to be or", "to be or to be"):
            with pytest.raises(RunDirectoryError, match="the data changed") as error:
                directory.save_preprocessor(learned(text))
            assert "began with a vocabulary of 6 words" in str(error.value)
            assert "\n" not in str(error.value)
        assert run_directory.read_preprocessor(tmp_path, Experiment()) == first


def test_the_vocabulary_of_a_run_of_before_is_read_through_its_data(tmp_path):
    open_and_close(tmp_path, Experiment())
    tokens = ["be", "to", "not", "or", "<eos>", "<unk>"]
    before = tmp_path / "vocabulary.json"
    before.write_text(json.dumps({"unit": "words", "tokens": tokens}))
    first = learned("to be or not to be")
    assert run_directory.read_preprocessor(tmp_path, Experiment()) == first
    kept = before.read_bytes()
    with run_directory.open_for_writing(tmp_path, Experiment()) as directory:
        with pytest.raises(RunDirectoryError, match="the data changed"):
            directory.save_preprocessor(learned("to be"))
        directory.save_preprocessor(first)
    assert before.read_bytes() == kept
    assert from_json((tmp_path / "preprocessor.json").read_text()) == first


@pytest.mark.parametrize("name", ["preprocessor.json", "vocabulary.json"])
def test_a_damaged_preprocessor_names_its_file(tmp_path, name):
    open_and_close(tmp_path, Experiment())
    (tmp_path / name).write_text("[")
    with pytest.raises(DataError, match=rf"/{name}: "):
        run_directory.read_preprocessor(tmp_path, Experiment())


def test_a_preprocessor_is_one_of_a_class_that_is_trusted(tmp_path):
    open_and_close(tmp_path, Experiment())
    path = tmp_path / "preprocessor.json"
    path.write_text('{"class": "somebodys.Preprocessor"}')
    with pytest.raises(DataError, match=r"not trusted; if you trust it, say trust=\['somebodys'\]"):
        run_directory.read_preprocessor(tmp_path, Experiment())
    path.write_text('{"class": "lstm_jax.data.TextWindows"}')
    with pytest.raises(DataError, match="a TextWindows is no preprocessor"):
        run_directory.read_preprocessor(tmp_path, Experiment())


# ---- reading ------------------------------------------------------------------------------------


def test_reading_what_is_not_there_says_what_may_be_meant(tmp_path):
    open_and_close(tmp_path / "runs" / "ptb_small", Experiment())
    (tmp_path / "runs" / "notes").mkdir()
    for read in (
        run_directory.read_experiment,
        lambda path: run_directory.read_preprocessor(path, Experiment()),
        run_directory.read_metrics,
    ):
        for path, message in (
            (tmp_path / "runs" / "ptb_smal", "no such directory; did you mean '.*/ptb_small'"),
            (tmp_path / "elsewhere", "elsewhere: no such directory$"),
            (tmp_path / "runs", "runs is not a run directory: .* holds the runs .*/ptb_small"),
            (tmp_path / "runs" / "notes", r"not a run directory: it has no config\.json$"),
        ):
            with pytest.raises(RunDirectoryError, match=message):
                read(path)
    with pytest.raises(RunDirectoryError, match=r"has no preprocessor\.json: the run stopped"):
        run_directory.read_preprocessor(tmp_path / "runs" / "ptb_small", Experiment())


def test_reading_runs_nothing_that_the_caller_does_not_trust(tmp_path):
    open_and_close(tmp_path, Experiment())
    with pytest.raises(ConfigError, match=r"/config\.json: .*tests"):
        run_directory.read_experiment(tmp_path)
