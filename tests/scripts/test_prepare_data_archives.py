"""Sets read without TensorFlow are those that TensorFlow Datasets makes of the same files."""

import io
import json
import pathlib
import types
import zipfile
from typing import Any

import pytest
import tensorflow_datasets as tfds

from lstm_jax.data import TensorFlowDataset
from lstm_jax.errors import DataError
from tests.scripts.preparing import NEWS, QUESTIONS, TABLE, reviews, write_imdb, write_tar

UNLABELLED = "index\tsentence\n0\ta quiet film\n"
ANY_FILE = "tensorflow_datasets.core.dataset_builder.DatasetBuilder.url_infos"


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """All that the archives hold, in the layout without archives where there is one."""
    folder = write_imdb(tmp_path / "files")
    (folder / "TREC.train").write_bytes(QUESTIONS)
    (folder / "TREC.test").write_bytes(QUESTIONS.splitlines()[0])
    (folder / "train.tsv").write_text(TABLE)
    (folder / "dev.tsv").write_text("".join(TABLE.splitlines(keepends=True)[:2]))
    (folder / "test.tsv").write_text(UNLABELLED)
    (folder / "train.csv").write_text(NEWS)
    (folder / "test.csv").write_text(NEWS.splitlines()[0])
    return folder


def source(tmp_path: pathlib.Path, name: str, **options: Any) -> TensorFlowDataset:
    return TensorFlowDataset(name, str(tmp_path / "sets"), **options)


def digests(message: str) -> list[str]:
    return message.splitlines()[1:]


def test_imdb_reviews(module, folder, tmp_path, capsys):
    message = module.prepare("imdb_reviews", str(tmp_path / "sets"), str(folder))
    where = tmp_path / "sets" / "imdb_reviews" / "plain_text" / "1.0.0"
    lines = message.splitlines()
    assert lines[0] == f"imdb_reviews/plain_text/1.0.0 is prepared in {where}"
    assert [line.partition(", sha256 ")[0] for line in lines[1:]] == [
        "train: 8 examples",
        "test: 8 examples",
        "unsupervised: 4 examples",
    ]
    assert capsys.readouterr().out == ""  # TensorFlow Datasets says where it wrote, which is moved
    default = tmp_path / "sets" / "imdb_reviews" / ".config" / "metadata.json"
    assert json.loads(default.read_text()) == {"default_config_name": "plain_text"}
    imdb = source(tmp_path, "imdb_reviews", splits=("train", "unsupervised", "test"))
    assert imdb.class_names() == ("neg", "pos")
    for split, name in (("train", "train"), ("test", "test")):
        assert {(text, label) for text, label, _ in imdb.examples(split)} == {
            (f"A {label} review, number {i} of {name}.<br />Naïve café!", label)
            for label in ("neg", "pos")
            for i in range(4)
        }
    unlabelled = list(imdb.examples("validation"))
    assert {text for text, _, _ in unlabelled} == {f"Nobody judged film {i}." for i in range(4)}
    assert {label for _, label, _ in unlabelled} == {None}


def test_one_archive_or_two(module, folder, tmp_path, monkeypatch):
    write_tar(tmp_path / "aclImdb_v1.tar.gz", reviews())
    parts = module.prepare("imdb_reviews", str(tmp_path / "sets"), str(folder))
    with pytest.raises(DataError, match=r"aclImdb_v1.tar.gz has the wrong checksum: .* from http"):
        module.prepare("imdb_reviews", str(tmp_path / "whole"), str(tmp_path))
    assert not (tmp_path / "whole").exists()
    monkeypatch.setattr(ANY_FILE, None)
    whole = module.prepare("imdb_reviews", str(tmp_path / "whole"), str(tmp_path))
    assert digests(whole) == digests(parts)


def test_sst2(module, folder, tmp_path, monkeypatch):
    unpacked = module.prepare("glue/sst2", str(tmp_path / "sets"), str(folder))
    sst2 = source(tmp_path, "glue/sst2", field="sentence")
    assert sst2.class_names() == ("negative", "positive")
    found = {(text, label) for text, label, _ in sst2.examples("train")}
    assert found == {("a warm film ", "positive"), ("it 's \"dull", "negative")}
    assert [text for text, _, _ in sst2.examples("validation")] == ["a warm film "]
    assert [(text, label) for text, label, _ in sst2.examples("test")] == [("a quiet film", None)]
    with zipfile.ZipFile(tmp_path / "SST-2.zip", "w") as archive:
        for name in ("train.tsv", "dev.tsv", "test.tsv"):
            archive.write(folder / name, f"SST-2/{name}")
    monkeypatch.setattr(ANY_FILE, None)
    packed = module.prepare("glue/sst2", str(tmp_path / "packed"), str(tmp_path))
    assert digests(packed) == digests(unpacked)


