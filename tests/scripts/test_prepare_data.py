"""Sets are prepared from files on disk, and nothing half done is ever read."""

import importlib.util
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from absl import flags
from absl.testing import flagsaver

from lstm_jax.data import SPLITS, TensorFlowDataset, TextFile
from lstm_jax.errors import DataError, StorageError, UserError
from tests.data.sources import real_data

ROOT = pathlib.Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "prepare_data.py"


def start(*flags: str) -> subprocess.Popen[str]:
    # Away from the checkout, whose library the script has to find by itself.
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *flags],
        cwd="/",
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def script() -> Iterator[Any]:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("prepare_data", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    for name in ("name", "data_dir", "archive_dir"):
        delattr(flags.FLAGS, name)


@pytest.fixture
def module(script: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script where TensorFlow is not installed, whether it is or not."""
    monkeypatch.setattr(script, "_has_tensorflow", lambda: False)
    return script


@pytest.fixture
def archive() -> str:
    return str(real_data("tiny_shakespeare"))


def test_tiny_shakespeare_without_tensorflow(module, archive, tmp_path):
    folder = str(tmp_path)
    message = module.prepare("tiny_shakespeare", folder, archive)
    where = f"{folder}/tiny_shakespeare/1.0.0; examples: train 1, validation 1, test 1"
    assert message == f"tiny_shakespeare/1.0.0 is prepared in {where}"
    expected = TextFile(f"{archive}/input.txt")
    for split in SPLITS:
        (document,) = TensorFlowDataset("tiny_shakespeare", folder).documents(split)
        assert document == next(expected.documents(split))
    again = module.prepare("tiny_shakespeare", folder)
    assert again == f"tiny_shakespeare/1.0.0 was already prepared in {where}"


def test_a_killed_preparation_leaves_nothing_to_read_and_can_be_repeated(archive, tmp_path):
    flags = ("--name=tiny_shakespeare", f"--data_dir={tmp_path}", f"--archive_dir={archive}")
    process = start(*flags)
    while not list(tmp_path.glob("tiny_shakespeare/*")) and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    source = TensorFlowDataset("tiny_shakespeare", str(tmp_path))
    left = [path.name for path in tmp_path.glob("tiny_shakespeare/incomplete*")]
    if left:  # Killed in time: nearly always, and always right.
        with pytest.raises(DataError, match="not prepared"):
            list(source.documents("train"))
    process = start(*flags)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "%|" not in errors  # no progress bars where nobody looks
    assert all(f"{name} is left over" in output for name in left)
    assert len(next(source.documents("train"))) == 1_003_854


def test_a_damaged_archive(module, tmp_path):
    (tmp_path / "input.txt").write_text("First Citizen:\n")
    with pytest.raises(DataError, match=r"input.txt, has wrong checksum$"):
        module.prepare("tiny_shakespeare", str(tmp_path / "sets"), str(tmp_path))
    with pytest.raises(DataError, match="is not prepared"):
        list(TensorFlowDataset("tiny_shakespeare", str(tmp_path / "sets")).documents("train"))


def test_a_file_missing_from_the_archive_is_not_downloaded(module, tmp_path, monkeypatch):
    import requests

    monkeypatch.setattr(requests.Session, "get", lambda *_, **__: pytest.fail("on the network"))
    with pytest.raises(DataError, match=r"has no file input.txt, which tiny_shakespeare needs: h"):
        module.prepare("tiny_shakespeare", str(tmp_path), str(tmp_path))
    with pytest.raises(DataError, match=r"there is no folder .*/nowhere"):
        module.prepare("tiny_shakespeare", str(tmp_path), str(tmp_path / "nowhere"))
    monkeypatch.setattr("tensorflow_datasets.core.dataset_builder.DatasetBuilder.url_infos", None)
    with pytest.raises(DataError, match=r"needs h.*/input.txt: run without --archive_dir$"):
        module.prepare("tiny_shakespeare", str(tmp_path), str(tmp_path))


def test_without_tensorflow(module, tmp_path):
    for name in ("lm1b", "lm1b:1.1.0", "glue/sst2"):
        with pytest.raises(UserError) as caught:
            module.prepare(name, str(tmp_path))
        assert str(caught.value) == (
            f"preparing {name} needs TensorFlow: pip install -c constraints.txt -e '.[prepare]'"
        )
    # The same command as in the instructions, so that both work from a checkout.
    command = str(caught.value).partition(": ")[2]
    assert command in (ROOT / "README.md").read_text()
    with pytest.raises(UserError, match="did you mean 'tiny_shakespeare'"):
        module.prepare("tiny_shakespear", str(tmp_path))


def test_names_that_do_not_exist(module, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_require_tensorflow", lambda name: None)
    with pytest.raises(DataError, match=r"no set 'lm1c'; did you mean 'lm1b'\?"):
        module.prepare("lm1c", str(tmp_path))
    for name in ("../x", "tiny_shakespeare:9.0.0", "tiny_shakespeare/small"):
        with pytest.raises(DataError) as caught:
            module.prepare(name, str(tmp_path))
        assert str(caught.value).startswith(f"{name}: ")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "expected", "message"),
    [
        (OSError(28, "No space left on device"), StorageError, "the disk is full$"),
        (OSError("Not enough disk space. Needed: 3"), StorageError, "the disk is full$"),
        (PermissionError(13, "Permission denied", "/x"), DataError, "Permission denied: '/x'$"),
        (AssertionError("download it yourself:\nfrom"), DataError, "shakespeare: download it y"),
        (ModuleNotFoundError("No module named 'apache_beam'"), UserError, "apache_beam'$"),
    ],
)
def test_failures_are_one_line(module, tmp_path, monkeypatch, error, expected, message):
    def fail(*_: Any, **__: Any) -> None:
        raise error

    target = "tensorflow_datasets.core.dataset_builder.DatasetBuilder.download_and_prepare"
    monkeypatch.setattr(target, fail)
    with pytest.raises(expected, match=message) as caught:
        module.prepare("tiny_shakespeare", str(tmp_path))
    assert "\n" not in str(caught.value)


def test_no_network(module, tmp_path, monkeypatch):
    import requests

    def fail(*_: Any, **__: Any) -> None:
        raise requests.ConnectionError("no route\nto host")

    monkeypatch.setattr(requests.Session, "get", fail)
    with pytest.raises(DataError, match=r"\(no route\): get its files .* give .*--archive_dir$"):
        module.prepare("tiny_shakespeare", str(tmp_path))


def test_a_set_prepared_in_another_format(module, archive, tmp_path):
    module.prepare("tiny_shakespeare", str(tmp_path), archive)
    info = tmp_path / "tiny_shakespeare" / "1.0.0" / "dataset_info.json"
    info.write_text(info.read_text().replace("array_record", "tfrecord"))
    with pytest.raises(DataError, match=r"in the format tfrecord, .*: delete it"):
        module.prepare("tiny_shakespeare", str(tmp_path), archive)


@pytest.mark.parametrize(
    ("arguments", "values", "message"),
    [
        ([], {}, "which set? Give its --name"),
        (["tiny_shakespeare"], {}, "unexpected argument 'tiny_shakespeare'"),
        ([], {"name": "lm1b", "data_dir": "$UNSET_VARIABLE"}, "UNSET_VARIABLE is not set"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(module, capsys, arguments, values, message):
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    with flagsaver.flagsaver(**values), pytest.raises(SystemExit, match="2"):
        module.main(["prepare_data.py", *arguments])
    output, errors = capsys.readouterr()
    assert message in errors
    assert len(errors.splitlines()) == 1
    assert output == ""


def test_an_unknown_flag_is_one_line_and_exit_code_2():
    process = start("--nam=lm1b")
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert output == ""
    assert errors == "Unknown command line flag 'nam'. Did you mean: name ?\n"


def test_an_interrupt_is_exit_code_130(module, capsys, monkeypatch):
    def interrupted(*_: Any) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "prepare", interrupted)
    with flagsaver.flagsaver(name="lm1b"), pytest.raises(SystemExit, match="130"):
        module.main(["prepare_data.py"])
    assert "run the same command again" in capsys.readouterr().err
