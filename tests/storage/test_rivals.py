import json

import pytest

from lstm_jax.errors import RunDirectoryError
from lstm_jax.storage import rivals

ROW = {"ridge": {"mae": 0.5}}


def test_figures_belong_to_the_data_they_were_found_on(tmp_path):
    assert rivals.read(tmp_path, "a", "test") == {}
    rivals.save(tmp_path, "a", "test", ROW)
    rivals.save(tmp_path, "b", "validation", ROW)
    rivals.save(tmp_path, "a", "test", {"repeat": {"mae": 1.5}})
    assert rivals.read(tmp_path, "a", "test") == ROW | {"repeat": {"mae": 1.5}}
    assert rivals.read(tmp_path, "b", "validation") == ROW
    assert rivals.read(tmp_path, "b", "test") == {}
    rivals.save(tmp_path, "b", "test", {"drift": {"mae": 2.0}})
    assert rivals.read(tmp_path, "b", "test") == {"drift": {"mae": 2.0}}
    assert rivals.read(tmp_path, "b", "validation") == ROW


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"splits": []}', '{"splits": {"test": {}}}', '{"splits": {"test": 1}}'],
)
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / rivals.FILE).write_text(content)
    with pytest.raises(RunDirectoryError, match=r"baselines.json cannot be read .*: delete it$"):
        rivals.read(tmp_path, "a", "test")


def test_rows_are_plain_json(tmp_path):
    rivals.save(tmp_path, "a", "test", ROW)
    assert json.loads((tmp_path / rivals.FILE).read_text()) == {
        "splits": {"test": {"data": "a", "rows": ROW}}
    }
