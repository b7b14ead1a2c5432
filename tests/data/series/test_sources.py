"""Sources of series: files of several kinds, what is kept and handed over."""

import gc
import gzip
import os
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from lstm_jax.config.tree import override
from lstm_jax.data.series.panel import Panel, Schema
from lstm_jax.data.series.sources import SeriesSource, SeriesTable, keep
from lstm_jax.data.sources import SPLITS
from lstm_jax.errors import ConfigError, DataError
from tests.data.series.tables import days, panel_of

ARRAYS = ("values", "past", "known", "start", "first", "known_first")


def assert_equal(one: Panel, other: Panel) -> None:
    assert one.schema == other.schema
    assert (one.items, one.static) == (other.items, other.static)
    for name in ARRAYS:
        array = getattr(one, name)
        assert array.dtype == getattr(other, name).dtype, name
        np.testing.assert_array_equal(array, getattr(other, name), err_msg=name)


def sales(kind: type = float) -> dict[str, Any]:
    """Two shops on three days, the last of which is in the future."""
    return {
        "day": np.tile(np.array(["2024-01-01", "2024-01-02", "2024-01-03"], "M8[D]"), 2),
        "shop": ["a", "a", "a", "b", "b", "b"],
        "sales": np.array([1.5, 2, np.nan, 4, 5, np.nan], kind),
        "heat": np.array([0.1, 0.2, np.nan, 0.4, 0.5, np.nan], kind),
        "price": np.array([3, 3, 2, 6, 6, 7], kind),
        "size": np.array([10, 10, 10, 20, 20, 20], kind),
        "side": ["north"] * 3 + ["south"] * 3,
    }


FIELDS: dict[str, Any] = {
    "time": "day",
    "item": "shop",
    "values": ("sales",),
    "past": ("heat",),
    "known": ("price",),
    "static": ("size", "side"),
}


def write_text(folder: pathlib.Path, name: str, delimiter: str = ",") -> str:
    columns = sales()
    lines = [columns, *zip(*columns.values(), strict=True)]
    text = "".join(f"{delimiter.join(map(str, line))}\n" for line in lines)
    content = text.replace("nan", "").encode()
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return str(path)


def write_parquet(folder: pathlib.Path) -> str:
    pyarrow.parquet.write_table(pa.table(sales()), folder / "sales.parquet")
    return str(folder / "sales.parquet")


def frame(_: pathlib.Path) -> Any:
    return pytest.importorskip("pandas").DataFrame(sales())


def indexed_frame(folder: pathlib.Path) -> Any:
    return frame(folder).set_index(["shop", "day"])


def categories(folder: pathlib.Path) -> Any:
    return frame(folder).astype({"shop": "category", "side": "category"})


@pytest.fixture(scope="module")
def expected() -> Panel:
    panel = SeriesTable("sales.csv", **FIELDS).panel_of(sales())
    assert panel.values[:, 0].tolist() == [1.5, 2, 4, 5]
    assert panel.known[:, 0].tolist() == [3, 3, 2, 6, 6, 7]
    return panel


@pytest.mark.parametrize(
    "given",
    [
        *(lambda folder: write_text(folder, "sales.csv"), write_parquet, frame, indexed_frame),
        *(lambda folder: write_text(folder, "sales.csv.gz"), categories),
        *(lambda folder: write_text(folder, "sales.tsv", "\t"), lambda _: pa.table(sales())),
        lambda _: pa.table(sales()).to_batches()[0],
        lambda _: {name: list(column) for name, column in sales().items()},
        lambda folder: pathlib.Path(write_parquet(folder)),
        lambda folder: keep(sales(), str(folder / "new" / "sales.pq")),
        lambda folder: keep(indexed_frame(folder), str(folder / "new" / "sales.parquet")),
    ],
)
def test_the_same_table_in_every_shape(
    tmp_path: pathlib.Path, expected: Panel, given: Callable[[pathlib.Path], Any]
):
    table = given(tmp_path)
    assert_equal(SeriesTable("sales.csv", **FIELDS).panel_of(table, expected.schema), expected)
    if isinstance(table, str):
        assert_equal(SeriesTable(table, **FIELDS).load(), expected)


