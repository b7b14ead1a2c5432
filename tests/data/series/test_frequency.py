"""How far apart steps are, and the grid that they stand on."""

import numpy as np
import pytest

from lstm_jax.data.series.frequency import Frequency
from lstm_jax.errors import ConfigError

DAY = 24 * 3600 * 10**6


def stamps(*texts: str) -> np.ndarray:
    return np.array(texts, "M8[us]")


def regular(start: str, step: str, count: int) -> np.ndarray:
    """Stamps at equal distances: `step` is a number and a unit of NumPy."""
    number, unit = step.split()
    begin = np.datetime64(start, unit if unit in "YM" else "us")
    return (begin + np.arange(count) * np.timedelta64(int(number), unit)).astype("M8[us]")


@pytest.mark.parametrize(
    ("text", "simplest"),
    [
        *((text, text) for text in ("us", "ms", "s", "min", "h", "D", "B", "W", "M", "Q", "Y")),
        *((text, text) for text in ("step", "2 step", "rows", "15min", "2D", "7h", "5M", "2Q")),
        *(("H", "h"), ("T", "min"), ("15T", "15min"), ("S", "s"), ("10L", "10ms"), ("U", "us")),
        *(("MS", "M"), ("ME", "M"), ("QS", "Q"), ("QE-DEC", "Q"), ("QS-OCT", "Q"), ("A", "Y")),
        *(("YE-DEC", "Y"), ("YS", "Y"), ("W-SUN", "W"), ("2W-MON", "2W"), ("d", "D"), ("b", "B")),
        *(("60min", "h"), ("3600s", "h"), ("1000 ms", "s"), ("90min", "90min"), ("24h", "24h")),
        *(("7D", "W"), ("14d", "2W"), ("3M", "Q"), ("12M", "Y"), ("4Q", "Y"), ("6MS", "2Q")),
        *(("hourly", "h"), ("5 minutes", "5min"), ("2 days", "2D"), ("3steps", "3 step")),
    ],
)
def test_how_frequencies_are_written(text, simplest):
    assert str(Frequency.parse(text)) == simplest
    assert Frequency.parse(simplest) == Frequency.parse(text)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("m", "'min' for minutes, 'M' for months"),
        ("15m", "'min' for minutes, 'M' for months"),
        ("ns", "'us' is the finest"),
        ("hr", "did you mean 'h'?"),
        ("stp", "did you mean 'step'?"),
        ("fortnight", "there are B, D, M, Q, W, Y, h, min, ms, rows, s, step, us"),
        ("", "there are B, D,"),
        ("0h", "did you mean 'h'?"),
        ("-1h", "there are B, D,"),
        ("1.5h", "there are B, D,"),
        ("2B", "there is no frequency 2 times 'B'"),
        ("3 rows", "there is no frequency 3 times 'rows'"),
    ],
)
def test_what_is_no_frequency(text, advice):
    with pytest.raises(ConfigError) as raised:
        Frequency.parse(text)
    assert advice in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "frequency"),
    [
        (regular("2024-01-01", "1 h", 5), "h"),
        (regular("2024-01-01T00:05", "900 s", 5), "15min"),
        (regular("2024-01-01", "250 ms", 5), "250ms"),
        (regular("2024-01-01", "36 h", 5), "36h"),
        (regular("2024-01-01", "1 D", 5), "D"),
        (regular("2024-01-01", "2 D", 5), "2D"),
        (regular("2024-01-07", "7 D", 60), "W"),
        (regular("2024-01-07", "28 D", 60), "4W"),
        (regular("2024-01-01", "30 D", 60), "30D"),
        (regular("2024-01", "1 M", 14), "M"),
        (regular("2024-01", "2 M", 14), "2M"),
        (regular("2024-02", "3 M", 14), "Q"),
        (regular("1900", "1 Y", 60), "Y"),
        (regular("1900", "10 Y", 20), "10Y"),
        (regular("2024-02", "1 M", 14) - np.timedelta64(1, "D"), "M"),
        (regular("2024-01", "3 M", 14) - np.timedelta64(1, "D"), "Q"),
        (regular("2024-01", "1 M", 14) + np.timedelta64(14, "D") + np.timedelta64(9, "h"), "M"),
        # Monday to Friday, with weekends between them; without one it could be any days.
        (stamps("2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"), "B"),
        (stamps("2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"), "D"),
        # A Monday is missing: the days of trading are not all business days.
        (stamps("2024-01-03", "2024-01-04", "2024-01-05", "2024-01-09", "2024-01-10"), "D"),
        # One gap, one early stamp; of two distances as common the shorter.
        (stamps("2024-01-01", "2024-01-02", "2024-01-03", "2024-01-09", "2024-01-10"), "D"),
        (stamps("2024-01-01T00", "2024-01-01T01", "2024-01-01T03"), "h"),
        (np.arange(5), "step"),
        (np.arange(7, 50, 5), "5 step"),
        (np.array([1998, 1999, 2000, 2004]), "step"),
    ],
)
def test_the_most_common_distance_is_found(given, frequency):
    found = Frequency.infer(given)
    assert str(found) == frequency


