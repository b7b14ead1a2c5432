"""Windows: contiguous columns for training, every token exactly once for evaluation."""

import dataclasses
import inspect
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest

from lstm_jax.data import (
    Dataset,
    TextFiles,
    TextPreprocessor,
    TextWindows,
    TokenWindows,
    Vocabulary,
    WindowBatch,
)
from lstm_jax.errors import ConfigError, DataError
from tests.data.sources import Documents, real_data

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def opened(train: str = LETTERS, test: str = "", **config: Any) -> TokenWindows:
    """Characters of which the id is the place in the alphabet, and 27 before the first."""
    source = Documents(train=(train,), validation=(train,), test=(test or train,))
    preprocessor = TextPreprocessor(Vocabulary((*LETTERS, "<unk>", "\n"), "characters"))
    return TextWindows(source=source, tokens="characters", **config).open(preprocessor)


def read(batch: WindowBatch) -> tuple[list[str], list[str]]:
    """Inputs and targets of a batch, a string a column; `.` is masked and `^` a newline."""

    def columns(ids: np.ndarray, mask: np.ndarray) -> list[str]:
        names = np.array([*LETTERS, "?", "^"])
        return ["".join(column) for column in np.where(mask == 1, names[ids], ".").T]

    return columns(batch.inputs, batch.mask), columns(batch.targets, batch.mask)


def test_an_opened_text_is_a_dataset():
    assert isinstance(opened(batch_size=2, window=3), Dataset)


def test_training_columns_are_contiguous_blocks():
    data = opened(batch_size=2, window=4)
    assert data.steps_per_epoch == 3
    assert [read(data.batch(i)) for i in range(3)] == [
        (["^abc", "mnop"], ["abcd", "nopq"]),
        (["defg", "qrst"], ["efgh", "rstu"]),
        (["hijk", "uvwx"], ["ijkl", "vwxy"]),
    ]


def test_the_carry_starts_afresh_at_each_epoch_and_batches_repeat():
    data = opened(batch_size=2, window=4)
    assert [bool(data.batch(i).start) for i in range(7)] == [1, 0, 0, 1, 0, 0, 1]
    for array, later in zip(data.batch(1), data.batch(10_000 * 3 + 1), strict=True):
        np.testing.assert_array_equal(array, later)


def test_types_and_axes():
    batch = opened(batch_size=2, window=4).batch(0)
    assert [(a.shape, a.dtype) for a in batch] == [
        ((4, 2), np.int32),
        ((4, 2), np.int32),
        ((4, 2), np.float32),
        ((), np.bool_),
        ((2,), np.int32),
    ]
    assert batch.mask.min() == 1
    assert batch.place.tolist() == [0, 1]
    taken = batch.take(np.array([1]))
    assert [array.shape for array in taken] == [(4, 1)] * 3 + [(), (1,)]
    np.testing.assert_array_equal(taken.inputs[:, 0], batch.inputs[:, 1])


def test_columns_that_only_fill_up_have_no_place():
    data = opened("a" * 69, evaluation_window=5)
    (batch,) = data.evaluation("train", 60)
    assert batch.place.tolist() == [*range(35), *[-1] * 25]
    assert np.all((batch.mask.sum(axis=0) > 0) == (batch.place >= 0))
    assert isinstance(batch.inputs, np.ndarray)


def test_no_batch_before_the_first():
    with pytest.raises(IndexError, match="numbered from 0"):
        opened(batch_size=2, window=4).batch(-1)


def test_a_batch_can_be_changed_without_changing_the_next():
    data = opened(batch_size=1, window=4)
    for array in data.batch(0)[:3]:
        array[...] = 0
    assert read(data.batch(0)) == (["^abc"], ["abcd"])


def test_evaluation_pads_the_end_and_masks_it():
    data = opened(test="abcdefghijk", evaluation_window=3, test_batch_size=2)
    batches = data.evaluation("test")
    assert [read(batch) for batch in batches] == [
        (["^ab", "fgh"], ["abc", "ghi"]),
        (["cde", "ij."], ["def", "jk."]),
    ]
    assert [bool(batch.start) for batch in batches] == [True, False]


@pytest.mark.parametrize("window", [1, 2, 3, 7, 10, 26, 1000])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 20, 25, 26, 1000])
@pytest.mark.parametrize("text", [LETTERS, "a", "ab", LETTERS[:25]])
def test_evaluation_predicts_every_token_exactly_once(text: str, batch_size: int, window: int):
    data = opened(test=text, evaluation_window=window)
    batches = data.evaluation("test", batch_size)
    assert len({batch.inputs.shape for batch in batches}) == 1
    inputs, targets = zip(*map(read, batches), strict=True)
    across_windows = ["".join(column) for column in zip(*targets, strict=True)]
    assert "".join(across_windows).replace(".", "") == text
    assert sum(batch.mask.sum() for batch in batches) == len(text)
    before = ["".join(column) for column in zip(*inputs, strict=True)]
    assert "".join(before).replace(".", "") == ("^" + text)[:-1]


def test_evaluation_batch_sizes_by_default():
    data = opened(batch_size=4, window=2, test_batch_size=3)
    shapes = {split: data.evaluation(split)[0].inputs.shape[1] for split in ("train", "test")}
    assert shapes == {"train": 4, "test": 3}
    assert data.evaluation("validation")[0].inputs.shape[1] == 4


def test_evaluation_batches_are_no_larger_than_the_text():
    data = opened(test="abcdef", evaluation_window=200)
    assert data.evaluation("test", 2)[0].inputs.shape == (3, 2)
    assert data.evaluation("test", 1000)[0].inputs.shape == (1, 6)


