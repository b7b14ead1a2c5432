"""The labels of sets of TensorFlow Datasets, under the names that the sets give them."""

import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from lstm_jax.data import SPLITS, Example, LabelledSource, TensorFlowDataset
from lstm_jax.data import tfds as tfds_module
from lstm_jax.data.text.documents import texts_of
from lstm_jax.errors import DataError

TONES = ("sad", "glad", "bored")


class Sayings(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Texts with labels of every kind, in the order of their numbers."""

    VERSION = tfds.core.Version("1.0.0")
    pkg_dir_path: Any = pathlib.Path(__file__).parent

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "text": tfds.features.Text(),
            "label": tfds.features.ClassLabel(names=["neg", "pos"]),
            "number": tfds.features.ClassLabel(num_classes=3),
            "stars": tfds.features.Scalar(np.int32),
            "true": tfds.features.Scalar(np.bool_),
            "tone": tfds.features.Text(),
            "weight": tfds.features.Scalar(np.float32),
            "scores": tfds.features.Tensor(shape=(2,), dtype=np.int64),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
        )

    def _split_generators(self, dl_manager: Any, *_: Any) -> dict[str, Any]:
        return {
            "train": self._generate_examples(range(25)),
            "test": self._generate_examples(range(25, 30)),
            "unsupervised": self._generate_examples(range(30, 80), -1),
        }

    def _generate_examples(self, numbers: range, label: int | None = None) -> Iterator[Any]:
        for i in numbers:
            yield (
                i,
                {
                    "text": f"saying {i}",
                    "label": i % 2 if label is None else label,
                    "number": i % 3 if label is None else label,
                    "stars": 10 - i % 4 if label is None else label,
                    "true": i % 2 == 0,
                    "tone": TONES[i % 3],
                    "weight": 0.5,
                    "scores": [i, i],
                },
            )


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with the set prepared."""
    folder = str(tmp_path_factory.mktemp("sets"))
    Sayings(data_dir=folder).download_and_prepare(file_format="array_record")
    return folder


def test_examples(data_dir):
    sayings = TensorFlowDataset("sayings", data_dir)
    assert isinstance(sayings, LabelledSource)
    assert sayings.class_names() == ("neg", "pos")
    assert list(sayings.examples("test")) == [
        Example(f"saying {i}", ("neg", "pos")[i % 2], f"sayings test, example {i - 25}")
        for i in range(25, 30)
    ]
    assert list(texts_of(sayings, "test")) == [f"saying {i}" for i in range(25, 30)]


def test_a_label_of_minus_one_is_none(data_dir):
    for label in ("label", "number", "stars"):
        sayings = TensorFlowDataset("sayings", data_dir, splits=("unsupervised",) * 3, label=label)
        assert {example.target for example in sayings.examples("train")} == {None}


def test_slices_and_sums_of_splits(data_dir, monkeypatch):
    monkeypatch.setattr(tfds_module, "_PIECE", 7)  # a place counts on from piece to piece
    splits = ("train[:92%]+unsupervised[2%:]", "train[92%:]+unsupervised[:2%]", "test[1:3]")
    sayings = TensorFlowDataset("sayings", data_dir, splits=splits)
    train, validation, test = (list(sayings.examples(split)) for split in SPLITS)
    numbers = [*range(23), *range(31, 80)]
    assert [example.inputs for example in train] == [f"saying {i}" for i in numbers]
    assert [example.target for example in train[:2]] == ["neg", "pos"]
    assert {example.target for example in train[23:]} == {None}
    assert train[71].place == "sayings train[:92%]+unsupervised[2%:], example 71"
    assert [example.inputs for example in validation] == ["saying 23", "saying 24", "saying 30"]
    assert [example.target for example in validation] == ["pos", "neg", None]
    assert [example.inputs for example in test] == ["saying 26", "saying 27"]
    with pytest.raises(DataError, match=r"sayings: .*splits`\)$"):
        list(TensorFlowDataset("sayings", data_dir, splits=("train[:2", "", "")).examples("train"))


@pytest.mark.parametrize(
    ("label", "names", "first"),
    [
        ("number", ("0", "1", "2"), ("0", "1", "2", "0")),
        ("stars", ("7", "8", "9", "10"), ("10", "9", "8", "7")),
        ("true", ("0", "1"), ("1", "0", "1", "0")),
        ("tone", ("bored", "glad", "sad"), (*TONES, "sad")),
    ],
)
def test_labels_without_names(data_dir, label, names, first):
    sayings = TensorFlowDataset("sayings", data_dir, label=label)
    assert sayings.class_names() == names
    examples = list(sayings.examples("train"))
    assert tuple(example.target for example in examples[:4]) == first
    assert {example.target for example in examples} <= {*names}


def test_a_set_read_without_labels(data_dir):
    sayings = TensorFlowDataset("sayings", data_dir, label=None)
    assert {example.target for example in sayings.examples("train")} == {None}
    with pytest.raises(DataError, match=r"sayings is read without labels: .* there are label, num"):
        sayings.class_names()


def test_a_set_of_text_alone(tmp_path):
    class Plain(Sayings, skip_registration=True):
        def _info(self) -> tfds.core.DatasetInfo:
            features = {"text": tfds.features.Text()}
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _generate_examples(self, numbers: range, label: int | None = None) -> Iterator[Any]:
            for i in numbers:
                yield i, {"text": f"saying {i}"}

    Plain(data_dir=str(tmp_path)).download_and_prepare(file_format="array_record")
    plain = TensorFlowDataset("plain", str(tmp_path))
    assert len(list(texts_of(plain, "train"))) == 25
    assert {example.target for example in plain.examples("train")} == {None}
    with pytest.raises(DataError, match=r"plain is read without labels: .*; there are none$"):
        plain.class_names()
    with pytest.raises(DataError, match=r"plain has no field 'stars' of classes; there are none$"):
        list(texts_of(TensorFlowDataset("plain", str(tmp_path), label="stars"), "train"))


@pytest.mark.parametrize(
    ("label", "end"),
    [
        ("lable", "; did you mean 'label'?"),
        ("weight", "; there are label, number, stars, tone, true"),
        ("scores", "; there are label, number, stars, tone, true"),
        ("text", "; there are label, number, stars, tone, true"),
    ],
)
def test_what_is_no_label(data_dir, label, end):
    sayings = TensorFlowDataset("sayings", data_dir, label=label)
    for read in (sayings.class_names, lambda: list(sayings.examples("train"))):
        with pytest.raises(DataError) as caught:
            read()
        assert str(caught.value) == f"sayings has no field {label!r} of classes{end}"


@pytest.mark.parametrize("value", [2, -2])
def test_a_label_outside_its_classes(value):
    with pytest.raises(DataError, match=r"^x test, example 3: the label -?2 is outside the 2 cl"):
        tfds_module._label(np.int64(value), ("neg", "pos"), "x test, example 3")


@pytest.mark.parametrize("name", ["features.json", "dataset_info.json"])
def test_a_damaged_description(data_dir, tmp_path, name):
    folder = tmp_path / "sayings" / "1.0.0"
    folder.mkdir(parents=True)
    for path in (pathlib.Path(data_dir) / "sayings" / "1.0.0").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    for content in ("{", "{}", (folder / name).read_text().replace('"', "'", 1)):
        (folder / name).write_text(content)
        with pytest.raises(DataError) as caught:
            list(TensorFlowDataset("sayings", str(tmp_path)).examples("train"))
        assert "\n" not in str(caught.value)
