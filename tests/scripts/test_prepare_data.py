"""Sets are prepared from files on disk, and every mistake is one line."""

from typing import Any

import pytest
from absl import flags
from absl.testing import flagsaver

from lstm_jax.data import SPLITS, TensorFlowDataset, TextFile
from lstm_jax.data.text.documents import texts_of
from lstm_jax.errors import DataError, StorageError, UserError
from tests.data.sources import real_data
from tests.scripts.preparing import SCRIPTS, start


@pytest.fixture
def archive() -> str:
    return str(real_data("tiny_shakespeare"))


def test_tiny_shakespeare_without_tensorflow(module, archive, tmp_path):
    folder = str(tmp_path)
    message, *digests = module.prepare("tiny_shakespeare", folder, archive).splitlines()
    where = f"in {folder}/tiny_shakespeare/1.0.0"
    assert message == f"tiny_shakespeare/1.0.0 is prepared {where}"
    assert [line.partition(", sha256")[0] for line in digests] == [
        f"{x}: 1 examples" for x in SPLITS
    ]
    expected = TextFile(f"{archive}/input.txt")
    for split in SPLITS:
        (document,) = texts_of(TensorFlowDataset("tiny_shakespeare", folder), split)
        assert document == next(expected.documents(split))
    again = module.prepare("tiny_shakespeare", folder).splitlines()
    assert again == [f"tiny_shakespeare/1.0.0 was already prepared {where}, undamaged", *digests]
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"tiny_shakespeare", ".tiny_shakespeare.lock"}


def test_a_damaged_archive(module, tmp_path):
    (tmp_path / "input.txt").write_text("First Citizen:\n")
    with pytest.raises(DataError, match=r"input.txt, has wrong checksum$"):
        module.prepare("tiny_shakespeare", str(tmp_path / "sets"), str(tmp_path))
    with pytest.raises(DataError, match="is not prepared"):
        list(texts_of(TensorFlowDataset("tiny_shakespeare", str(tmp_path / "sets")), "train"))


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


def test_a_folder_whose_name_is_no_text(module, tmp_path):
    with pytest.raises(UserError, match=r"^--data_dir='.*/\\udcff' is not UTF-8: choose another"):
        module.prepare("tiny_shakespeare", str(tmp_path / "\udcff"), str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_without_tensorflow(module, tmp_path):
    install = "needs TensorFlow: PIP_CONSTRAINT=constraints.txt pip install -e '.[prepare]'"
    for name, hint in {
        "lm1b": "",
        "lm1b:1.1.0": "",
        "glue/sst2": ", or give the folder that holds its files as --archive_dir",
        "tiny_shakespear": "; did you mean 'tiny_shakespeare'?",
    }.items():
        with pytest.raises(UserError) as caught:
            module.prepare(name, str(tmp_path))
        assert str(caught.value) == f"preparing {name} {install}{hint}"
    with pytest.raises(UserError, match=r"preparing glue/cola needs TensorFlow: .*prepare\]'"):
        module.prepare("glue/cola", str(tmp_path), str(tmp_path))
    # The same command as in the instructions, so that both work from a checkout.
    assert install.partition(": ")[2] in (SCRIPTS.parent / "README.md").read_text()


def test_names_that_do_not_exist(module, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_require_tensorflow", lambda *_: None)
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
        (
            RuntimeError("write() failed: No space left on device; at"),
            StorageError,
            "disk is full$",
        ),
        (RuntimeError("Failed\nto finalize"), DataError, "cannot prepare .*1.0.0: Failed$"),
        (PermissionError(13, "Permission denied", "/x"), DataError, "Permission denied: '/x'$"),
        (AssertionError("download it yourself:\nfrom"), DataError, "1.0.0: download it yourself$"),
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
