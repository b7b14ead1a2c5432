"""Columns of stamps, and what clocks do twice a year."""

import datetime

import numpy as np
import pyarrow as pa
import pytest

from lstm_jax.data.series.stamps import Stamps, read_stamps
from lstm_jax.data.series.zones import check_zone, local_times, texts, to_instants
from lstm_jax.errors import ConfigError, DataError

HOUR = 3600 * 10**6


def where(row: int) -> str:
    return f"a.csv, row {row + 2}"


def read(values, zone: str | None = None) -> Stamps:
    column = values if isinstance(values, pa.Array) else pa.array(values)
    return read_stamps(column, "t", zone, where)


def stamps(*given: str) -> np.ndarray:
    return np.array(given, "M8[us]")


def clock(day: str, *times: str) -> np.ndarray:
    return stamps(*(f"{day}T{time}" for time in times))


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        *(("2010-01-02", "2010-01-02"), ("2010/01/02", "2010-01-02"), ("20100102", "2010-01-02")),
        *(("02.01.2010", "2010-01-02"), ("2.1.2010 7:30", "2010-01-02T07:30")),
        *(("2010/01/02 03:00", "2010-01-02T03:00"), ("2010/1/2 3:00", "2010-01-02T03:00")),
        *(("2010-1-2", "2010-01-02"), ("2010-1-12 13:00:05", "2010-01-12T13:00:05")),
        *(("2010-01", "2010-01-01"), ("2010/11", "2010-11-01"), ("2010-1", "2010-01-01")),
        *(("2010-01-02 03:04", "2010-01-02T03:04"), ("2010-01-02T03:04:05", "2010-01-02T03:04:05")),
        *((" 2010-01-02 05 ", "2010-01-02T05"), ("1500-01-01", "1500-01-01")),
        ("2010-01-02 03:04:05.678901", "2010-01-02T03:04:05.678901"),
        ("2010-01-02T03:04:05.678901000", "2010-01-02T03:04:05.678901"),
    ],
)
def test_how_dates_are_written(text, stamp):
    found = read([text] * 2)
    np.testing.assert_array_equal(found.local, stamps(stamp, stamp))
    assert (found.instants, found.zone, found.are_integers) == (None, None, False)


@pytest.mark.parametrize(
    "text",
    [
        *("2010-07-02T03:04Z", "2010-07-02T05:04+02:00", "2010-07-02 05:04:00+0200"),
        *("2010-07-01 22:04:00.000-05", "2010/07/02 03:04 UTC", "2010-07-02 05:04 +02:00"),
    ],
)
def test_an_offset_makes_instants(text):
    found = read([text])
    assert found.instants is not None
    np.testing.assert_array_equal(found.instants, stamps("2010-07-02T03:04"))
    np.testing.assert_array_equal(found.local, found.instants)
    assert found.zone == "UTC"
    found = read([text], "Europe/Berlin")
    assert found.instants is not None
    np.testing.assert_array_equal(found.instants, stamps("2010-07-02T03:04"))
    np.testing.assert_array_equal(found.local, stamps("2010-07-02T05:04"))
    assert found.zone == "Europe/Berlin"


def test_offsets_may_differ():
    found = read(["2022-10-30T02:00+02:00", "2022-10-30T02:00+01:00"], "CET")
    assert found.instants is not None
    np.testing.assert_array_equal(found.instants, clock("2022-10-30", "00:00", "01:00"))
    np.testing.assert_array_equal(found.local, clock("2022-10-30", "02:00", "02:00"))


@pytest.mark.parametrize(
    ("column", "local"),
    [
        (pa.array([datetime.date(2010, 1, 2)]), stamps("2010-01-02")),
        (pa.array([datetime.date(2010, 1, 2)], pa.date64()), stamps("2010-01-02")),
        (pa.array([10**9], pa.timestamp("s")), stamps("2001-09-09T01:46:40")),
        (pa.array([10**18], pa.timestamp("ns")), stamps("2001-09-09T01:46:40")),
        (pa.array(["2010-01-02"]).dictionary_encode(), stamps("2010-01-02")),
        (pa.array(["2010-01-02"], pa.large_string()), stamps("2010-01-02")),
        (pa.array(["2010-01-02"], pa.string_view()), stamps("2010-01-02")),
        (pa.array(["7", "-12"]), np.array([7, -12])),
        (pa.array([7, 12], pa.uint8()), np.array([7, 12])),
        (pa.array([7.0, 12.0]), np.array([7, 12])),
        # Eight digits, but not all are dates.
        (pa.array(["20100102", "20101302"]), np.array([20100102, 20101302])),
    ],
)
def test_types_of_columns(column, local):
    found = read(column)
    np.testing.assert_array_equal(found.local, local)
    assert found.local.dtype == local.dtype
    assert found.are_integers == (local.dtype.kind == "i")


