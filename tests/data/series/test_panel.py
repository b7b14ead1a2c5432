"""Many series in flat arrays."""

import numpy as np
import pytest

from lstm_jax.data.series.panel import Panel, Schema, join
from lstm_jax.errors import ConfigError, DataError
from tests.data.series.tables import NAN, panel_of


def test_arrays_of_several_items():
    panel = Panel.from_arrays(
        {"a": [[1, 2], [3, 4]], 7: [[5, 6]]},
        past={"a": [1, NAN], "7": [3]},
        known={7: [7, 8, 9], "a": [1, 2]},
        static={"a": ("north", 1.0), "7": ("south", 2.0)},
        names={"values": ("x", "y"), "known": ("price",), "static": ("side", "size")},
        frequency="MS",
        start="2024-02-01",
    )
    offset = panel.schema.offset
    assert panel.schema == Schema(
        "M", offset, None, ("x", "y"), ("past 0",), ("price",), ("side", "size")
    )
    assert panel.items == ("a", "7")
    assert panel.values.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert panel.values.dtype == np.float64
    assert (panel.first.tolist(), panel.known_first.tolist()) == ([0, 2, 3], [0, 2, 5])
    assert panel.lengths.tolist() == [2, 1]
    assert panel.known[:, 0].tolist() == [1, 2, 7, 8, 9]
    np.testing.assert_array_equal(panel.past[:, 0], [1, NAN, 3])
    assert panel.static == (("north", 1.0), ("south", 2.0))
    assert panel.schema.texts(panel.times(1, 0, 3)) == ["2024-02-01", "2024-03-01", "2024-04-01"]


def test_one_array_is_not_copied():
    for kind in (np.float32, np.float64):
        values = np.arange(6, dtype=kind).reshape(3, 2)
        panel = Panel.from_arrays(values)
        assert panel.values is values
        assert panel.schema == Schema("step", 0, None, ("values 0", "values 1"))
        assert (panel.items, panel.places) == (("series",), ("item 'series'",))
        assert (panel.past.shape, panel.known.shape) == ((3, 0), (3, 0))
        assert panel.past.dtype == kind
    assert Panel.from_arrays([1, 2]).schema.values == ("value",)


def test_one_item_is_a_view():
    panel = panel_of(
        {"t": [1, 2, 1, 2], "id": list("aabb"), "load": [1.0, 2, 3, 4], "p": [5, 6, 7, 8]},
        values=("load",),
        known=("p",),
    )
    one = panel.one(1)
    assert (one.items, one.places) == (("b",), ("the table, item 'b'",))
    assert one.first.tolist() == one.known_first.tolist() == [0, 2]
    assert np.shares_memory(one.values, panel.values)
    assert np.shares_memory(one.known, panel.known)
    assert one.values.tolist() == [[3], [4]]
    assert one.known.tolist() == [[7], [8]]
    assert one.whole is panel
    assert one.one(0).whole is panel
    for item in (2, -1):
        with pytest.raises(IndexError, match=f"from 0 to 1, got {item}"):
            panel.one(item)


def test_times_of_steps():
    panel = Panel.from_arrays([1.0, 2.0], frequency="15min", start="2024-02-28T23:45")
    assert panel.schema.texts(panel.times(0, -1, 3)) == [
        *("2024-02-28 23:30", "2024-02-28 23:45", "2024-02-29 00:00")
    ]
    assert Panel.from_arrays([1.0], frequency="2 step", start=5).times(0, 0, 2).tolist() == [10, 12]
    hours = Panel.from_arrays([1.0], frequency="h", zone="CET", start="2024-07-01T12:00")
    assert hours.schema.clock == "UTC"
    assert hours.schema.texts(hours.times(0, 0, 1)) == ["2024-07-01 14:00+02:00"]
    days = Panel.from_arrays([1.0], frequency="D", zone="CET", start="2024-07-01")
    assert days.schema.clock is None
    assert days.schema.texts(days.times(0, 0, 1)) == ["2024-07-01"]


