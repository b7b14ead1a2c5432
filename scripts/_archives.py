"""Text sets read from the files in which they are published, without TensorFlow.

Splits, keys and examples are those that the set's own code in TensorFlow Datasets makes of the same
files, so that the result is the same set in the same order.
"""

import csv
import gzip
import hashlib
import io
import lzma
import pathlib
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from lstm_jax.errors import DataError


class Record(NamedTuple):
    """An example that is to be written."""

    key: int | str
    """Decides where it comes to stand in the prepared set."""
    example: dict[str, Any]
    place: str
    """Where it was found, for error messages."""


class Archive(NamedTuple):
    """What a folder holds of a set."""

    files: tuple[pathlib.Path, ...]
    """The files that are read."""
    splits: dict[str, Iterator[Record]]
    """By the name of the split: what is in it."""


def imdb_reviews(folder: pathlib.Path) -> Archive:
    """Reviews of films: `aclImdb_v1.tar.gz`, or its labelled and its unlabelled part.

    Source: Maas et al. (2011), "Learning Word Vectors for Sentiment Analysis".
    """
    parts = ("aclImdb_labelled.tar.xz", "aclImdb_unsup.tar.xz")
    files = _find(folder, ("aclImdb_v1.tar.gz",), parts)
    splits = {
        "train": _reviews(files[0], "aclImdb/train/(neg|pos)/"),
        "test": _reviews(files[0], "aclImdb/test/(neg|pos)/"),
        "unsupervised": _reviews(files[-1], "aclImdb/train/unsup/()"),
    }
    return Archive(files, splits)


def _reviews(path: pathlib.Path, pattern: str) -> Iterator[Record]:
    """The files whose name begins like the pattern, of which the group is the label."""
    for name, content in _members(path):
        if found := re.match(pattern, name):
            place = f"{path}, {name}"
            text = _decode(content.strip(), place)
            yield Record(name, {"text": text, "label": found[1] or -1}, place)