def test_evaluation_is_a_lazy_sequence():
    data = opened(test=LETTERS, evaluation_window=5)
    batches = data.evaluation("test", 2)
    assert len(batches) == 3
    assert read(batches[-1]) == read(batches[2])
    assert [read(b) for b in batches[1:]] == [read(batches[1]), read(batches[2])]
    with pytest.raises(IndexError):
        batches[3]


@pytest.mark.parametrize(
    ("characters", "batch_size", "window", "enough"),
    [(26, 2, 13, True), (25, 2, 13, False), (26, 26, 1, True), (25, 26, 1, False)],
)
def test_too_little_text_for_one_window(characters, batch_size, window, enough):
    data = opened(LETTERS[:characters], batch_size=batch_size, window=window)
    if enough:
        assert data.steps_per_epoch == 1
        data.batch(0)
    else:
        with pytest.raises(ConfigError, match=r"25 characters, but batch_size .* needs 26"):
            data.batch(0)
    # Evaluation does not need a whole window.
    assert sum(b.mask.sum() for b in data.evaluation("train")) == characters


def test_a_split_without_text():
    config = TextWindows(source=Documents(train=("a b",)))
    data = config.open(config.fit())
    with pytest.raises(DataError, match=r"the test split of .* has no tokens"):
        data.evaluation("test")


def test_another_split():
    stream: Any = inspect.unwrap(TokenWindows._stream)  # what a notebook calls: types unchecked
    with pytest.raises(DataError, match="no split 'dev'; the splits are train, validation, test"):
        stream(opened(), "dev")


@pytest.mark.parametrize(
    "name", ["batch_size", "window", "evaluation_window", "test_batch_size", "min_count"]
)
def test_sizes_below_one(name):
    with pytest.raises(ConfigError, match=f"{name} must be at least 1, got 0"):
        dataclasses.replace(TextWindows(), **{name: 0})
    with pytest.raises(ConfigError, match="at least 1"):
        opened().evaluation("test", 0)


def test_a_vocabulary_of_other_tokens():
    with pytest.raises(DataError, match="tokens are words, but the vocabulary is of bytes"):
        TextWindows().open(TextPreprocessor(Vocabulary.build([], "bytes")))


def test_documents_are_parted_by_newlines():
    source = Documents(train=("one two", "", "three\n", "four"))
    config = TextWindows(source=source)
    preprocessor = config.fit()
    names = preprocessor.vocabulary.tokens
    assert names[0] == "<eos>"
    tokens = config.open(preprocessor).tokens("train")
    assert [names[i] for i in tokens] == ["one", "two", "<eos>", "three", "<eos>", "four"]
    assert preprocessor.decode(tokens) == "one two\nthree\nfour"


def test_a_split_is_read_once_and_only_when_asked_for(monkeypatch):
    asked = []
    documents = Documents.documents

    def counting(self, split):
        asked.append(split)
        return documents(self, split)

    monkeypatch.setattr(Documents, "documents", counting)
    data = opened(batch_size=2, window=4)
    assert asked == []
    for batch_size in (1, 2):
        data.batch(batch_size)
        data.evaluation("train", batch_size)
    assert asked == ["train"]
    for batch_size in (1, 2):
        data.evaluation("test", batch_size)
    assert asked == ["train", "test"]


def test_cutting_a_batch_is_fast_and_copies_only_the_batch():
    data = opened(LETTERS * 40_000, batch_size=20, window=20)
    data.batch(0)
    tracemalloc.start()
    data.batch(1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50_000
    times = []
    for i in range(200):
        start = time.perf_counter()
        data.batch(i)
        times.append(time.perf_counter() - start)
    assert min(times) < 200e-6  # 7e-6 when alone on the machine and unchecked


@pytest.mark.parametrize(
    ("name", "vocabulary_size", "counts"),
    [
        ("ptb", 10_000, (929_589, 73_760, 82_430)),
        ("wikitext-2", 33_278, (2_088_628, 217_646, 245_569)),
    ],
)
def test_the_published_counts(name, vocabulary_size, counts, unannotated):
    config = TextWindows(source=TextFiles(str(real_data(name))))
    data = config.open(config.fit())
    assert len(data.vocabulary) == vocabulary_size
    assert tuple(len(data.tokens(s)) for s in ("train", "validation", "test")) == counts


@pytest.fixture(scope="module")
def penn_treebank() -> tuple[TextWindows, TextPreprocessor]:
    config = TextWindows(source=TextFiles(str(real_data("ptb"))), window=20)
    return config, config.fit()


@pytest.mark.parametrize("window", [20, 70, 1000])
@pytest.mark.parametrize("batch_size", [1, 20])
def test_the_penn_treebank_test_set_counts_the_same_tokens_in_any_shape(
    penn_treebank: tuple[TextWindows, TextPreprocessor], batch_size: int, window: int
):
    config, preprocessor = penn_treebank
    data = dataclasses.replace(config, evaluation_window=window).open(preprocessor)
    assert sum(batch.mask.sum() for batch in data.evaluation("test", batch_size)) == 82_430


def test_the_penn_treebank_epochs_of_the_published_recipe(
    penn_treebank: tuple[TextWindows, TextPreprocessor],
):
    """As in Zaremba's code: `(929589 // 20 - 1) // 20` steps."""
    config, preprocessor = penn_treebank
    assert config.open(preprocessor).steps_per_epoch == 2323
