"""Prepared sets of TensorFlow Datasets are read without TensorFlow."""

import os
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from lstm_jax.data import SPLITS, TensorFlowDataset, TextWindows
from lstm_jax.data import tfds as tfds_module
from lstm_jax.data.text.documents import texts_of
from lstm_jax.errors import DataError

ROOT = pathlib.Path(__file__).parents[2]
TRAIN = {f"sentence {i}, with a naïve café" for i in range(25)}


class Proverbs(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A set of text that needs neither a network nor TensorFlow."""

    VERSION = tfds.core.Version("1.0.0")
    pkg_dir_path: Any = pathlib.Path(__file__).parent

    def _info(self) -> tfds.core.DatasetInfo:
        features = {"text": tfds.features.Text(), "stars": tfds.features.Scalar(np.int32)}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager: Any, *_: Any) -> dict[str, Any]:
        return {"train": self._generate_examples(TRAIN), "test": self._generate_examples({"end"})}

    def _generate_examples(self, texts: set[str]) -> Any:
        for text in texts:
            yield text, {"text": text, "stars": 3}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with the set prepared."""
    folder = str(tmp_path_factory.mktemp("sets"))
    Proverbs(data_dir=folder).download_and_prepare(file_format="array_record")
    return folder


@pytest.fixture
def files(tmp_path: pathlib.Path, data_dir: str) -> pathlib.Path:
    """A copy of the set that a test may damage."""
    folder = tmp_path / "proverbs" / "1.0.0"
    folder.mkdir(parents=True)
    for path in (pathlib.Path(data_dir) / "proverbs" / "1.0.0").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_documents(data_dir, monkeypatch):
    source = TensorFlowDataset("proverbs", data_dir)
    documents = list(texts_of(source, "train"))
    assert set(documents) == TRAIN
    assert len(documents) == 25
    assert list(texts_of(source, "test")) == ["end"]
    monkeypatch.setattr(tfds_module, "_PIECE", 4)
    assert list(texts_of(source, "train")) == documents


def test_slices_of_splits(data_dir):
    splits = ("train[:80%]", "train[80%:]", "train+test")
    source = TensorFlowDataset("proverbs", data_dir, splits=splits)
    train, validation, test = (list(texts_of(source, split)) for split in SPLITS)
    assert (len(train), len(validation), len(test)) == (20, 5, 26)
    assert {*train, *validation} == TRAIN


def test_a_version_a_variable_and_the_default_folder(data_dir, monkeypatch):
    monkeypatch.setenv("SETS", data_dir)
    monkeypatch.setattr("tensorflow_datasets.core.constants.DATA_DIR", data_dir)
    for source in (
        TensorFlowDataset("proverbs:1.0.0", "$SETS"),
        TensorFlowDataset("proverbs:1.*.*"),
    ):
        assert list(texts_of(source, "test")) == ["end"]


def test_reading_imports_no_tensorflow(data_dir, tmp_path):
    """In a process of its own, in which `import tensorflow` would work."""
    (tmp_path / "tensorflow.py").write_text("__version__ = '99'\n")
    program = (
        "import sys; from lstm_jax.data import TensorFlowDataset, TextWindows\n"
        "assert 'tensorflow_datasets' not in sys.modules, 'imported before it is needed'\n"
        f"config = TextWindows(TensorFlowDataset('proverbs', {data_dir!r}), window=3)\n"
        "data = config.open(config.fit())\n"
        "data.batch(0), data.evaluation('test')[0]\n"
        "print(len(data.tokens('train')), 'tensorflow' in sys.modules)"
    )
    path = os.pathsep.join([str(ROOT), str(tmp_path)])
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == [str(25 * 6 + 24), "False"]


def test_examples_are_lines(data_dir):
    config = TextWindows(TensorFlowDataset("proverbs", data_dir), tokens="words", window=3)
    preprocessor = config.fit()
    ids = config.open(preprocessor).tokens("train")
    assert sum(ids == preprocessor.vocabulary.encode("\n")[0]) == 24


def expect(source: TensorFlowDataset, *parts: str, split: Any = "train") -> None:
    """The error is one line with these parts."""
    with pytest.raises(DataError) as caught:
        list(texts_of(source, split))
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_not_prepared(tmp_path, monkeypatch):
    monkeypatch.setenv("SETS", str(tmp_path))
    command = "run `python scripts/prepare_data.py --name=lm1b"
    expect(TensorFlowDataset("lm1b", "$SETS"), str(tmp_path), command + " '--data_dir=$SETS'`")
    monkeypatch.setattr("tensorflow_datasets.core.constants.DATA_DIR", str(tmp_path))
    expect(TensorFlowDataset("lm1b"), f"not prepared in {tmp_path}: {command}`")


def test_half_prepared(files):
    files.rename(files.with_name("incomplete.ABCDEF_1.0.0"))
    expect(TensorFlowDataset("proverbs", str(files.parents[1])), "is not prepared in")


def test_names_that_do_not_exist(data_dir):
    expect(TensorFlowDataset("../x", data_dir), "../x: Parsing builder name string ../x failed")
    expect(TensorFlowDataset("proverbs:2.0.0", data_dir), "proverbs:2.0.0 is not prepared")
    expect(TensorFlowDataset("proverbs", data_dir, field="txt"), "did you mean 'text'?")
    expect(
        TensorFlowDataset("proverbs", data_dir, field="stars"), "'stars' of text; there are text"
    )
    expect(
        TensorFlowDataset("proverbs", data_dir),
        "Unknown split 'validation'. Should be one of ['train', 'test']. (the field `splits`)",
        split="validation",
    )
    expect(TensorFlowDataset("proverbs", data_dir, splits=("train[", "", "")), "parsing split")


def test_another_format(files):
    info = files / "dataset_info.json"
    info.write_text(info.read_text().replace("array_record", "tfrecord"))
    expect(
        TensorFlowDataset("proverbs", str(files.parents[1])),
        *(f"{files} is not in the format array_record: delete it", "run `python scripts/"),
    )


@pytest.mark.parametrize("size", [0, 1000, 65536])
def test_a_file_cut_short(files, size):
    (path,) = files.glob("proverbs-train*")
    os.truncate(path, size)
    expect(
        TensorFlowDataset("proverbs", str(files.parents[1])),
        *(f"{files} is damaged", "delete it and run `python scripts/prepare_data.py"),
    )


def test_a_changed_byte(files):
    (path,) = files.glob("proverbs-train*")
    content = bytearray(path.read_bytes())
    place = content.index(b"sentence") if b"sentence" in content else 300
    content[place] ^= 1
    path.write_bytes(content)
    expect(TensorFlowDataset("proverbs", str(files.parents[1])), f"{files} is damaged")


def test_a_missing_file(files):
    (path,) = files.glob("proverbs-train*")
    path.unlink()
    expect(TensorFlowDataset("proverbs", str(files.parents[1])), f"{files} is damaged")