def test_nothing_is_found_where_nothing_follows():
    assert Frequency.infer(stamps("2024-01-01")) is None
    assert Frequency.infer(stamps("2024-01-01", "2024-01-01")) is None
    assert Frequency.infer(stamps()) is None


def test_distances_between_items_do_not_count():
    days = stamps("2024-01-01", "2024-01-02", "2024-01-05", "2024-01-06", "2024-01-09")
    assert str(Frequency.infer(np.array([0, 5, 10, 15, 1]), np.array([0, 4, 5]))) == "5 step"
    assert str(Frequency.infer(days, np.array([0, 2, 4, 5]))) == "D"
    # Each item has one stamp, but the last: only that one counts. An item may be empty.
    assert str(Frequency.infer(days[[0, 1, 2, 4]], np.array([0, 1, 1, 2, 4, 4]))) == "4D"
    assert Frequency.infer(days, np.arange(6)) is None


GRIDS = [
    *(("us", "2024-01-01T00:00:00.000007"), ("ms", "2024-01-01"), ("7s", "2024-01-01T00:00:03")),
    *(("15min", "2024-01-01T00:05"), ("h", "1969-12-31T23:30"), ("5h", "2024-01-01T03:00")),
    *(("D", "1900-01-01T09:00"), ("3D", "2024-01-02"), ("W", "2024-01-07T06:00")),
    *(("2W", "2024-01-07"), ("B", "2024-01-05"), ("B", "1969-12-31T17:30")),
    *(("M", "2024-01-01"), ("M", "1969-11-15T12:00"), ("M", "2024-02-29"), ("2M", "2024-02-01")),
    *(("Q", "2024-03-31"), ("Q", "2024-02-10"), ("Y", "2024-12-31"), ("Y", "1800-07-04")),
    ("10Y", "1953-01-01"),
]


@pytest.mark.parametrize(("text", "start"), GRIDS)
def test_stamps_and_indices_go_round(text, start):
    frequency = Frequency.parse(text)
    offset = frequency.offset_of(stamps(start))
    index, off = frequency.indices(stamps(start), offset)
    assert not off.any()
    indices = index[0] + np.concatenate([np.arange(-60, 60), [-10_000, 10_000]])
    times = frequency.times(indices, offset)
    assert times[60] == stamps(start)[0]
    again, off = frequency.indices(times, offset)
    assert not off.any()
    np.testing.assert_array_equal(again, indices)
    np.testing.assert_array_equal(frequency.times(again, offset), times)
    assert frequency.offset_of(times) == offset
    assert (np.diff(times[:120]) > np.timedelta64(0, "us")).all()
    # In a frame of any shape, as windows have it.
    np.testing.assert_array_equal(
        frequency.times(indices[:120].reshape(40, 3), offset), times[:120].reshape(40, 3)
    )


@pytest.mark.parametrize(("text", "start"), GRIDS)
def test_a_stamp_beside_the_grid_is_off_it(text, start):
    frequency = Frequency.parse(text)
    offset = frequency.offset_of(stamps(start))
    if frequency.unit != "us":
        beside = stamps(start) + np.timedelta64(1, "us")
        index, off = frequency.indices(beside, offset)
        assert off.all()
        np.testing.assert_array_equal(index, frequency.indices(stamps(start), offset)[0])


