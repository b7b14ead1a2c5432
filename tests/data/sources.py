"""Sources for tests."""

import dataclasses
import os
import pathlib
from collections.abc import Iterator

import pytest

from lstm_jax.data import Source, Split

DATA = os.environ.get("LSTM_JAX_DATA")
"""A folder with the public data sets, where there is one."""


@dataclasses.dataclass(frozen=True)
class Documents(Source):
    """Documents from memory."""

    train: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()

    def documents(self, split: Split) -> Iterator[str]:
        yield from getattr(self, split)


def real_data(name: str) -> pathlib.Path:
    """The folder of a public data set; skips the test where it is not there."""
    if DATA is None:
        pytest.skip("LSTM_JAX_DATA, the folder with the public data sets, is not set")
    folder = pathlib.Path(DATA) / name
    if not folder.is_dir():
        pytest.skip(f"there is no {folder}")
    return folder
