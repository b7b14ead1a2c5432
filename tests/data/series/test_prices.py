"""Daily prices as a series of variances."""

import math
from importlib.util import find_spec

import numpy as np
import pytest

from lstm_jax.data import DailyPrices, Panel, SeriesWindows, TimeSplit
from lstm_jax.errors import ConfigError, DataError

ROWS = (
    "1/4/1999,1229,1249,1219,1228",
    "1/5/1999,1228,1246,1228,1245",
    "12/31/1999,1245,1272,1220,1230",
)


def write(folder, *rows, header="Date,Open,High,Low,Close"):
    path = folder / "index.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return str(path)


def test_variances_and_returns_are_what_their_formulas_say(tmp_path):
    panel = DailyPrices(write(tmp_path, *ROWS)).load()
    assert panel.items == ("index",)
    assert (panel.schema.frequency, panel.schema.values) == ("rows", ("variance",))
    assert panel.schema.past == ("return", "absolute return", "negative return")
    ranges = [math.log(high / low) for high, low in ((1249, 1219), (1246, 1228), (1272, 1220))]
    expected = [1e4 * one**2 / (4 * math.log(2)) for one in ranges]
    np.testing.assert_allclose(panel.values[:, 0], expected)
    up, down = 100 * math.log(1245 / 1228), 100 * math.log(1230 / 1245)
    np.testing.assert_allclose(panel.past[1:], [[up, up, 0], [down, -down, down]])
    assert np.isnan(panel.past[0]).all()
    days = ["1999-01-04", "1999-01-05", "1999-12-31"]
    assert panel.labels.astype("M8[D]").astype(str).tolist() == days


def test_the_variance_is_that_of_a_price_that_moves_at_random():
    """A random walk of many small steps, of a standard deviation of 1 percent a day."""
    steps = np.random.default_rng(0).normal(size=(400, 1000)) * 0.01 / math.sqrt(1000)
    price = np.exp(np.cumsum(steps.ravel()).reshape(steps.shape))
    days = np.arange("2000-01-01", "2001-02-04", dtype="M8[D]")
    table = {"Date": days, "High": price.max(axis=1), "Low": price.min(axis=1)}
    panel = DailyPrices().panel_of(table | {"Close": price[:, -1]})
    assert panel.values.mean() == pytest.approx(1, abs=0.1)
    assert np.nanvar(panel.past[:, 0]) == pytest.approx(1, abs=0.15)


def test_dates_in_other_ways_and_other_tables(tmp_path):
    source = DailyPrices(write(tmp_path, *ROWS))
    panel = source.load()
    split = [row.split(",") for row in ROWS]
    high, low, close = (np.array([float(row[place]) for row in split]) for place in (2, 3, 4))
    columns = {"High": high, "Low": low, "Close": close}
    for days in (
        ["1999-01-04", "1999-01-05", "1999-12-31"],
        np.array(["1999-01-04", "1999-01-05", "1999-12-31"], "M8[D]"),
        ["01/04/1999", "01/05/1999", "12/31/1999"],
    ):
        found = source.panel_of({"Date": days} | columns, panel.schema)
        assert (found.values == panel.values).all()
        assert (found.labels == panel.labels).all()
    assert source.panel_of(panel, panel.schema) is panel


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "1/3/2000,1,2,3,2",
            "High lies below Low: mend the row, or leave the day out (High 2, Low 3, Close 2)",
        ),
        (
            "1/3/2000,2,2,2,2",
            "High equals Low, which is no variance to learn from: leave the day out (High 2, Low 2,"
            " Close 2)",
        ),
        (
            "1/3/2000,2,2,0,1",
            "a price is not positive: mend it, or leave the day out (High 2, Low 0, Close 1)",
        ),
        (
            "1/3/2000,2,3,2,4",
            "Close lies outside of Low and High: mend the row (High 3, Low 2, Close 4)",
        ),
        (
            "1/3/2000,2,3,,2",
            "a price is missing: fill it in, or leave the day out (High 3, Low nan, Close 2)",
        ),
        (
            "1/3/2000,2,x,1,2",
            "'x' in column 'High' is no number: leave it empty where there is no value, or leave "
            "the column out by values=",
        ),
        ("1/3/2000,2,3,1", "5 fields as in the header are needed, got 4: mend the row"),
        (
            "13/1/2000,2,3,1,2",
            "'2000-13-1' in column 'Date' is no time stamp: write stamps as 2024-01-31 or "
            "2024-01-31 14:30, one way in all rows",
        ),
    ],
)
def test_malformed_rows_are_refused_in_one_line(tmp_path, row, message):
    path = write(tmp_path, *ROWS, row)
    with pytest.raises(DataError) as raised:
        DailyPrices(path).load()
    assert str(raised.value) == f"{path}, row 5: {message}"


def test_days_that_do_not_rise_and_tables_without_prices(tmp_path):
    path = write(tmp_path, *ROWS[::-1])
    with pytest.raises(DataError, match=r"row 3: 1999-01-05"):
        DailyPrices(path).load()
    path = write(tmp_path, "1999-01-04,1,2", header="Date,Open,Price")
    with pytest.raises(DataError, match=r"index.csv has no column 'High'"):
        DailyPrices(path).load()
    with pytest.raises(ConfigError, match=r"must end with .csv"):
        DailyPrices("index.xls")
    with pytest.raises(DataError, match=r"the package no_such is not installed: pip install no_su"):
        DailyPrices("package:no_such/prices.csv").load()
    source = DailyPrices(write(tmp_path, *ROWS))
    schema = source.load().schema
    with pytest.raises(DataError, match=r"'step' was given, and 'rows' is needed"):
        source.panel_of(Panel.from_arrays([1.0, 2.0]), schema)


@pytest.mark.skipif(find_spec("arch") is None, reason="the extra series is not installed")
def test_the_index_that_comes_with_the_package():
    data = SeriesWindows(
        DailyPrices(), context=66, horizon=1, split=TimeSplit(validation=1000, test=1000)
    )
    dataset = data.open(data.fit())
    assert len(dataset.panel.values) == 5031
    assert (dataset.panel.values > 0).all()
    assert [len(dataset.origins(split)) for split in ("train", "validation", "test")] == [
        5031 - 2000 - 66,
        1000,
        1000,
    ]
    stamps = dataset.panel.times(0, 4031, 1000).astype("M8[D]").astype(str)
    assert (stamps[0], stamps[-1]) == ("2015-01-12", "2018-12-31")
    # A day without a return is one of which nothing is known.
    assert np.isfinite(dataset.batch(0).covariates).all()