def test_trec(module, folder, tmp_path):
    module.prepare("trec", str(tmp_path / "sets"), str(folder))
    trec = source(tmp_path, "trec", label="label-coarse")
    assert trec.class_names() == ("DESC", "ENTY", "ABBR", "HUM", "NUM", "LOC")
    found = {text: label for text, label, _ in trec.examples("train")}
    assert found == {"When was the sister city founded ?": "NUM", "What is LSTM ?": "ABBR"}
    fine = source(tmp_path, "trec", label="label-fine")
    assert {label for _, label, _ in fine.examples("train")} == {"date", "exp"}


def test_ag_news_subset(module, folder, tmp_path, monkeypatch):
    unpacked = module.prepare("ag_news_subset", str(tmp_path / "sets"), str(folder))
    news = source(tmp_path, "ag_news_subset", field="description")
    assert news.class_names() == ("World", "Sports", "Business", "Sci/Tech")
    found = {text: label for text, label, _ in news.examples("train")}
    assert found == {'It said "up"\nby 3\\$': "Business", "Early": "World"}
    files = {f"ag_news_csv/{x}.csv": (folder / f"{x}.csv").read_bytes() for x in ("train", "test")}
    write_tar(tmp_path / "ag_news_csv.tar.gz", files)
    monkeypatch.setattr(ANY_FILE, None)
    packed = module.prepare("ag_news_subset", str(tmp_path / "packed"), str(tmp_path))
    assert digests(packed) == digests(unpacked)


def test_digests_are_the_same_everywhere(module, folder, tmp_path):
    """Although no two processes write the fields of an example in the same order."""
    found = {
        name: digests(module.prepare(name, str(tmp_path), str(folder)))[0].partition("256 ")[2]
        for name in ("imdb_reviews", "glue/sst2", "trec", "ag_news_subset")
    }
    assert found == {
        "imdb_reviews": "13436e7e880a7cacdb66c016b731c4c20c6136687fe791d0decf9ccaffc5912f",
        "glue/sst2": "56948240df3f44673b7684a949f32e78c3b3e8ef6579a82e3f2802d55854f93e",
        "trec": "798a7e23a6a8599d5dcc0a63cac0d887905957525616467c6940b5d547e179d4",
        "ag_news_subset": "b70fb47b10d18ec4da8be91dc5d7dc47f16029c420a54d74bc17e9fcee8f29cb",
    }


def test_the_examples_are_those_of_tensorflow_datasets(module, folder, monkeypatch):
    """The same keys, and so the same order."""

    def own(name: str) -> dict[str, list[Any]]:
        archive = module._archives.READERS[name](folder)
        return {
            split: [(key, example) for key, example, _ in records]
            for split, records in archive.splits.items()
        }

    found = own("imdb_reviews/plain_text")
    builder: Any = tfds.builder("imdb_reviews", data_dir=str(folder))
    for split, directory in {"train": "train", "test": "test", "unsupervised": "train"}.items():
        members = [(name, io.BytesIO(content)) for name, content in reviews().items()]
        generate = builder._generate_examples
        theirs = generate(members, f"aclImdb/{directory}", split != "unsupervised")
        assert found[split] == [(k, x | {"text": x["text"].decode()}) for k, x in theirs]

    found = own("glue/sst2")
    builder = tfds.builder("glue/sst2", data_dir=str(folder))
    for split, name in {"train": "train", "validation": "dev", "test": "test"}.items():
        assert found[split] == list(builder._generate_examples(folder / f"{name}.tsv", name))

    found = own("ag_news_subset")
    builder = tfds.builder("ag_news_subset", data_dir=str(folder))
    for split in ("train", "test"):
        assert found[split] == list(builder._generate_examples(folder / f"{split}.csv"))

    found = own("trec")
    builder = tfds.builder("trec", data_dir=str(folder))
    gfile = types.SimpleNamespace(GFile=open)
    fake = types.SimpleNamespace(io=types.SimpleNamespace(gfile=gfile))
    monkeypatch.setattr(f"{type(builder).__module__}.tf", fake)
    (folder / "TREC.train").write_bytes(QUESTIONS.rstrip())  # theirs fails at an empty line
    for split in ("train", "test"):
        assert found[split] == list(builder._generate_examples(folder / f"TREC.{split}"))


SST2 = "expected sentence, label separated by tabs, label 0 or 1"


