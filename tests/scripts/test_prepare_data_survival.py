"""Preparing survives kills and a second process; damage to what is prepared is found."""

import fcntl
import json
import pathlib
import shutil
import signal
import threading
import time
from typing import Any

import pytest

from lstm_jax.data import TensorFlowDataset
from lstm_jax.data.text.documents import texts_of
from lstm_jax.errors import DataError
from tests.scripts.preparing import start, write_imdb

PATIENCE = 120
SPLITS = ("train", "unsupervised", "test")


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    return write_imdb(tmp_path / "files")


@pytest.fixture(scope="module")
def prepared(script: Any, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with the set prepared."""
    folder = tmp_path_factory.mktemp("prepared")
    script.prepare("imdb_reviews", str(folder / "sets"), str(write_imdb(folder / "files")))
    return folder / "sets"


@pytest.fixture
def sets(tmp_path: pathlib.Path, prepared: pathlib.Path) -> pathlib.Path:
    """A copy of it that a test may damage."""
    return pathlib.Path(shutil.copytree(prepared, tmp_path / "sets"))


def the_files(sets: pathlib.Path) -> pathlib.Path:
    return sets / "imdb_reviews" / "plain_text" / "1.0.0"


def test_killed_while_preparing_and_while_another_waits(tmp_path):
    """The kill unlocks the set, and the second process clears away what the first left."""
    sets, folder = tmp_path / "sets", write_imdb(tmp_path / "files", count=1000)
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('TensorFlow was imported')\n")
    flags = ("--name=imdb_reviews", f"--data_dir={sets}", f"--archive_dir={folder}")
    pattern = ".imdb_reviews.preparing.*/imdb_reviews/plain_text/incomplete*"
    first = start(*flags, path=str(tmp_path))
    try:
        while not list(sets.glob(pattern)) and first.poll() is None:
            time.sleep(0.001)
        first.send_signal(signal.SIGSTOP)
        assert list(sets.glob(pattern)), "not stopped in time"
        with pytest.raises(DataError, match="is not prepared in"):
            list(texts_of(TensorFlowDataset("imdb_reviews", str(sets)), "train"))
        second = start(*flags, path=str(tmp_path))
        assert second.stderr is not None
        waiting = second.stderr.readline()
    finally:
        first.kill()
        first.communicate()
    output, errors = second.communicate(timeout=PATIENCE)
    assert waiting == f"waiting for another process, which prepares imdb_reviews in {sets}\n"
    assert second.returncode == 0, errors
    assert errors == ""  # no progress bars where nobody looks
    assert output.startswith("imdb_reviews/plain_text/1.0.0 is prepared in")
    assert {path.name for path in sets.iterdir()} == {"imdb_reviews", ".imdb_reviews.lock"}
    assert len(list(texts_of(TensorFlowDataset("imdb_reviews", str(sets)), "train"))) == 2000


def test_interrupted_just_before_it_appears(module, folder, tmp_path, monkeypatch):
    """Even then nothing is seen: the set appears by the one renaming of its folder."""
    rename = pathlib.Path.rename
    leftover = tmp_path / "sets" / ".imdb_reviews.preparing.0" / "imdb_reviews"
    leftover.mkdir(parents=True)

    def interrupted(path: pathlib.Path, target: Any) -> pathlib.Path:
        if path.name != "1.0.0":
            return rename(path, target)
        assert (path / "digests.json").is_file()
        assert not leftover.exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(pathlib.Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        module.prepare("imdb_reviews", str(tmp_path / "sets"), str(folder))
    monkeypatch.undo()
    with pytest.raises(DataError, match="is not prepared in"):
        list(texts_of(TensorFlowDataset("imdb_reviews", str(tmp_path / "sets")), "train"))
    assert not list((tmp_path / "sets").glob(".imdb_reviews.preparing*"))


def test_the_second_finds_it_prepared(module, prepared, folder, tmp_path, capsys):
    sets = tmp_path / "sets"
    sets.mkdir()
    results: list[str] = []
    arguments = ("imdb_reviews", str(sets), str(folder))
    second = threading.Thread(target=lambda: results.append(module.prepare(*arguments)))
    errors = ""
    with (sets / ".imdb_reviews.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second.start()
        limit = time.monotonic() + PATIENCE
        while "\n" not in errors and time.monotonic() < limit:
            time.sleep(0.01)
            errors += capsys.readouterr().err
        assert not list(sets.glob(".imdb_reviews.preparing.*"))
        shutil.copytree(prepared / "imdb_reviews", sets / "imdb_reviews")
    second.join(PATIENCE)
    assert errors == f"waiting for another process, which prepares imdb_reviews in {sets}\n"
    assert "was already prepared in" in results[0]


def flip(path: pathlib.Path, place: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)


FILES = (
    *(f"imdb_reviews-{split}.array_record-00000-of-00001" for split in SPLITS),
    *("label.labels.txt", "features.json", "dataset_info.json", "digests.json"),
)


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_found(module, sets, name):
    """Wherever it is, in one line that names the file or says that it cannot be read."""
    folder = the_files(sets)
    original = (folder / name).read_bytes()
    for place in (0, 0.3, 0.6, 0.999):
        flip(folder / name, place)
        with pytest.raises(DataError) as caught:
            module.prepare("imdb_reviews", str(sets))
        message = str(caught.value)
        assert "\n" not in message
        if name not in ("features.json", "dataset_info.json", "digests.json"):
            assert f"{folder} is damaged ({name} does not match digests.json): delete" in message
        (folder / name).write_bytes(original)
    assert "undamaged" in module.prepare("imdb_reviews", str(sets))


@pytest.mark.parametrize("name", ["label.labels.txt", FILES[0]])
def test_a_missing_file_is_found(module, sets, name):
    (the_files(sets) / name).unlink()
    with pytest.raises(DataError, match=r"1\.0\.0 is damaged \(.*\): delete the folder and run"):
        module.prepare("imdb_reviews", str(sets))


def test_digests_that_are_wrong_are_found(module, sets):
    path = the_files(sets) / "digests.json"
    digests = json.loads(path.read_bytes())
    digests["splits"]["test"]["examples"] += 1
    for content in (json.dumps(digests), json.dumps({"files": {}}), "[]"):
        path.write_text(content)
        with pytest.raises(DataError, match=r"is damaged \(.*digests\.json"):
            module.prepare("imdb_reviews", str(sets))


def test_a_set_without_digests_gets_them(module, sets):
    path = the_files(sets) / "digests.json"
    content = path.read_bytes()
    path.unlink()
    message = module.prepare("imdb_reviews", str(sets))
    assert message.splitlines()[0].endswith("1.0.0, without digests until now")
    assert path.read_bytes() == content
    path.unlink()
    (path.parent / ".digests.json.writing").mkdir()  # so that not even root can write
    message = module.prepare("imdb_reviews", str(sets))
    assert message.splitlines()[0].endswith("1.0.0, without digests")
    assert not path.exists()
    flip(the_files(sets) / FILES[0], 0.005)  # the rest of so short a file is empty
    with pytest.raises(DataError, match=r"is damaged \(train cannot be read\)"):
        module.prepare("imdb_reviews", str(sets))


def test_digests_depend_on_the_examples_alone(module, prepared, folder, tmp_path):
    """Not on the files, in which the fields of an example stand in any order."""
    again = module.prepare("imdb_reviews", str(tmp_path / "again"), str(folder))
    digests = json.loads((the_files(prepared) / "digests.json").read_bytes())["splits"]
    assert again.splitlines()[1:] == [
        f"{split}: {digests[split]['examples']} examples, sha256 {digests[split]['sha256']}"
        for split in ("train", "test", "unsupervised")
    ]
    other = module.prepare("imdb_reviews", str(tmp_path / "other"), str(write_imdb(folder, 5)))
    assert not set(again.splitlines()) & set(other.splitlines())


def test_something_in_the_way(module, sets, folder):
    (the_files(sets) / "features.json").unlink()
    with pytest.raises(DataError, match=r"1\.0\.0 is in the way and is not a prepared set: delete"):
        module.prepare("imdb_reviews", str(sets), str(folder))
