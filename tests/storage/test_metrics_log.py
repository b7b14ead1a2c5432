import json
import math

import numpy as np
import pytest

from lstm_jax.errors import RunDirectoryError, StorageError
from lstm_jax.storage.metrics_log import MetricsLog, read_log, render
from tests.test_files import largest_file


@pytest.fixture
def log(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl")
    yield log
    log.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.jsonl"


def test_records_become_columns_of_each_split(log, path):
    assert read_log(path.with_name("absent.jsonl")) == {}
    assert read_log(path) == {}
    log.append({"split": "train", "step": 10, "loss": 0.1 + 0.2})
    log.append({"split": "validation", "step": 10, "perplexity": np.float32(7.1)})
    log.append({"split": "train", "step": np.int64(20), "loss": 5e-324, "norm": 2.0})
    log.sync()

    metrics = read_log(path)

    assert list(metrics) == ["train", "validation"]
    assert list(metrics["train"]) == ["step", "loss", "norm"]
    assert metrics["train"]["step"].dtype == np.int64
    assert metrics["train"]["step"].tolist() == [10, 20]
    assert metrics["train"]["loss"].tolist() == [0.1 + 0.2, 5e-324]
    np.testing.assert_array_equal(metrics["train"]["norm"], [math.nan, 2.0])
    assert metrics["validation"]["perplexity"].tolist() == [float(np.float32(7.1))]


def test_what_is_not_finite_is_standard_json_and_comes_back(log, path):
    log.append({"split": "a", "step": 1, "x": math.nan, "y": math.inf, "z": np.float32(-math.inf)})

    def refuse(constant):
        raise AssertionError(f"{constant} is not standard JSON")

    record = json.loads(path.read_text(), parse_constant=refuse)
    assert record == {"split": "a", "step": 1, "x": None, "y": math.inf, "z": -math.inf}
    columns = read_log(path)["a"]
    assert math.isnan(columns["x"][0])
    assert (columns["y"][0], columns["z"][0]) == (math.inf, -math.inf)


def test_figures_within_figures_are_standard_json_as_well():
    nested = {"by_step": {"mase": [1.0, math.nan]}, "pair": (np.float32(2), None, True)}
    assert json.loads(render(nested)) == {
        "by_step": {"mase": [1.0, None]},
        "pair": [2.0, None, True],
    }


def test_equal_records_are_equal_bytes_and_size_counts_them(tmp_path):
    contents = []
    for name in ("a", "b"):
        log = MetricsLog(tmp_path / name)
        assert log.size == 0
        log.append({"split": "train", "step": 1, "loss": 1 / 3, "text": 'a\n"b" ä'})
        log.append({"split": "train", "step": 2, "loss": 2 / 3})
        log.close()
        contents.append((tmp_path / name).read_bytes())
        assert log.size == len(contents[-1])
    assert contents[0] == contents[1]
    assert contents[0].count(b"\n") == 2
    reopened = MetricsLog(tmp_path / "a")
    assert reopened.size == len(contents[0])
    reopened.close()


def test_truncate_goes_back_to_a_checkpoint_without_a_word(log, path, caplog):
    log.append({"split": "train", "step": 1})
    size, content = log.size, path.read_bytes()
    log.append({"split": "train", "step": 2})
    log.truncate(size)
    assert (path.read_bytes(), log.size) == (content, size)
    log.append({"split": "train", "step": 3})
    assert read_log(path)["train"]["step"].tolist() == [1, 3]
    log.truncate(0)
    assert path.read_bytes() == b""
    assert not caplog.records


@pytest.mark.parametrize(("lost", "kept"), [(1, [1, 2]), (40, [1]), (10**6, [])])
def test_a_shortened_log_keeps_its_whole_lines_with_a_warning(log, path, caplog, lost, kept):
    for step in (1, 2, 3):
        log.append({"split": "train", "step": step})
    recorded = log.size
    assert recorded == 3 * 30
    with path.open("r+b") as file:
        file.truncate(max(0, recorded - lost))
    log.truncate(recorded)
    log.append({"split": "train", "step": 9})
    assert read_log(path)["train"]["step"].tolist() == [*kept, 9]
    assert len(caplog.records) == 1
    assert f"{path} should have {recorded} bytes and has {30 * len(kept)}" in caplog.text


def test_a_size_in_the_middle_of_a_line_keeps_the_line_before(log, path, caplog):
    log.append({"split": "train", "step": 1})
    size = log.size
    log.append({"split": "train", "step": 2})
    log.truncate(size + 5)
    assert log.size == size
    assert "some records are lost" in caplog.text
    assert read_log(path)["train"]["step"].tolist() == [1]


def test_a_line_that_is_being_written_is_not_read(log, path):
    log.append({"split": "train", "step": 1})
    with path.open("ab") as file:
        file.write(b'{"split": "train", "st')
    assert read_log(path)["train"]["step"].tolist() == [1]


@pytest.mark.parametrize("line", ["{", "[]", '{"step": 1}', "7", ""])
def test_a_malformed_line_is_named(log, path, line):
    log.append({"split": "train", "step": 1})
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(RunDirectoryError, match=r"metrics\.jsonl, line 2: not a record"):
        read_log(path)


def test_a_full_disk_leaves_no_part_of_a_record(log, path):
    record = {"split": "train", "step": 1, "loss": 1 / 3}
    log.append(record)
    with largest_file(log.size + 10), pytest.raises(StorageError) as error:
        log.append(record)
    assert str(error.value) == f"{path} cannot be written: File too large"
    assert path.stat().st_size == log.size
    log.append(record | {"step": 2})
    assert read_log(path)["train"]["step"].tolist() == [1, 2]