def test_float32_columns_of_parquet(tmp_path):
    path = keep(sales(np.float32), str(tmp_path / "sales.parquet"))
    panel = SeriesTable(path, **FIELDS).load()
    assert panel.values.dtype == panel.past.dtype == panel.known.dtype == np.float32
    both = keep(sales(), str(tmp_path / "other.parquet")), path
    with pytest.raises(DataError, match=r"item 'a' stands in .*other.parquet and in .*sales"):
        SeriesTable(both, **FIELDS).load()
    other = sales() | {"shop": ["c"] * 3 + ["d"] * 3}
    both = keep(other, both[0]), path
    panel = SeriesTable(both, **FIELDS).load()
    assert (panel.items, panel.values.dtype) == (("c", "d", "a", "b"), np.float64)


def test_files_of_one_series_each(tmp_path):
    for name, first in (("north", 1), ("south", 5)):
        (tmp_path / f"{name}.csv").write_text(days(first, first + 1, first + 2))
    paths = tuple(str(tmp_path / f"{name}.csv") for name in ("north", "south"))
    panel = SeriesTable(paths, time="t").load()
    assert panel.items == ("north", "south")
    assert panel.values[:, 0].tolist() == [1, 2, 3, 5, 6, 7]
    assert panel.places == paths
    # What is handed over without a name is more of the only series.
    more = {"t": ["2024-01-04", "2024-01-05"], "load": [1, 2]}
    assert SeriesTable(paths[0], time="t").panel_of(more, panel.schema).items == ("north",)
    assert SeriesTable(paths, time="t").panel_of(more, panel.schema).items == ("series",)
    assert SeriesTable(paths, time="t").panel_of(list(paths)).items == panel.items


def test_frames_with_an_index_of_dates(tmp_path):
    pandas = pytest.importorskip("pandas")
    index = pandas.date_range("2024-01-01", periods=3, freq="h", tz="Europe/Berlin")
    for name in (None, "when"):
        table = pandas.DataFrame({"load": [1.0, 2.0, 3.0]}, index=index.rename(name))
        source = SeriesTable("x.parquet", time=name or "when")
        panel = source.panel_of(table)
        assert panel.schema == Schema("h", 0, "Europe/Berlin", ("load",))
        assert panel.schema.texts(panel.times(0, 0, 1)) == ["2024-01-01 00:00+01:00"]
        table.to_parquet(tmp_path / "own.parquet")
        for path in (tmp_path / "own.parquet", keep(table, str(tmp_path / "kept.parquet"))):
            again = source.panel_of(path, panel.schema)
            np.testing.assert_array_equal(again.start, panel.start)
            assert again.values.tolist() == [[1], [2], [3]]
            assert again.items == (pathlib.Path(path).stem,)
    numbered = pandas.DataFrame({"t": [5, 6], "load": [1.0, "n/a"]}, index=[8, 9])
    with pytest.raises(DataError, match="row 2: 'n/a' in column 'load' is no number"):
        panel_of(numbered, item=None)
    # Rows that are only numbered are no column.
    path = keep(numbered.head(1), str(tmp_path / "kept.parquet"))
    assert pyarrow.parquet.read_schema(path).names == ["t", "load"]
    assert panel_of(numbered.head(1), item=None, frequency="step").schema.values == ("load",)


