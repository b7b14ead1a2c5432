"""Tables as panels."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lstm_jax.data.series.panel import Schema
from lstm_jax.data.series.sources import SeriesTable
from lstm_jax.errors import DataError
from tests.data.series.tables import NAN, panel_of, rows
from tests.data.sources import real_data


def test_rows_of_items_in_any_order():
    panel = panel_of(
        {
            "t": ["2024-01-01", "2024-01-05", "2024-01-02", "2024-01-06", "2024-01-03"],
            "id": [7, 3, 7, 3, 7],
            "load": [1, 10, 2, 20, 3],
            "heat": [4.0, 40.0, 5.0, 50.0, 6.0],
        }
    )
    assert panel.items == ("7", "3")
    assert panel.schema == Schema("D", 0, None, ("load", "heat"))
    assert panel.first.tolist() == [0, 3, 5]
    assert panel.values.tolist() == [[1, 4], [2, 5], [3, 6], [10, 40], [20, 50]]
    assert (panel.start - panel.start[0]).tolist() == [0, 4]
    assert panel.schema.texts(panel.times(1, 0, 2)) == ["2024-01-05", "2024-01-06"]
    assert panel.places == ("the table, item '7'", "the table, item '3'")


def test_files_whose_columns_stand_in_another_order(tmp_path):
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("t,x,y\n1,10,20\n2,11,21\n")
    second.write_text("y,t,x\n40,1,30\n41,2,31\n")
    panel = SeriesTable((str(first), str(second)), time="t").load()
    assert panel.schema.values == ("x", "y")
    assert panel.values.tolist() == [[10, 20], [11, 21], [30, 40], [31, 41]]
    with pytest.raises(DataError, match="no table was handed over"):
        panel_of([])


def test_gaps_become_missing_values():
    given = {
        "t": [1, 2, 5, 10, 12],
        "id": ["a", "a", "a", "b", "b"],
        "load": [1.0, NAN, 3.0, 4.0, 5.0],
        "p": [1.0, 2.0, NAN, 4.0, 5.0],
    }
    panel = panel_of(given, frequency="step", missing="mask", values=("load",), past=("p",))
    assert panel.lengths.tolist() == [5, 3]
    nan = NAN
    np.testing.assert_array_equal(panel.values[:, 0], [1, nan, nan, nan, 3, 4, nan, 5])
    np.testing.assert_array_equal(panel.past[:, 0], [1, 2, nan, nan, nan, 4, nan, 5])
    assert panel.known.shape == (8, 0)
    assert panel.known_first.tolist() == panel.first.tolist()


def test_known_covariates_go_on_behind_the_values():
    given = {
        "t": [1, 2, 3, 4, 5, 6],
        "id": ["a", "b", "a", "b", "a", "a"],
        "load": [1.0, 2.0, 3.0, 4.0, NAN, NAN],
        "heat": [1.0, 2.0, NAN, 4.0, NAN, NAN],
        "q": [1.0, 2.0, 3.0, 4.0, NAN, NAN],
        "p": [10, 20, 30, 40, 50, 60],
    }
    fields = {"known": ("p",), "past": ("q",), "values": ("load", "heat"), "static": ()}
    given["t"] = [1, 1, 2, 2, 3, 4]
    panel = panel_of(given, missing="mask", **fields)
    assert panel.lengths.tolist() == [2, 2]
    assert panel.known_first.tolist() == [0, 4, 6]
    assert panel.known[:, 0].tolist() == [10, 30, 50, 60, 20, 40]
    assert panel.past[:, 0].tolist() == [1, 3, 2, 4]
    one = panel.one(0)
    assert (one.lengths.tolist(), one.known[:, 0].tolist()) == ([2], [10, 30, 50, 60])
    # A value within is missing all the same.
    with pytest.raises(DataError, match="row 3: column 'heat' has no value"):
        panel_of(given, **fields)
    # Without such covariates there is no future to be given.
    with pytest.raises(DataError, match="row 5: column 'load' has no value"):
        panel_of(given, values=("load",), known=())


def test_float32_stays_what_it_is():
    single = np.array([1.5, 2.5], np.float32)
    given = {"t": [1, 2], "id": ["a", "a"], "load": single, "p": [1, 2], "q": [True, False]}
    panel = panel_of(given, values=("load",), past=("p",), known=("q",))
    assert (panel.values.dtype, panel.past.dtype, panel.known.dtype) == (np.dtype("f4"),) * 3
    assert panel.known[:, 0].tolist() == [1, 0]
    assert (
        panel_of(given | {"heat": [1.0, 2.0]}, values=("load", "heat")).values.dtype == np.float64
    )
    large = given | {"load": [2**60 + 1, 3]}
    assert panel_of(large, values=("load",)).values[0, 0] == float(2**60)


def test_which_columns_are_numbers():
    given = {
        "t": [1, 2],
        "id": ["a", "a"],
        "b": [1, 2],
        "note": ["x", "7y"],
        "flag": [True, False],
        "when": np.array(["2024-01-01"] * 2, "M8[D]"),
        "a": [0.5, 1.5],
        "Unnamed: 0": [0, 1],
        "": [0, 1],
        "huge": pa.array([1, 2], pa.decimal128(20)),
    }
    assert panel_of(given).schema.values == ("b", "a", "huge")


def test_static_covariates(tmp_path):
    given = {
        "t": [1, 2, 1, 2],
        "id": ["a", "a", "b", "b"],
        "load": [1.0, 2.0, 3.0, 4.0],
        "code": ["01", "01", "02", "02"],
        "size": [5, 5, 7, 7],
        "kind": ["x", "x", "y", "y"],
    }
    static = {"static": ("size", "code", "kind"), "values": ("load",)}
    assert panel_of(given, **static).static == ((5.0, "01", "x"), (7.0, "02", "y"))
    # A file of text has no types: what looks like numbers are such.
    names = list(given)
    lines = [",".join(map(str, row)) for row in zip(*given.values(), strict=True)]
    (tmp_path / "x.csv").write_text(rows(*lines, header=",".join(names)))
    panel = SeriesTable(str(tmp_path / "x.csv"), time="t", item="id", **static).load()
    assert panel.static == ((5.0, 1.0, "x"), (7.0, 2.0, "y"))
    assert panel.one(1).static == ((7.0, 2.0, "y"),)


def test_wide_tables():
    given = {
        "t": ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"],
        "north": [1.0, 2.0, 3.0, NAN],
        "south": [NAN, 5.0, 6.0, 7.0],
        "p": [10, 20, 30, 40],
        "q": [1, 2, 3, 4],
    }
    fields = {"item": None, "wide": True, "values": ("north", "south")}
    panel = panel_of(given, **fields, known=("p",), past=("q",))
    assert panel.schema == Schema("D", 0, None, ("value",), ("q",), ("p",))
    assert panel.items == ("north", "south")
    assert panel.first.tolist() == [0, 3, 6]
    assert panel.values.tolist() == [[1], [2], [3], [5], [6], [7]]
    assert np.diff(panel.start).tolist() == [1]
    assert panel.past[:, 0].tolist() == [1, 2, 3, 2, 3, 4]
    assert panel.known_first.tolist() == [0, 4, 7]
    assert panel.known[:, 0].tolist() == [10, 20, 30, 40, 20, 30, 40]
    assert panel.places == ("the table, item 'north'", "the table, item 'south'")
    # A column in use again fits the schema, and a gap is one for all.
    assert panel_of(given, panel.schema, **fields, known=("p",), past=("q",)).items == panel.items
    rest = {name: [column[row] for row in (0, 1, 3)] for name, column in given.items()}
    panel = panel_of(rest, **fields, missing="mask", frequency="D")
    np.testing.assert_array_equal(panel.values[:, 0], [1, 2, 5, NAN, 7])


def test_steps_counted_by_rows():
    given = {
        "t": ["2024-01-02", "2024-01-03", "2024-01-05", "2024-01-03", "2024-01-08"],
        "id": ["a", "a", "a", "b", "b"],
        "load": [1.0, 2.0, 3.0, 4.0, NAN],
        "p": [1, 2, 3, 4, 5],
    }
    panel = panel_of(given, frequency="rows", values=("load",), known=("p",))
    assert panel.schema == Schema("rows", 0, None, ("load",), (), ("p",))
    assert (panel.start.tolist(), panel.lengths.tolist()) == ([0, 0], [3, 1])
    assert panel.labels is not None
    assert len(panel.labels) == len(panel.values)
    assert [str(day)[:10] for day in panel.times(0, 1, 3)] == ["2024-01-03", "2024-01-05", "NaT"]
    assert str(panel.one(1).times(0, 1, 1)[0])[:10] == "2024-01-08"
    numbered = panel_of({"t": [1, 5, 7], "id": ["a"] * 3, "load": [1, 2, 3]}, frequency="rows")
    assert numbered.times(0, -1, 4).tolist() == [-(2**63), 1, 5, 7]
    wide = {"t": [1, 5, 7], "a": [1, 2, NAN], "b": [NAN, 5, 6]}
    panel = panel_of(wide, item=None, wide=True, frequency="rows")
    assert [panel.times(item, 0, 2).tolist() for item in (0, 1)] == [[1, 5], [5, 7]]
    with pytest.raises(DataError, match="5 stands behind 7: sort"):
        panel_of({"t": [1, 7, 5], "id": ["a"] * 3, "load": [1, 2, 3]}, frequency="rows")


def test_business_days():
    given = {
        "t": ["2024-01-04", "2024-01-05", "2024-01-08", "2024-01-10"],
        "id": ["a"] * 4,
        "load": [1.0, 2.0, 3.0, 4.0],
    }
    panel = panel_of(given, frequency="B", missing="mask")
    np.testing.assert_array_equal(panel.values[:, 0], [1, 2, 3, NAN, 4])
    assert panel.schema.texts(panel.times(0, 1, 2)) == ["2024-01-05", "2024-01-08"]
    with pytest.raises(DataError, match="row 3: after 2024-01-08 the stamp 2024-01-09 is missing"):
        panel_of(given, frequency="B")


def berlin(*times: str) -> dict[str, Any]:
    """Hours of two items, whose rows stand between each other."""
    both = [f"2022-10-{time}" for time in times for _ in "ab"]
    values = np.arange(len(both), dtype=float)
    return {"t": both, "id": ["a", "b"] * len(times), "load": values}


def test_hours_in_a_zone():
    given = berlin("30 00:00", "30 01:00", "30 02:00", "30 02:00", "30 03:00", "30 04:00")
    panel = panel_of(given, zone="Europe/Berlin")
    assert panel.schema == Schema("h", 0, "Europe/Berlin", ("load",))
    assert panel.schema.clock == "UTC"
    assert panel.values[:, 0].tolist() == [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11]
    assert panel.schema.texts(panel.times(1, 2, 3)) == [
        *("2022-10-30 02:00+02:00", "2022-10-30 02:00+01:00", "2022-10-30 03:00+01:00")
    ]
    # The same instants, written otherwise.
    stamps = panel.times(0, 0, 6)
    for zone in ("UTC", "America/New_York"):
        column = pa.array(np.repeat(stamps, 2), pa.timestamp("us", "UTC"))
        zoned = given | {"t": column.cast(pa.timestamp("us", zone))}
        again = panel_of(zoned, panel.schema, zone="Europe/Berlin")
        np.testing.assert_array_equal(again.start, panel.start)
    # In spring no hour is missing.
    spring = {"t": [f"2022-03-27 0{hour}:00" for hour in (0, 1, 3, 4)], "load": [1, 2, 3, 4]}
    panel = panel_of(spring, zone="CET", item=None)
    assert panel.lengths.tolist() == [4]
    with pytest.raises(DataError, match="the stamp 2022-03-27 02:00 is missing, 1 in all"):
        panel_of(spring, item=None)


def test_days_in_a_zone_are_local():
    days = ["2022-10-29", "2022-10-30", "2022-10-31", "2022-11-01"]
    local = panel_of({"t": days, "load": [1, 2, 3, 4]}, item=None, zone="Europe/Berlin")
    assert local.schema == Schema("D", 0, "Europe/Berlin", ("load",))
    assert local.schema.clock is None
    instants = [f"{day}T00:00+0{2 if day < '2022-10-31' else 1}:00" for day in days]
    read = panel_of({"t": instants, "load": [1, 2, 3, 4]}, item=None, zone="Europe/Berlin")
    np.testing.assert_array_equal(read.start, local.start)
    assert read.schema.texts(read.times(0, 0, 4)) == days
    # Where clocks are set forward at midnight a date is one nevertheless.
    given = {"t": ["2018-11-03", "2018-11-04", "2018-11-05"], "load": [1, 2, 3]}
    assert panel_of(given, item=None, zone="America/Sao_Paulo").schema.frequency == "D"


def test_electricity_transformers():
    folder = real_data("ett")
    panel = SeriesTable(str(folder / "ETTh1.csv"), time="date").load()
    names = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
    assert panel.schema == Schema("h", 0, None, names)
    assert panel.values.shape == (17420, 7)
    assert panel.items == ("ETTh1",)
    assert panel.values[0, -1] == 30.5310001373291
    assert panel.schema.texts(panel.times(0, 17419, 1)) == ["2018-06-26 19:00"]