def test_joined_panels():
    table = {"t": [1, 5], "id": ["a", "a"], "load": [1.0, 2.0]}
    parts = [panel_of(table | {"id": [name] * 2}, frequency="rows") for name in "abc"]
    both = join(parts)
    assert both.items == ("a", "b", "c")
    assert both.values.tolist() == [[1], [2]] * 3
    assert both.first.tolist() == both.known_first.tolist() == [0, 2, 4, 6]
    assert both.times(2, 0, 2).tolist() == [1, 5]
    assert join(parts[:1]) is parts[0]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"values": 1.0}, "values of item 'series' must be [steps] or [steps, columns], got []"),
        ({"values": []}, "values of item 'series' must be [steps] or [steps, columns], got [0, 1]"),
        (
            {"values": np.zeros((1, 2, 3))},
            "values of item 'series' must be [steps] or [steps, columns], got [1, 2, 3]",
        ),
        (
            {"values": ["x"]},
            "values of item 'series' are no numbers: hand over a table, which may name them",
        ),
        ({"values": [1, np.inf]}, "values of item 'series' are infinite at step 1"),
        (
            {"values": {"a": [1], "b": [[1, 2]]}},
            "all items have the same columns of values, not 1, 2",
        ),
        (
            {"values": [1, 2], "past": [1]},
            "item 'series' has values at 2 steps, and past ones at 1",
        ),
        (
            {"values": [1], "past": [1, 2]},
            "item 'series' has values at 1 steps, and past ones at 2",
        ),
        (
            {"values": [1, 2], "known": [1]},
            "item 'series' has values at 2 steps, and known ones at 1",
        ),
        (
            {"values": [1], "known": [1, NAN]},
            "known covariates have a value at every step, and one is NaN",
        ),
        ({"values": {"a": [1]}, "past": {"b": [1]}}, "past are of b, not a"),
    ],
)
def test_arrays_that_are_no_panel(arrays, message):
    with pytest.raises(DataError) as raised:
        Panel.from_arrays(**arrays)
    assert str(raised.value) == message


def test_rows_need_stamps():
    with pytest.raises(ConfigError, match="rows have stamps: hand over a table"):
        Panel.from_arrays([1.0], frequency="rows")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"t": ["2024-01-01", "2024-01-02"], "load": [1, 2]},
            "the table, row 1: most stamps are 'D' apart, not 'h': frequency='D' would fit them",
        ),
        (
            {"t": ["2024-01-01 00:00Z", "2024-01-01 01:00Z"], "load": [1, 2]},
            "the table has stamps of the zone UTC, and no zone is needed, as in training: convert "
            "them",
        ),
        (
            {"t": ["2024-01-01 00:30", "2024-01-01 01:30"], "load": [1, 2]},
            "the table, row 1: 2024-01-01 00:30 is off the grid of 'h', which has 2024-01-01 00:00 "
            "and 2024-01-01 01:00: mend the stamp, or give another frequency; 'rows' takes any "
            "that rise",
        ),
        (
            {"t": ["2024-01-01 00:00", "2024-01-01 01:00"], "laod": [1, 2]},
            "the table has no column 'load' for values=; did you mean 'laod'?",
        ),
        (
            {"t": [1, 2], "load": [1, 2]},
            "the table, row 1: frequency 'h' is not one of integers: give one as 'step'",
        ),
        (
            Panel.from_arrays([1.0], names={"values": ("load",)}),
            "frequency 'step' was given, and 'h' is needed: hand over series of the columns, the "
            "frequency and the zone that the model was trained on",
        ),
        (
            Panel.from_arrays(
                [1.0], names={"values": ("load",)}, frequency="h", start="2024-01-01T00:30"
            ),
            "a grid with '1970-01-01 00:30' was given, and '1970-01-01 00:00' is needed: hand over "
            "series of the columns, the frequency and the zone that the model was trained on",
        ),
        (
            7,
            "int is no type of table: hand over a path, a data frame (of a Series: .to_frame), an "
            "Arrow table or a mapping of names to columns",
        ),
        (
            {"t": [1, 2], "load": [1]},
            "the table's columns are unequally long: 't' 2, 'load' 1: give each a value a row",
        ),
        (
            {"t": [1, 2], "load": np.ones((2, 2))},
            "the table: column 'load' has 2 axes: give it one, [rows]",
        ),
    ],
)
def test_what_does_not_fit_the_schema(given, message):
    with pytest.raises(DataError) as raised:
        panel_of(given, Schema("h", 0, None, ("load",)), item=None)
    assert str(raised.value) == message


def test_a_schema_is_what_is_read():
    given = {"t": ["2024-01-01 05:00"], "load": [1.0], "heat": [2.0]}
    schema = Schema("h", 0, None, ("load",))
    panel = panel_of(given, schema, item=None)
    assert panel.schema == schema
    assert panel.schema.texts(panel.times(0, 0, 1)) == ["2024-01-01 05:00"]
    zoned = Schema("h", 0, "Europe/Berlin", ("load",))
    with pytest.raises(DataError, match=r"without an offset, and Europe/Berlin zone is needed"):
        panel_of(given, zoned, item=None)
    assert panel_of(given, zoned, item=None, zone="Europe/Berlin").schema == zoned
