"""Sources for tests."""

import dataclasses
import os
import pathlib
from collections.abc import Iterator

import pytest

from lstm_jax.data import Example, LabelledSource, Split, TextSource

DATA = os.environ.get("LSTM_JAX_DATA")
"""A folder with the public data sets, where there is one."""


@dataclasses.dataclass(frozen=True)
class Documents(TextSource):
    """Documents from memory."""

    train: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()

    def documents(self, split: Split) -> Iterator[str]:
        yield from getattr(self, split)


@dataclasses.dataclass(frozen=True)
class LabelledDocuments(LabelledSource):
    """Examples from memory, pairs of a text and its label."""

    train: tuple[tuple[str, str | None], ...] = ()
    validation: tuple[tuple[str, str | None], ...] = ()
    test: tuple[tuple[str, str | None], ...] = ()

    def examples(self, split: Split) -> Iterator[Example]:
        for number, (text, label) in enumerate(getattr(self, split), 1):
            yield Example(text, label, f"{split}, example {number}")


def real_data(name: str) -> pathlib.Path:
    """The folder of a public data set; skips the test where it is not there."""
    if DATA is None:
        pytest.skip("LSTM_JAX_DATA, the folder with the public data sets, is not set")
    folder = pathlib.Path(DATA) / name
    if not folder.is_dir():
        pytest.skip(f"there is no {folder}")
    return folder