def test_a_panel_is_read_once_while_it_is_in_use(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(days(1, 2, 3))
    source = SeriesTable(str(path), time="t")
    panel = source.load()
    assert SeriesTable(str(path), time="t").load() is panel
    assert SeriesTable(str(path), time="t", missing="mask").load() is not panel
    # A part holds the whole.
    part = next(source.examples("train")).inputs
    known = id(panel)
    del panel
    gc.collect()
    assert id(source.load()) == known
    assert part.whole is source.load()
    # Another content, and one that is as long but newer.
    path.write_text(days(1, 2, 3, 4))
    assert source.load().lengths.tolist() == [4]
    held = source.load()
    path.write_text(days(1, 2, 3, 5))
    os.utime(path, ns=(1, 1))
    assert source.load().values[-1, 0] == 5
    del held, part
    path.unlink()
    with pytest.raises(DataError) as raised:
        source.load()
    assert str(raised.value) == f"cannot read {path}: No such file or directory"


def test_examples_are_items_in_every_split(tmp_path, expected):
    source = SeriesTable(keep(sales(), str(tmp_path / "sales.parquet")), **FIELDS)
    for split in SPLITS:
        found = list(source.examples(split))
        assert [example.inputs.items for example in found] == [("a",), ("b",)]
        assert found[1].place == f"{tmp_path}/sales.parquet, item 'b'"
        assert found[1].target is None
        assert_equal(found[1].inputs, expected.one(1))
    read = list(source.read(tmp_path / "sales.parquet"))
    assert_equal(read[0].inputs, expected.one(0))


def test_a_source_of_ones_own():
    class Squares(SeriesSource):
        def panel(self) -> Panel:
            return Panel.from_arrays({"squares": np.arange(9.0) ** 2})

    panel = Squares().load()
    assert Squares().load() is panel
    assert next(Squares().examples("test")).place == "item 'squares'"
    assert Squares().panel_of(panel, panel.schema) is panel
    with pytest.raises(DataError, match="Squares reads no str: hand over a Panel"):
        next(Squares().read(pathlib.Path("x.csv")))


def test_a_file_inside_a_package(tmp_path, monkeypatch):
    folder = tmp_path / "some_package" / "_data"
    folder.mkdir(parents=True)
    (tmp_path / "some_package" / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "temps.csv").write_text(
        "date,temp\n2010/01/01 00:00,39.4\n2010/01/01 01:00,39.2\n2010/01/01 03:00,39.0\n"
    )
    path = "package:some_package/_data/temps.csv"
    with pytest.raises(DataError) as raised:
        SeriesTable(path, time="date").load()
    assert str(raised.value) == (
        f"{path}: the package some_package is not installed: pip install some_package"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DataError) as raised:
        SeriesTable(path, time="date", frequency="h").load()
    assert "after 2010-01-01 01:00 the stamp 2010-01-01 02:00 is missing, 1 in all" in str(
        raised.value
    )
    assert SeriesTable(path, time="date", frequency="h", missing="mask").load().lengths == [4]
    assert "some_package" not in sys.modules


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"path": "x.txt"},
            "'x.txt' must end with .csv, .tsv, one of these and .gz, or with .parquet or .pq",
        ),
        ({"path": ()}, "path must name at least one, got none"),
        ({"values": ()}, "values must name at least one, got none"),
        ({"item": "time"}, "column 'time' is named 2 times: it is one thing"),
        (
            {"values": ("a", "b"), "known": ("a",)},
            "column 'a' is named 2 times: it is one thing",
        ),
        (
            {"wide": True, "item": "id"},
            "the items of a wide table are its columns: leave out item and static",
        ),
        (
            {"wide": True, "static": ("a",)},
            "the items of a wide table are its columns: leave out item and static",
        ),
        ({"frequency": "hr"}, "'hr' is no frequency; did you mean 'h'?"),
        ({"zone": "Europe/Berln"}, "no time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?"),
    ],
)
def test_configs_that_cannot_be(fields, message):
    with pytest.raises(ConfigError) as raised:
        SeriesTable(**{"path": "x.csv", **fields})
    assert str(raised.value) == message


def test_a_source_in_a_config():
    source = override(SeriesTable("x.csv"), {"path": ["a.csv", "b.tsv.gz"], "known": ["p"]})
    assert (source.path, source.known) == (("a.csv", "b.tsv.gz"), ("p",))
    assert hash(source) == hash(SeriesTable(("a.csv", "b.tsv.gz"), known=("p",)))


def test_what_cannot_be_kept(tmp_path):
    with pytest.raises(ConfigError, match=r"must end with .parquet"):
        keep({"a": [1]}, str(tmp_path / "x.csv"))
    path = keep({"a": [1]}, str(tmp_path / "x.parquet"))
    before = pathlib.Path(path).read_bytes()
    with pytest.raises(DataError, match="unequally long"):
        keep({"a": [1], "b": []}, path)
    assert pathlib.Path(path).read_bytes() == before