def sst2(folder: pathlib.Path) -> Archive:
    """Sentences of film reviews: `SST-2.zip`, or `train.tsv`, `dev.tsv` and `test.tsv` out of it.

    Source: Socher et al. (2013), "Recursive Deep Models for Semantic Compositionality Over a
    Sentiment Treebank"; in this form Wang et al. (2019), "GLUE". The test sentences have no labels.
    """
    members = ("train.tsv", "dev.tsv", "test.tsv")
    files = _find(folder, ("SST-2.zip",), members)
    splits = {
        "train": _sentences(files[0], "SST-2/train.tsv"),
        "validation": _sentences(files[len(files) // 2], "SST-2/dev.tsv"),
        "test": _sentences(files[-1], "SST-2/test.tsv", labelled=False),
    }
    return Archive(files, splits)


def _sentences(path: pathlib.Path, member: str, labelled: bool = True) -> Iterator[Record]:
    """The rows of a table whose columns are separated by tabs."""
    names: list[str] | None = None
    index = 0
    for place, line in _lines(path, member):
        values = line.split("\t")
        if names is None:
            names = values
            if missing := {"sentence", *(["label"] if labelled else [])} - {*names}:
                raise DataError(f"{place}: there is no column {min(missing)!r}")
            continue
        row = dict(zip(names, values, strict=False))
        if len(values) != len(names) or (labelled and row["label"] not in ("0", "1")):
            raise DataError(f"{place}: expected {', '.join(names)} separated by tabs, label 0 or 1")
        label = int(row["label"]) if labelled else -1
        yield Record(index, {"sentence": row["sentence"], "label": label, "idx": index}, place)
        index += 1


def trec(folder: pathlib.Path) -> Archive:
    """Questions: `train_5500.label` and `TREC_10.label`, also as `TREC.train` and `TREC.test`.

    Source: Li and Roth (2002), "Learning Question Classifiers".
    """
    files = _find(folder, ("train_5500.label", "TREC_10.label"), ("TREC.train", "TREC.test"))
    return Archive(files, {"train": _questions(files[0]), "test": _questions(files[1])})


def _questions(path: pathlib.Path) -> Iterator[Record]:
    """Lines such as `NUM:date When was Ozzy Osbourne born ?`."""
    for index, (place, line) in enumerate(_lines(path, encoding="latin-1")):
        # The one byte that is not ASCII stands where a space should.
        found = re.fullmatch(r"(\w+):(\w+) (.+)", line.replace("\xf0", " ").strip())
        if found is None:
            raise DataError(f"{place}: expected CLASS:class and a question")
        coarse, fine, text = found.groups()
        yield Record(index, {"label-coarse": coarse, "label-fine": fine, "text": text}, place)


def ag_news_subset(folder: pathlib.Path) -> Archive:
    """News in four classes: `ag_news_csv.tar.gz`, or `train.csv` and `test.csv` out of it.

    Source: Zhang et al. (2015), "Character-level Convolutional Networks for Text Classification".
    """
    files = _find(folder, ("ag_news_csv.tar.gz",), ("train.csv", "test.csv"))
    splits = {
        "train": _news(files[0], "ag_news_csv/train.csv"),
        "test": _news(files[-1], "ag_news_csv/test.csv"),
    }
    return Archive(files, splits)


def _news(path: pathlib.Path, member: str) -> Iterator[Record]:
    """Rows of class number, title and description, which may go over several lines."""
    content = _decode(_content(path, member), f"{path}, {member}")
    rows = csv.reader(io.StringIO(content, newline=None), strict=True)
    try:
        for index, row in enumerate(rows):
            place = f"{path}, line {rows.line_num}"
            if len(row) != 3 or row[0] not in ("1", "2", "3", "4"):
                raise DataError(f"{place}: expected a class from 1 to 4, a title, a description")
            label, title, description = row
            yield Record(
                index, {"label": int(label) - 1, "title": title, "description": description}, place
            )
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num}: {error}") from None


READERS: dict[str, Callable[[pathlib.Path], Archive]] = {
    "imdb_reviews/plain_text": imdb_reviews,
    "glue/sst2": sst2,
    "trec": trec,
    "ag_news_subset": ag_news_subset,
}
"""By the name of a set, and of its configuration where it has several: what reads its files."""


def use(builder: Any, folder: pathlib.Path) -> bool:
    """Makes a set read its files in the folder with the code above; False where there is none.

    Raises:
        DataError: a file is missing, or is not the one that was published under its name.
    """
    several = builder.builder_config is not None
    key = f"{builder.name}/{builder.builder_config.name}" if several else builder.name
    if key not in READERS:
        return False
    archive = READERS[key](folder)
    for path in archive.files:
        _check_published(path, builder.url_infos or {})
    features = builder.info.features
    classes = {name: set(x.names) for name, x in features.items() if hasattr(x, "names")}
    splits = {
        split: _checked(records, classes, f"{folder} has no {split} text of {key}")
        for split, records in archive.splits.items()
    }
    builder._split_generators = lambda dl_manager: splits
    return True


def _check_published(path: pathlib.Path, published: dict[str, Any]) -> None:
    for url, known in published.items():
        if known.filename == path.name:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != known.checksum:
                raise DataError(f"{path} has the wrong checksum: get it again from {url}")


def _checked(
    records: Iterator[Record], classes: dict[str, set[str]], nothing: str
) -> Iterator[tuple[int | str, dict[str, Any]]]:
    """Keys and examples, each of whose labels is one of its classes or a number."""
    record = None
    for record in records:
        for name, known in classes.items():
            label = record.example[name]
            if isinstance(label, str) and label not in known:
                raise DataError(f"{record.place}: unknown {name} {label!r}")
        yield record.key, record.example
    if record is None:
        raise DataError(nothing)


def _find(folder: pathlib.Path, *choices: tuple[str, ...]) -> tuple[pathlib.Path, ...]:
    """The first choice of files that is there in full."""
    for choice in choices:
        if all((folder / name).is_file() for name in choice):
            return tuple(folder / name for name in choice)
    wanted = ", or ".join(" and ".join(choice) for choice in choices)
    raise DataError(f"{folder} does not have the files that are needed: {wanted}")


def _members(path: pathlib.Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file in a compressed tar archive."""
    decompress: Any = lzma.open if path.suffix == ".xz" else gzip.open
    try:
        with decompress(path) as file:
            with tarfile.open(fileobj=file, mode="r|") as archive:
                for member in archive:
                    if (content := archive.extractfile(member)) is not None:
                        yield member.name, content.read()
            while file.read(1 << 20):  # What guards against damage stands at the very end.
                pass
    except (lzma.LZMAError, zlib.error, gzip.BadGzipFile, tarfile.TarError, EOFError) as error:
        raise DataError(f"{path} is damaged ({error}): get it again") from None


def _content(path: pathlib.Path, member: str) -> bytes:
    """The file, or this member where it is an archive."""
    if path.suffix == ".zip":
        try:
            with zipfile.ZipFile(path) as archive:
                return archive.read(member)
        except (zipfile.BadZipFile, zlib.error, EOFError, KeyError) as error:
            raise DataError(f"{path} is damaged ({error.args[0]}): get it again") from None
    if path.suffix == ".gz":
        found = dict(_members(path))
        if member not in found:
            raise DataError(f"{path} is damaged (it has no {member}): get it again")
        return found[member]
    return path.read_bytes()


def _lines(
    path: pathlib.Path, member: str = "", encoding: str = "utf-8"
) -> Iterator[tuple[str, str]]:
    """The lines that are not empty, each after the words that say where it stands."""
    for number, line in enumerate(_content(path, member).split(b"\n"), start=1):
        if line.strip():
            place = f"{path}, line {number}"
            yield place, _decode(line.removesuffix(b"\r"), place, encoding)


def _decode(content: bytes, place: str, encoding: str = "utf-8") -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        raise DataError(f"{place}: not UTF-8 text") from None
