"""What is said of stamps that are no steps of a grid."""

import pytest

from tests.data.series.tables import Case, days, hours, refusal, rows, table


def gap(frequency: str) -> str:
    return (
        f"add the rows, give another frequency than '{frequency}', or let missing=\"mask\" make "
        "missing values of gaps"
    )


CASES: list[Case] = [
    # Stamps.
    (
        "x.csv",
        rows("2024-01-01,a,1", ",a,2"),
        {},
        "x.csv, item 'a', row 3: no stamp in column 't': fill it in, or drop the row",
    ),
    (
        "x.csv",
        rows("2024-01-01,a,1", "2024-01-01,b,1", "2024-02-30,a,2", "2024-01-02,b,2"),
        {},
        "x.csv, item 'a', row 4: '2024-02-30' in column 't' is no time stamp: write stamps as "
        "2024-01-31 or 2024-01-31 14:30, one way in all rows",
    ),
    (
        "x.csv",
        rows("2024-01-01,a,1", "2024-01-03,a,3", "2024-01-02,a,2"),
        {},
        "x.csv, item 'a', row 4: 2024-01-02 stands behind 2024-01-03: sort the rows of each item "
        "by 't'",
    ),
    (
        "x.csv",
        rows("2024-01-01,a,1", "2024-01-02,a,3", "2024-01-02,a,2"),
        {"missing": "mask"},
        "x.csv, item 'a', row 4: 2024-01-02 stands there a second time: keep one row of each stamp",
    ),
    (
        "x.csv",
        rows("2024-01-01,a,1", "2024-01-01,b,3", "2024-01-02,a,2", "2024-01-02,b,2"),
        {"item": None},
        "x.csv, row 3: 2024-01-01 stands there a second time: keep one row of each stamp, or name "
        "the column that tells series apart by item=",
    ),
    (
        "x.csv",
        hours("2022-10-30", "01:00", "02:00", "02:00", "03:00"),
        {},
        "x.csv, item 'a', row 4: 2022-10-30 02:00 stands there a second time: keep one row of "
        "each stamp; where clocks were set back, name their zone, as zone='Europe/Berlin'",
    ),
    (
        "x.csv",
        hours("2022-10-30", "02:00", "02:30", "02:00", "02:30"),
        {},
        "x.csv, item 'a', row 4: 2022-10-30 02:00 stands behind 2022-10-30 02:30: sort the rows of "
        "each item by 't'; where clocks were set back, name their zone, as zone='Europe/Berlin'",
    ),
    (
        "x.csv",
        hours("2022-10-30", "01:00", "02:00", "02:00", "02:00", "03:00"),
        {"zone": "Europe/Berlin"},
        "x.csv, item 'a', row 4: 2022-10-30 02:00+02:00 stands there a second time: keep one row "
        "of each stamp",
    ),
    (
        "x.csv",
        hours("2022-10-30", "01:00", "02:00", "03:00", "04:00"),
        {"zone": "Europe/Berlin"},
        "x.csv, item 'a', row 3: after 2022-10-30 02:00+02:00 the stamp 2022-10-30 02:00+01:00 is "
        f"missing, 1 in all: {gap('h')}",
    ),
    (
        "x.csv",
        hours("2025-10-05", "01:00", "02:00", "03:00"),
        {"zone": "Australia/Sydney"},
        "x.csv, item 'a', row 3: 2025-10-05 02:00 does not exist in Australia/Sydney, where clocks "
        "are set forward past it: drop the row, or mend the zone",
    ),
    # The grid.
    (
        "x.csv",
        rows("2024-01-01,a,1", "2024-01-02,b,1"),
        {},
        "x.csv, item 'a', row 2: no item has two stamps, one behind the other, that tell how far "
        "apart steps are: give frequency=",
    ),
    (
        "x.csv",
        hours("2024-01-01", "00:00", "01:00", "02:30", "03:00", "04:00"),
        {},
        "x.csv, item 'a', row 4: 2024-01-01 02:30 is off the grid of 'h', which has 2024-01-01 "
        "02:00 and 2024-01-01 03:00: mend the stamp, or give another frequency; 'rows' takes any "
        "that rise",
    ),
    (
        "x.csv",
        rows(
            *("2024-03-30T00:00+01:00,a,1", "2024-03-31T00:00+01:00,a,1"),
            *("2024-04-01T00:00+02:00,a,1", "2024-04-02T00:00+02:00,a,1"),
            "2024-04-03T00:00+02:00,a,1",
        ),
        {},
        "x.csv, item 'a', row 2: 2024-03-29 23:00 is off the grid of 'D', which has 2024-03-29 "
        "22:00 and 2024-03-30 22:00: mend the stamp, or give another frequency; 'rows' takes any "
        "that rise; name the zone of local dates by zone=",
    ),
    (
        "x.csv",
        rows(
            *("2024-01-01,a,1", "2024-01-02,a,1", "2024-01-03,b,1", "2024-01-04,b,1"),
            *("2024-01-07,b,1", "2024-01-08,b,1", "2024-01-08,c,1", "2024-01-10,c,1"),
        ),
        {},
        f"x.csv, item 'b', row 5: after 2024-01-04 the stamp 2024-01-05 is missing, 3 in all: "
        f"{gap('D')}",
    ),
    (
        "x.csv",
        rows("2024-01-04,a,1", "2024-01-05,a,1", "2024-01-08,a,1", "2024-01-09,a,1"),
        {"frequency": "D"},
        "x.csv, item 'a', row 3: after 2024-01-05 the stamp 2024-01-06 is missing, 2 in all: "
        f"{gap('D')}; frequency='B' has Monday to Friday alone, 'rows' any days of trading",
    ),
    (
        "x.parquet",
        table(t=[1, 2, 4]),
        {},
        f"x.parquet, item 'a', row 2: after 2 the stamp 3 is missing, 1 in all: {gap('step')}",
    ),
    (
        "x.csv",
        days(1, 2, 3),
        {"frequency": "h"},
        "x.csv, item 'a', row 2: most stamps are 'D' apart, not 'h': frequency='D' would fit them",
    ),
    (
        "x.csv",
        hours("2024-01-01", "00:00", "00:30", "01:00"),
        {"frequency": "H", "missing": "mask"},
        "x.csv, item 'a', row 3: most stamps are '30min' apart, not 'h': frequency='30min' would "
        "fit them",
    ),
    (
        "x.parquet",
        table(),
        {"frequency": "h"},
        "x.parquet, item 'a', row 1: frequency 'h' is not one of integers: give one as 'step'",
    ),
    (
        "x.csv",
        days(1, 2),
        {"frequency": "step"},
        "x.csv, item 'a', row 2: frequency 'step' is not one of stamps without an offset: give one "
        "as 'h' or 'D'",
    ),
    (
        "x.parquet",
        table(),
        {"zone": "CET"},
        "x.parquet, item 'a', row 1: integers are in no zone: leave zone='CET' out",
    ),
    (
        "x.parquet",
        table(t=[1, 2, 2_000_000_000]),
        {"missing": "mask"},
        "x.parquet, item 'a', row 2: after 2 the stamp 3 is missing, 1,999,999,997 in all beside 3 "
        "rows: the frequency 'step' or a stamp is wrong, as 2000000000 in x.parquet, item 'a', "
        "row 3",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[str(number) for number in range(len(CASES))])
def test_what_cannot_be_read(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    assert refusal(case) == case[-1]
    assert "\n" not in case[-1]
