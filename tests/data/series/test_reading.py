"""What is said of tables that cannot be a panel, but for their stamps."""

import gzip
import pathlib

import pyarrow as pa
import pytest

from lstm_jax.data.series.sources import SeriesTable
from lstm_jax.errors import DataError
from tests.data.series.tables import Case, days, refusal, rows, table, write

UNTYPED = "leave it empty where there is no value, or leave the column out by values="
MASK = 'fill it in, or let missing="mask" leave out what is missing'


COVARIATE = {"header": "t,id,load,p"}
OF = {"values": ("load",)}

CASES: list[Case] = [
    # What there is to read.
    ("x.csv", None, {}, "cannot read x.csv: No such file or directory"),
    ("x.parquet", None, {}, "cannot read x.parquet: No such file or directory"),
    ("x.csv", "", {}, "x.csv is empty"),
    ("x.csv", "t,id,load\n", {}, "x.csv has a header and no rows: nothing can be learned from it"),
    (
        "x.parquet",
        pa.table(table()).slice(0, 0),
        {},
        "x.parquet has no rows: nothing can be learned from it",
    ),
    (
        "x.parquet",
        b"PAR1 but not really",
        {},
        "cannot read x.parquet: it is no whole Parquet file: Parquet magic bytes not found in "
        "footer",
    ),
    ("x.csv.gz", b"no gzip", {}, "cannot read x.csv.gz: Not a gzipped file (b'no')"),
    (
        "x.csv.gz",
        gzip.compress(days(*range(9)).encode(), mtime=0)[:-12],
        {},
        "cannot read x.csv.gz: Compressed file ended before the end-of-stream marker was reached",
    ),
    ("x.csv", days(1, 2).encode() + b"\xff,a,1\n", {}, "x.csv, line 4: not UTF-8 text"),
    (
        "x.csv",
        days(1).replace(",", ";"),
        {},
        "x.csv has one column, 't;id;load': separate fields by commas",
    ),
    (
        "x.csv",
        rows("2024-01-01,a,1", "2024-01-02,a"),
        {},
        "x.csv, row 3: 3 fields as in the header are needed, got 2: mend the row",
    ),
    # Columns.
    ("x.csv", days(1, 2), {"time": "ts"}, "x.csv has no column 'ts' for time=; did you mean 't'?"),
    (
        "x.csv",
        days(1, 2),
        {"item": "shop"},
        "x.csv has no column 'shop' for item=; there are id, load, t",
    ),
    (
        "x.csv",
        days(1, 2),
        {"values": ("laod",)},
        "x.csv has no column 'laod' for values=; did you mean 'load'?",
    ),
    (
        "x.parquet",
        table() | {f"c{n}": [1, 2, 3] for n in range(30)},
        {"known": ("holiday",), "values": ("load",)},
        "x.parquet has no column 'holiday' for known=; there are 33, t, id, load, ...",
    ),
    (
        "x.csv",
        days("1,2", header="t,id,load,load"),
        {},
        "x.csv has 2 columns of the name 'load': rename all but one",
    ),
    (
        "x.parquet",
        pa.table([[1], [1.0], [2.0]], ["t", "load", "load"]),
        {"item": None, **OF},
        "x.parquet has 2 columns of the name 'load': rename all but one",
    ),
    (
        "x.csv",
        rows("2024-01-01,a", header="t,id"),
        {},
        "x.csv has no column of numbers beside t, id: add one",
    ),
    # Numbers.
    (
        "x.csv",
        days(1, 2, "n/a", 4),
        {},
        f"x.csv, item 'a', row 4: 'n/a' in column 'load' is no number: {UNTYPED}",
    ),
    (
        "x.csv",
        rows("2024-01-01,a,1", "", "2024-01-01,b,?", header="t,id,load"),
        OF,
        f"x.csv, item 'b', row 4: '?' in column 'load' is no number: {UNTYPED}",
    ),
    (
        "x.csv",
        days('"1,5"'),
        OF,
        "x.csv, item 'a', row 2: '1,5' in column 'load' is no number: write decimals with a point",
    ),
    (
        "x.tsv",
        rows("2024-01-01\t1", "2024-01-02\tTrue", header="t\tload"),
        {"item": None},
        "x.tsv, row 3: 'True' in column 'load' is no number: write 1 and 0",
    ),
    (
        "x.csv",
        days(1, "-inf"),
        {"missing": "mask"},
        "x.csv, item 'a', row 3: -inf in column 'load' is infinite: leave it empty where there is "
        "no value",
    ),
    (
        "x.parquet",
        table(load=["1", "x", "3"]),
        {},
        f"x.parquet, item 'a', row 2: 'x' in column 'load' is no number: {UNTYPED}",
    ),
    (
        "x.parquet",
        table(load=["1", "2", "3"]),
        {},
        "x.parquet, item 'a', row 1: column 'load' has numbers as text: convert them",
    ),
    (
        "x.parquet",
        table(load=pa.array([1, 2, 3], pa.timestamp("ms"))),
        OF,
        "x.parquet, item 'a', row 1: column 'load' has timestamp[ms] and no numbers: convert it, "
        "or leave it out",
    ),
    ("x.csv", days(1, "", 3), {}, f"x.csv, item 'a', row 3: column 'load' has no value: {MASK}"),
    (
        "x.csv",
        days("1,1", "NaN,2", header="t,id,load,p"),
        {},
        f"x.csv, item 'a', row 3: column 'load' has no value: {MASK}",
    ),
    (
        "x.parquet",
        table(load=[1.0, 2.0, None]),
        {},
        f"x.parquet, item 'a', row 3: column 'load' has no value: {MASK}",
    ),
    (
        "x.csv",
        days("", "null"),
        {"missing": "mask"},
        "x.csv, item 'a' has no value in load: leave the item out",
    ),
    # Items.
    (
        "x.csv",
        rows("2024-01-01,a,1", "2024-01-02,,2"),
        {},
        "x.csv, row 3: no item in column 'id': fill it in",
    ),
    (
        "x.parquet",
        table(id=["a", None, "a"]),
        {},
        "x.parquet, row 2: no item in column 'id': fill it in",
    ),
    # Covariates.
    (
        "x.csv",
        days("1,2", "1,", "1,3", **COVARIATE),
        {"known": ("p",), **OF},
        "x.csv, item 'a', row 3: the covariate 'p', known in advance, has a gap: give it a value "
        "at every step",
    ),
    (
        "x.csv",
        days("1,2", "1,2", "1,", **COVARIATE),
        {"known": ("p",), "missing": "mask", **OF},
        "x.csv, item 'a', row 4: the covariate 'p', known in advance, ends before the rows of its "
        "item do: give it a value at every step",
    ),
    (
        "x.csv",
        rows("2024-01-01,a,1,2", "2024-01-02,a,1,2", "2024-01-04,a,1,2", **COVARIATE),
        {"known": ("p",), "missing": "mask", **OF},
        "x.csv, item 'a', row 3: after 2024-01-02 the stamp 2024-01-03 is missing, 1 in all: "
        "covariates that are known in advance (p) are needed at every step: add the rows, their "
        "values may be empty",
    ),
    (
        "x.csv",
        days(",2", ",2", **COVARIATE),
        {"known": ("p",), **OF},
        "x.csv, item 'a' has no value in load: leave the item out",
    ),
    (
        "x.csv",
        days("1,2", "1,", "1,3", **COVARIATE),
        {"past": ("p",), **OF},
        f"x.csv, item 'a', row 3: the past covariate 'p' has no value: {MASK}",
    ),
    (
        "x.csv",
        days("1,north", "1,north", "1,south", **COVARIATE),
        {"static": ("p",)},
        "x.csv, item 'a', row 4: the static covariate 'p' changes to 'south': give the item one "
        "value, or name the column in past= or known=",
    ),
    (
        "x.csv",
        days("1,7", "1,", "1,7", **COVARIATE),
        {"static": ("p",), **OF},
        "x.csv, item 'a', row 3: the static covariate 'p' has no value: fill it in",
    ),
    # Wide tables.
    (
        "x.csv",
        rows("2024-01-01,1,", "2024-01-02,1,", header="t,a,b"),
        {"item": None, "wide": True},
        "x.csv: column 'b' has no value: leave it out",
    ),
    (
        "x.csv",
        rows("2024-01-01,,1", "2024-01-02,1,", "2024-01-03,1,2", header="t,a,b"),
        {"item": None, "wide": True},
        f"x.csv, row 3: column 'b' has no value: {MASK}",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[str(number) for number in range(len(CASES))])
def test_what_cannot_be_read(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    assert refusal(case) == case[-1]
    assert "\n" not in case[-1]


TWO_FILES = [
    (
        days(5, 6),
        "item 'a' stands in one.csv and in two.csv: put its rows into one file, or give it two "
        "names",
    ),
    (
        rows("2024-01-01,b,1", header="t,id,lood"),
        "two.csv has the columns lood, one.csv has load: name those to be read by values=",
    ),
    (
        rows("1,b,1", "2,b,1"),
        "two.csv has integers in column 't', one.csv has stamps without an offset: write all files "
        "one way",
    ),
    (
        rows("2024-01-01T00:00Z,b,1", "2024-01-02T00:00Z,b,1"),
        "two.csv has stamps of the zone UTC in column 't', one.csv has stamps without an offset: "
        "write all files one way",
    ),
    (
        rows("2024-01-05,b,1", "2024-01-06T12:00,b,1"),
        "two.csv, item 'b', row 3: 2024-01-06 12:00 is off the grid of 'D', which has 2024-01-06 "
        "and 2024-01-07: mend the stamp, or give another frequency; 'rows' takes any that rise",
    ),
]


@pytest.mark.parametrize(("second", "message"), TWO_FILES)
def test_files_that_do_not_go_together(tmp_path, monkeypatch, second, message):
    monkeypatch.chdir(tmp_path)
    write(pathlib.Path("one.csv"), days(1, 2, 3))
    write(pathlib.Path("two.csv"), second)
    with pytest.raises(DataError) as raised:
        SeriesTable(("one.csv", "two.csv"), time="t", item="id").load()
    assert str(raised.value) == message
