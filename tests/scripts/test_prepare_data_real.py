"""Real sets read without TensorFlow: every row, as published."""

import collections
import shutil

import pytest

from tests.data.sources import real_data
from tests.scripts.test_prepare_data_archives import digests, source


def test_real_trec(module, tmp_path):
    folder = str(real_data("trec"))
    assert digests(module.prepare("trec", str(tmp_path / "sets"), folder)) == [
        "train: 5452 examples, sha256 "
        "9da865333c5fac2bea3fb62c47e79e4a590241a3ab3a245e30a8a2f9c77d02da",
        "test: 500 examples, sha256 "
        "6afc8968c2306b25637f092b90fbbd61e93196f19fc7f4a18096bf7b44acde80",
    ]
    trec = source(tmp_path, "trec", label="label-coarse")
    labels = collections.Counter(example.target for example in trec.examples("train"))
    assert labels == {"ENTY": 1250, "HUM": 1223, "DESC": 1162, "NUM": 896, "LOC": 835, "ABBR": 86}


def test_every_row_of_the_real_sst2_is_read(module):
    archive = module._archives.READERS["glue/sst2"](real_data("sst2_glue"))
    labels = {
        split: collections.Counter(record.example["label"] for record in records)
        for split, records in archive.splits.items()
    }
    assert labels == {
        "train": {1: 37_569, 0: 29_780},
        "validation": {1: 444, 0: 428},
        "test": {-1: 1_821},
    }


@pytest.mark.parametrize(
    ("rows", "training"),
    [
        (4_000, {"positive": 2_193, "negative": 1_807}),
        # TensorFlow Datasets takes seconds for so many.
        pytest.param(
            67_349, {"positive": 37_569, "negative": 29_780}, marks=pytest.mark.slow, id="all"
        ),
    ],
)
def test_real_sst2(module, tmp_path, rows, training):
    folder = tmp_path / "files"
    shutil.copytree(real_data("sst2_glue"), folder)
    lines = (folder / "train.tsv").read_bytes().splitlines(keepends=True)
    (folder / "train.tsv").write_bytes(b"".join(lines[: 1 + rows]))
    module.prepare("glue/sst2", str(tmp_path / "sets"), str(folder))
    sst2 = source(tmp_path, "glue/sst2", field="sentence")
    for split, labels in {
        "train": training,
        "validation": {"positive": 444, "negative": 428},
        "test": {None: 1_821},
    }.items():
        assert collections.Counter(x.target for x in sst2.examples(split)) == labels