def test_stamps_that_are_off_the_grid():
    hours = stamps("2024-01-01T00:00", "2024-01-01T00:59", "2024-01-01T01:00", "2024-01-01T02:01")
    frequency = Frequency("h")
    offset = frequency.offset_of(hours)
    index, off = frequency.indices(hours, offset)
    assert off.tolist() == [False, True, False, True]
    assert (index - index[0]).tolist() == [0, 0, 1, 2]
    saturday = stamps("2024-01-05", "2024-01-06", "2024-01-07", "2024-01-08")
    index, off = Frequency("B").indices(saturday, 0)
    assert off.tolist() == [False, True, True, False]
    assert (index - index[0]).tolist() == [0, 0, 0, 1]
    months = stamps("2024-01-30", "2024-02-29", "2024-03-30", "2024-04-29", "2024-05-30")
    offset = Frequency("M").offset_of(months)
    assert Frequency("M").indices(months, offset)[1].tolist() == [False, False, False, True, False]
    quarters = stamps("2024-01-31", "2024-04-30", "2024-05-31", "2024-07-31")
    offset = Frequency("Q").offset_of(quarters)
    assert Frequency("Q").indices(quarters, offset)[1].tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("days", "following"),
    [
        # The month's last day, whatever its number; the 30th, where there is one; the 28th.
        (("2024-01-31", "2024-02-29"), ("2024-03-31", "2024-04-30")),
        (("2024-04-30", "2024-05-31"), ("2024-06-30", "2024-07-31")),
        (("2024-06-30", "2024-09-30"), ("2024-10-31", "2024-11-30")),
        (("2023-12-30", "2024-01-30", "2024-02-29", "2024-03-30"), ("2024-04-30", "2024-05-30")),
        (("2024-01-28", "2024-02-28", "2024-03-28"), ("2024-04-28", "2024-05-28")),
        (("2023-01-28", "2023-02-28"), ("2023-03-28", "2023-04-28")),
    ],
)
def test_the_day_of_the_month(days, following):
    given = stamps(*days)
    offset = Frequency("M").offset_of(given)
    index, off = Frequency("M").indices(given, offset)
    assert not off.any()
    np.testing.assert_array_equal(
        Frequency("M").times(index[-1] + np.array([1, 2]), offset), stamps(*following)
    )


def test_a_year_that_ends_with_february():
    ends = stamps("2021-02-28", "2022-02-28", "2023-02-28", "2024-02-28")
    for given, next_leap in ((ends, "2028-02-28"), (stamps("2020-02-29", *ends[:3]), "2028-02-29")):
        offset = Frequency("Y").offset_of(given)
        index, off = Frequency("Y").indices(given, offset)
        assert not off.any()
        found = Frequency("Y").times(index[-1] + np.arange(10), offset)
        assert np.datetime64(next_leap, "us") in found


def test_integers():
    frequency = Frequency("step", 3)
    given = np.array([-4, -1, 2, 5])
    assert frequency.offset_of(given) == 2
    index, off = frequency.indices(given, 2)
    assert (index.tolist(), off.any()) == ([-2, -1, 0, 1], False)
    assert frequency.times(index, 2).tolist() == given.tolist()
    assert frequency.indices(given + 1, 2)[1].all()


def test_rows_have_no_grid():
    for ask in (Frequency("rows").indices, Frequency("rows").times):
        with pytest.raises(ConfigError, match="they are counted"):
            ask(np.arange(3), 0)
    assert Frequency("rows").offset_of(stamps("2024-01-01")) == 0


def test_an_offset_is_where_most_stamps_are():
    given = stamps("2024-01-01T00:07", "2024-01-01T01:00", "2024-01-01T02:00", "2024-01-01T03:00")
    assert Frequency("h").offset_of(given) == 0
    assert Frequency("D").offset_of(given) % DAY == 7 * 60 * 10**6