def test_types_with_a_zone():
    column = pa.array([1656640800], pa.timestamp("s", "Europe/Berlin"))  # 2022-07-01T02:00Z
    for zone, local in ((None, "04:00"), ("America/New_York", "22:00")):
        found = read(column, zone)
        assert found.instants is not None
        np.testing.assert_array_equal(found.instants, stamps("2022-07-01T02:00"))
        assert texts(found.local)[0].endswith(local)
        assert found.zone == (zone or "Europe/Berlin")
    assert read(column.cast(pa.timestamp("s", "+02:00"))).zone == "UTC"


ADVICE = "write stamps as 2024-01-31 or 2024-01-31 14:30, one way in all rows"


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["2010-01-02", None], "row 3: no stamp in column 't': fill it in, or drop the row"),
        (["2010-01-02", " "], "row 3: no stamp in column 't': fill it in, or drop the row"),
        (["x"], f"row 2: 'x' in column 't' is no time stamp: {ADVICE}"),
        (["2010-02-28"] * 9 + ["2010-02-30"], f"row 11: '2010-02-30' in column 't' is no time "
         f"stamp: {ADVICE}"),
        (["2010/02/28", "2010/2/30"], f"row 3: '2010/2/30' in column 't' is no time stamp: "
         f"{ADVICE}"),
        (["2010-01-02", "7"], f"row 3: '7' in column 't' is no time stamp: {ADVICE}"),
        (["2010-01-02 24:00"], f"row 2: '2010-01-02 24:00' in column 't' is no time stamp: "
         f"{ADVICE}"),
        (["13/01/2010"], f"row 2: '13/01/2010' in column 't' may have the day or the month first: "
         f"{ADVICE}"),
        (
            ["2010-01-02 00:00", "2010-01-02 01:00Z"],
            "row 3: '2010-01-02 01:00Z' in column 't' has an offset from UTC, the first row has "
            "none: write all stamps with one, or none",
        ),
        (
            ["2010-01-02 00:00+01:00", "2010-01-02 01:00"],
            "row 3: '2010-01-02 01:00' in column 't' has no offset from UTC, the first row has "
            "one: write all stamps with one, or none",
        ),
        (
            ["2010-01-02 00:00:00.123456789"],
            f"row 2: '2010-01-02 00:00:00.123456789' in column 't' is no time stamp: {ADVICE}",
        ),
        (
            pa.array([1], pa.timestamp("ns")),
            "row 2: column 't' is finer than a microsecond: round it, or number steps",
        ),
        ([1.0, 1.5], "row 2: column 't' has fractions: number steps by integers"),
        ([True], f"row 2: column 't' is bool, not time stamps; {ADVICE}"),
    ],
)  # fmt: skip
def test_what_is_no_stamp(column, message):
    with pytest.raises(DataError) as raised:
        read(column)
    assert str(raised.value) == f"a.csv, {message}"


def instants(local: np.ndarray, zone: str, *first: int, period: int | None = HOUR) -> list[str]:
    bounds = np.array(first or (0, len(local)))
    return texts(to_instants(local, zone, bounds, period, where), zone)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "CET"])
def test_an_hour_that_comes_twice(zone):
    local = clock("2022-10-30", "00:00", "01:00", "02:00", "02:00", "03:00")
    found = to_instants(local, zone, np.array([0, 5]), HOUR, where)
    assert (np.diff(found) == np.timedelta64(1, "h")).all()
    np.testing.assert_array_equal(local_times(found, zone), local)
    assert [text[11:] for text in texts(found, zone)] == [
        *("00:00+02:00", "01:00+02:00", "02:00+02:00", "02:00+01:00", "03:00+01:00")
    ]