@pytest.mark.parametrize(
    ("name", "file", "content", "message"),
    [
        (
            "glue/sst2",
            "train.tsv",
            b"sentence\tlabel\ngood\t1\nbad\n",
            f"train.tsv, line 3: {SST2}",
        ),
        ("glue/sst2", "dev.tsv", b"sentence\tlabel\n\ngood\t2\n", f"dev.tsv, line 3: {SST2}"),
        (
            "glue/sst2",
            "dev.tsv",
            b"sentence\tclass\n",
            "dev.tsv, line 1: there is no column 'label'",
        ),
        ("glue/sst2", "test.tsv", b"index\ttext\n", "line 1: there is no column 'sentence'"),
        ("glue/sst2", "train.tsv", b"sentence\tlabel\n\xe9\t1\n", "line 2: not UTF-8 text"),
        ("glue/sst2", "train.tsv", b"\n", "has no train text of glue/sst2"),
        ("trec", "TREC.test", b"NUM:date When ?\nNUM When ?\n", "line 2: expected CLASS:class and"),
        ("trec", "TREC.test", b"NUM:dat When ?\n", "line 1: unknown label-fine 'dat'"),
        ("ag_news_subset", "train.csv", b'"1","a","b"\n"5","a","b"\n', "line 2: expected a class"),
        ("ag_news_subset", "train.csv", b'"1","a"\n', "line 1: expected a class from 1 to 4, a t"),
        ("ag_news_subset", "train.csv", b'"1","a","b"\n"1","a', "line 2: unexpected end of data"),
    ],
)
def test_a_malformed_line(module, folder, tmp_path, name, file, content, message):
    (folder / file).write_bytes(content)
    with pytest.raises(DataError) as caught:
        module.prepare(name, str(tmp_path / "sets"), str(folder))
    assert message in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)
    nothing_is_left(tmp_path / "sets", name)


def nothing_is_left(sets: pathlib.Path, name: str) -> None:
    assert {path.name for path in sets.iterdir()} <= {f".{name.split('/')[0]}.lock"}


def test_a_review_that_is_no_text(module, folder, tmp_path):
    files = reviews(unlabelled=False) | {"aclImdb/train/pos/1_9.txt": b"\xff\xfe"}
    write_tar(folder / "aclImdb_labelled.tar.xz", files)
    with pytest.raises(DataError, match=r"tar.xz, aclImdb/train/pos/1_9.txt: not UTF-8 text$"):
        module.prepare("imdb_reviews", str(tmp_path / "sets"), str(folder))
    nothing_is_left(tmp_path / "sets", "imdb_reviews")


@pytest.mark.parametrize("suffix", ["xz", "gz"])
def test_a_damaged_archive(module, tmp_path, suffix):
    """Cut short anywhere, or with a byte changed anywhere."""
    path = tmp_path / f"files.tar.{suffix}"
    write_tar(path, reviews())
    content = path.read_bytes()
    damaged = [content[: len(content) * i // 8] for i in range(8)]
    for i in range(1, 16):
        changed = bytearray(content)
        changed[len(content) * i // 16] ^= 16
        damaged.append(bytes(changed))
    assert dict(module._archives._members(path)) == reviews()
    for one in damaged:
        path.write_bytes(one)
        with pytest.raises(DataError, match=r"tar.[xg]z is damaged \(.*\): get it again$"):
            list(module._archives._members(path))


def test_an_archive_cut_short_leaves_nothing(module, folder, tmp_path):
    path = folder / "aclImdb_unsup.tar.xz"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"aclImdb_unsup.tar.xz is damaged"):
        module.prepare("imdb_reviews", str(tmp_path / "sets"), str(folder))
    nothing_is_left(tmp_path / "sets", "imdb_reviews")


@pytest.mark.parametrize(
    ("name", "missing", "message"),
    [
        ("imdb_reviews", "aclImdb_unsup.tar.xz", "aclImdb_v1.tar.gz, or aclImdb_labelled.tar.xz a"),
        ("glue/sst2", "dev.tsv", "SST-2.zip, or train.tsv and dev.tsv and test.tsv"),
        ("trec", "TREC.test", "train_5500.label and TREC_10.label, or TREC.train and TREC.test"),
        ("ag_news_subset", "test.csv", "ag_news_csv.tar.gz, or train.csv and test.csv"),
    ],
)
def test_a_missing_file(module, folder, tmp_path, name, missing, message):
    (folder / missing).unlink()
    with pytest.raises(DataError) as caught:
        module.prepare(name, str(tmp_path / "sets"), str(folder))
    assert f"{folder} does not have the files that are needed: {message}" in str(caught.value)
    assert not (tmp_path / "sets").exists()


def test_an_archive_without_what_it_should_hold(module, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(ANY_FILE, None)
    write_tar(folder / "aclImdb_unsup.tar.xz", {"aclImdb/README": b"none"})
    with pytest.raises(DataError, match=r"has no unsupervised text of imdb_reviews/plain_text$"):
        module.prepare("imdb_reviews", str(tmp_path / "sets"), str(folder))
    write_tar(folder / "ag_news_csv.tar.gz", {"train.csv": b""})
    with pytest.raises(DataError, match=r"is damaged \(it has no ag_news_csv/train.csv\)"):
        module.prepare("ag_news_subset", str(tmp_path / "sets"), str(folder))
    (folder / "SST-2.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"SST-2.zip is damaged \(File is not a zip file\)"):
        module.prepare("glue/sst2", str(tmp_path / "sets"), str(folder))
    with zipfile.ZipFile(folder / "SST-2.zip", "w") as archive:
        archive.writestr("train.tsv", TABLE)
    with pytest.raises(DataError, match=r"SST-2.zip is damaged \(There is no item named 'SST-2/t"):
        module.prepare("glue/sst2", str(tmp_path / "sets"), str(folder))
