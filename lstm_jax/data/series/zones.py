"""Time zones: what clocks show at an instant, and at which instant clocks show a time."""

import zoneinfo
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute
from jaxtyping import Bool, Int64, Shaped

from lstm_jax.config.values import suggestion
from lstm_jax.errors import ConfigError, DataError

# Its functions are made when it is imported, so that type checkers do not see them.
pc: Any = pyarrow.compute

Where = Callable[[int], str]
"""The place of a row, for error messages."""
MICROSECONDS = pa.timestamp("us")
INSTANTS = pa.timestamp("us", "UTC")
_Unit = Literal["D", "m", "s", "ms", "us"]


def check_zone(zone: str | None) -> None:
    """Raises ConfigError unless this machine knows the time zone.

    >>> check_zone("Europe/Berln")
    Traceback (most recent call last):
    lstm_jax.errors.ConfigError: no time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?
    """
    try:
        if zone is not None:
            pc.assume_timezone(pa.array([0], MICROSECONDS), zone)
    except pa.ArrowInvalid:
        near = suggestion(str(zone), zoneinfo.available_timezones())
        advice = near if "mean" in near else "; they are called as Europe/Berlin, or UTC"
        raise ConfigError(f"no time zone {zone!r}{advice}") from None


def local_times(instants: Shaped[np.ndarray, " rows"], zone: str) -> Shaped[np.ndarray, " rows"]:
    """What clocks show in a zone at instants of UTC, datetime64[us].

    >>> local_times(np.array(["2022-10-30T00:00", "2022-10-30T01:00"], "M8[us]"), "CET").tolist()
    [datetime.datetime(2022, 10, 30, 2, 0), datetime.datetime(2022, 10, 30, 2, 0)]
    """
    column = pa.array(instants.astype("M8[us]"), MICROSECONDS).cast(INSTANTS)
    return as_numpy(pc.local_timestamp(column.cast(pa.timestamp("us", zone))))


def to_instants(
    local: Shaped[np.ndarray, " rows"],
    zone: str,
    first: Int64[np.ndarray, " bounds"],
    period: int | None,
    where: Where,
) -> Shaped[np.ndarray, " rows"]:
    """The instants of UTC at which clocks in a zone show these times, datetime64[us].

    When clocks are set back an hour comes twice. Of each item's stamps in it, as many are read as
    of its first pass as makes the stamps rise and most of them follow each other by `period`; all,
    where that makes no difference.

    >>> clock = np.array(["2022-10-30T01:00", *2 * ["2022-10-30T02:00"]], "M8[us]")
    >>> to_instants(clock, "Europe/Berlin", np.array([0, 3]), 3_600_000_000, str).tolist()[1:]
    [datetime.datetime(2022, 10, 30, 0, 0), datetime.datetime(2022, 10, 30, 1, 0)]

    Args:
        local: datetime64[us].
        zone: IANA name.
        first: where each item begins, and behind them the number of rows.
        period: microseconds of a step; None where steps may be of any length.
        where: the place of a row, for error messages.

    Raises:
        DataError: clocks never show a time, for they are set forward past it; names the row.
    """
    column = pa.array(local, MICROSECONDS)
    early, late = (
        as_numpy(pc.assume_timezone(column, zone, ambiguous=one, nonexistent=one))
        for one in ("earliest", "latest")
    )
    if (skipped := local_times(late, zone) != local).any():
        row = int(np.argmax(skipped))
        raise DataError(
            f"{where(row)}: {texts(local[row : row + 1])[0]} does not exist in {zone}, where "
            "clocks are set forward past it: drop the row, or mend the zone"
        )
    found = early.astype(np.int64)
    for begin, end in _runs(early, early != late, first):
        place = np.searchsorted(first, begin, side="right") - 1
        before = found[begin - 1] if begin > first[place] else None
        after = found[end] if end < first[place + 1] else None
        one, other = found[begin:end], late[begin:end].astype(np.int64)
        switch = _switch(one, other, before, after, period)
        found[begin + switch : end] = other[switch:]
    return found.astype("M8[us]")


def as_numpy(column: pa.Array) -> Shaped[np.ndarray, " rows"]:
    """Time stamps in microseconds as datetime64[us], whatever their zone; null is NaT."""
    return np.asarray(column.to_numpy(zero_copy_only=False)).astype("M8[us]")


def _runs(
    stamps: np.ndarray, chosen: Bool[np.ndarray, " rows"], first: np.ndarray
) -> list[tuple[int, int]]:
    """Begin and end of the rows in a row that are chosen, of one item and within a day."""
    rows = np.flatnonzero(chosen)
    items = np.searchsorted(first, rows, side="right")
    apart = np.abs(np.diff(stamps[rows])) > np.timedelta64(1, "D")
    ends = np.flatnonzero((np.diff(rows) > 1) | (np.diff(items) > 0) | apart) + 1
    pieces = np.split(rows, ends) if len(rows) else []
    return [(int(piece[0]), int(piece[-1]) + 1) for piece in pieces]


def _switch(one: np.ndarray, other: np.ndarray, before: Any, after: Any, period: int | None) -> int:
    """How many stamps of an hour that comes twice are of its first pass."""
    count = len(one)
    inside = np.concatenate([[0], np.cumsum(_worth(np.diff(one), period))])
    switches = np.arange(count + 1)
    found = (
        inside[np.maximum(switches - 1, 0)] + inside[-1] - inside[np.minimum(switches, count - 1)]
    )
    found[1:-1] += _worth(other[1:] - one[:-1], period)
    if before is not None:
        found += _worth(np.where(switches > 0, one[0], other[0]) - before, period)
    if after is not None:
        found += _worth(after - np.where(switches < count, other[-1], one[-1]), period)
    return count - int(np.argmax(found[::-1]))


def _worth(steps: np.ndarray, period: int | None) -> np.ndarray:
    """1 for a step as long as it should be; stamps that do not rise outweigh all of these."""
    return np.where(steps <= 0, -(10**9), 0) + (steps == period)


def texts(
    stamps: Shaped[np.ndarray, " rows"], zone: str | None = None, *, with_time: bool = False
) -> list[str]:
    """Stamps as people read them; with a zone those are instants of UTC, which get their offset.

    >>> texts(np.array(["2022-10-30T00:00", "2022-10-30T01:00"], "M8[us]"), "Europe/Berlin")
    ['2022-10-30 02:00+02:00', '2022-10-30 02:00+01:00']

    Args:
        stamps: datetime64, or integers.
        zone: IANA name.
        with_time: whether midnight is written out.
    """
    if stamps.dtype.kind != "M":
        return [str(number) for number in stamps.tolist()]
    stamps = stamps.astype("M8[us]")
    local = stamps if zone is None else local_times(stamps, zone)
    units = get_args(_Unit)[zone is not None or with_time :]
    is_exact = (np.isnat(local) | (local == local.astype(f"M8[{one}]")) for one in units)
    unit: _Unit = next(one for one, exact in zip(units, is_exact, strict=True) if exact.all())
    written = np.datetime_as_string(local, unit=unit).tolist()
    found = [text if text == "NaT" else text.replace("T", " ") for text in written]
    if zone is None:
        return found
    seconds = (local.astype(np.int64) - stamps.astype(np.int64)) // 10**6
    return [
        text if text == "NaT" else text + _offset(difference // 60)
        for text, difference in zip(found, seconds.tolist(), strict=True)
    ]


def _offset(minutes: int) -> str:
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