@pytest.mark.parametrize(
    ("times", "period", "second"),
    [
        # How many of the stamps are read as of the second pass, which is the last ones.
        (("01:30", "02:00", "02:30", "02:00", "02:30", "03:00"), HOUR // 2, 3),
        (("02:45", "02:00", "02:15"), HOUR // 4, 2),
        # Half of the first pass is missing, or half of the second.
        (("02:00", "02:30", "02:30", "03:00"), HOUR // 2, 2),
        (("01:30", "02:00", "02:00", "02:30", "03:00"), HOUR // 2, 3),
        # An hour that is written once: of the first pass, unless the second makes it regular.
        (("01:00", "02:00", "03:00"), HOUR, 1),
        (("02:00", "03:00"), HOUR, 2),
        (("00:00", "02:00"), HOUR, 0),
        (("23:00", "01:00", "02:00", "04:00"), 2 * HOUR, 2),
        (("22:00", "00:00", "02:00", "03:00"), 2 * HOUR, 1),
        # Every 90 minutes the hour is met in each of its passes.
        (("00:30", "02:00", "02:30", "04:00"), 3 * HOUR // 2, 2),
        (("02:00", "02:30"), 3 * HOUR // 2, 1),
        # Without a distance all that rises is of the first.
        (("01:00", "02:00", "02:20", "02:10", "03:00"), None, 2),
        (("02:00", "02:20"), None, 0),
        (("02:00", "02:00"), None, 1),
    ],
)
def test_the_reading_that_is_regular(times, period, second):
    days = ["2022-10-29" if time > "12" else "2022-10-30" for time in times]
    local = stamps(*(f"{day}T{time}" for day, time in zip(days, times, strict=True)))
    found = instants(local, "Europe/Berlin", period=period)
    assert sum(text.endswith("+01:00") for text in found) == second
    assert found == sorted(found, key=lambda text: text.endswith("+01:00"))


def test_each_item_has_its_own_hours():
    local = clock("2022-10-30", *("01:00", "02:00", "02:00", "02:00", "03:00", "02:00", "02:00"))
    found = instants(local, "Europe/Berlin", 0, 3, 5, 7)
    assert [text[11:] for text in found] == [
        *("01:00+02:00", "02:00+02:00", "02:00+01:00"),
        *("02:00+01:00", "03:00+01:00"),
        *("02:00+02:00", "02:00+01:00"),
    ]
    # An hour of one autumn is none of the next.
    local = np.repeat(stamps("2021-10-31T02:00", "2022-10-30T02:00"), 2)
    assert [text[-6:] for text in instants(local, "CET")] == ["+02:00", "+01:00"] * 2


def test_the_second_hour_of_other_zones():
    # Lord Howe Island sets its clocks back by half an hour, New York after midnight.
    local = clock("2024-04-07", "01:00", "01:30", "01:30", "02:00")
    found = instants(local, "Australia/Lord_Howe", period=HOUR // 2)
    assert [text[-6:] for text in found] == ["+11:00", "+11:00", "+10:30", "+10:30"]
    local = clock("2024-11-03", "00:00", "01:00", "01:00", "02:00")
    found = instants(local, "America/New_York")
    assert [text[-6:] for text in found] == ["-04:00", "-04:00", "-05:00", "-05:00"]


def test_an_hour_that_never_comes():
    local = clock("2025-10-05", "01:00", "02:00", "03:00")
    with pytest.raises(DataError) as raised:
        instants(local, "Australia/Sydney")
    assert str(raised.value) == (
        "a.csv, row 3: 2025-10-05 02:00 does not exist in Australia/Sydney, where clocks are set "
        "forward past it: drop the row, or mend the zone"
    )
    found = instants(local[[0, 2]], "Australia/Sydney")
    assert found == ["2025-10-05 01:00+10:00", "2025-10-05 03:00+11:00"]


def test_stamps_as_people_read_them():
    assert texts(stamps("2024-01-01", "2024-01-02")) == ["2024-01-01", "2024-01-02"]
    assert texts(stamps("2024-01-01"), with_time=True) == ["2024-01-01 00:00"]
    assert texts(stamps("2024-01-01T00:00:05", "NaT")) == ["2024-01-01 00:00:05", "NaT"]
    assert texts(stamps("2024-01-01T00:00:00.5")) == ["2024-01-01 00:00:00.500"]
    assert texts(np.array([3, -1])) == ["3", "-1"]
    found = texts(stamps("2024-07-01", "NaT"), "America/St_Johns")
    assert found == ["2024-06-30 21:30-02:30", "NaT"]


def test_zones_by_name():
    check_zone(None)
    check_zone("Etc/GMT-1")
    with pytest.raises(ConfigError) as raised:
        check_zone("Mars/Olympus")
    assert str(raised.value) == (
        "no time zone 'Mars/Olympus'; they are called as Europe/Berlin, or UTC"
    )
