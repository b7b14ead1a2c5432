"""Columns of dates, times, text or integers as stamps."""

import dataclasses
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from jaxtyping import Int64, Shaped

from lstm_jax.data.series.zones import INSTANTS, MICROSECONDS, Where, as_numpy, local_times
from lstm_jax.errors import DataError

# Its functions are made when it is imported, so that type checkers do not see them.
pc: Any = pyarrow.compute

_OFFSET = r"\d\d:\d\d.*(Z|[+-]\d\d(:?\d\d)?)$"
_ADVICE = "write stamps as 2024-01-31 or 2024-01-31 14:30, one way in all rows"
# What other programs write, step by step as ISO 8601: slashes, days first with points, one digit
# for two, a month alone, zeros behind microseconds, space before an offset, or the name of UTC.
_REWRITTEN = (
    (r"^(\d{4})/(\d\d?)", r"\1-\2"),
    (r"^(\d{4}-\d\d?)/(\d\d?)", r"\1-\2"),
    (r"^(\d\d?)\.(\d\d?)\.(\d{4})", r"\3-\2-\1"),
    (r"^(\d{4})-(\d)(-|$)", r"\1-0\2\3"),
    (r"^(\d{4}-\d\d)-(\d)([ T]|$)", r"\1-0\2\3"),
    (r"^(\d{4}-\d\d)$", r"\1-01"),
    (r"[ T](\d):", r" 0\1:"),
    (r"(\.\d{6})0+", r"\1"),
    (r" ?UTC$", "Z"),
    (r" (Z|[+-]\d\d(:?\d\d)?)$", r"\1"),
)


@dataclasses.dataclass(frozen=True, eq=False)
class Stamps:
    """The stamps of the rows of a table."""

    local: Shaped[np.ndarray, " rows"]
    """datetime64[us] as clocks show it, or int64."""
    instants: Shaped[np.ndarray, " rows"] | None = None
    """datetime64[us] of UTC. None: the stamps say no offset, or are integers."""
    zone: str | None = None
    """IANA name."""

    @property
    def are_integers(self) -> bool:
        """Whether steps are numbered instead of dated."""
        return self.local.dtype.kind == "i"

    def of(self, rows: Int64[np.ndarray, " others"]) -> "Stamps":
        """Those of some rows."""
        instants = None if self.instants is None else self.instants[rows]
        return Stamps(self.local[rows], instants, self.zone)


def read_stamps(column: pa.Array, name: str, zone: str | None, where: Where) -> Stamps:
    """The stamps in a column of text, dates, time stamps or integers.

    Text is a date, with or without a time and an offset, as ISO 8601 writes it (`2024-01-31`,
    `2024-01-31T14:30:00.5+01:00`), with slashes (`2024/01/31 14:30`) or points (`31.01.2024`); or
    an integer. Eight digits that are a date are one (`20240131`).

    >>> column = pa.array(["2024/01/31 14:30", "2024/01/31 15:00"])
    >>> read_stamps(column, "time", None, lambda row: f"row {row}").local.astype("M8[m]")
    array(['2024-01-31T14:30', '2024-01-31T15:00'], dtype='datetime64[m]')

    Args:
        column: the stamps, a row each.
        name: of the column, for error messages.
        zone: in which stamps are local that say no offset, and into which others are brought.
        where: the place of a row, for error messages.

    Raises:
        DataError: one is missing or no stamp, is finer than a microsecond, or says an offset where
            others say none; names the row.
    """
    if isinstance(column.type, pa.DictionaryType):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view():
        column = pc.utf8_trim_whitespace(column.cast(pa.large_string()))
        column = pc.if_else(pc.equal(column, ""), None, column)
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise DataError(f"{where(row)}: no stamp in column {name!r}: fill it in, or drop the row")
    if pa.types.is_large_string(column.type):
        column = _parsed(column, name, where)
        kind = column.type
    if pa.types.is_integer(kind):
        return Stamps(column.cast(pa.int64()).to_numpy())
    if pa.types.is_floating(kind):
        numbers = column.to_numpy()
        if not np.isfinite(numbers).all() or (numbers % 1 != 0).any():
            raise DataError(f"{where(0)}: column {name!r} has fractions: number steps by integers")
        return Stamps(numbers.astype(np.int64))
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        raise DataError(f"{where(0)}: column {name!r} is {kind}, not time stamps; {_ADVICE}")
    given = kind.tz if pa.types.is_timestamp(kind) else None
    try:
        column = column.cast(pa.timestamp("us", given))
    except pa.ArrowInvalid:
        raise DataError(
            f"{where(0)}: column {name!r} is finer than a microsecond: round it, or number steps"
        ) from None
    if given is None:
        return Stamps(as_numpy(column), None, zone)
    if zone is None:
        zone = given if given[0] not in "+-" else "UTC"
    return Stamps(local_times(as_numpy(column), zone), as_numpy(column), zone)


def _parsed(column: pa.Array, name: str, where: Where) -> pa.Array:
    """Text as int64, as timestamp[us], or as timestamp[us, UTC] where it says an offset."""
    if pc.all(pc.match_substring_regex(column, r"^[+-]?\d{1,18}$")).as_py():
        if pc.all(pc.match_substring_regex(column, r"^(1[89]|2[01])\d{6}$")).as_py():
            dashed = pc.replace_substring_regex(column, r"^(\d{4})(\d\d)(\d\d)$", r"\1-\2-\3")
            if (dates := _cast(dashed, MICROSECONDS)) is not None:
                return dates
        return column.cast(pa.int64())
    # Most tables are as ISO 8601 has it, and need nothing else.
    for kind in (MICROSECONDS, INSTANTS):
        if (found := _cast(column, kind)) is not None:
            return found
    iso = column
    for pattern, replacement in _REWRITTEN:
        iso = pc.replace_substring_regex(iso, pattern, replacement)
    offsets = pc.match_substring_regex(iso, _OFFSET).to_numpy(zero_copy_only=False)
    kind = INSTANTS if offsets[0] else MICROSECONDS
    if (found := _cast(iso, kind)) is not None:
        return found
    row = _first_failure(iso, kind)
    text = f"{where(row)}: {column[row].as_py()!r} in column {name!r}"
    if offsets[row] != offsets[0] and _cast(iso.slice(row, 1), _other(kind)) is not None:
        has, first = ("an", "none") if offsets[row] else ("no", "one")
        raise DataError(
            f"{text} has {has} offset from UTC, the first row has {first}: write all stamps with "
            "one, or none"
        )
    if pc.match_substring_regex(column.slice(row, 1), r"^\d\d?/\d\d?/\d{4}")[0].as_py():
        raise DataError(f"{text} may have the day or the month first: {_ADVICE}")
    raise DataError(f"{text} is no time stamp: {_ADVICE}")


def _other(kind: pa.DataType) -> pa.DataType:
    return MICROSECONDS if kind == INSTANTS else INSTANTS


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array | None:
    try:
        return column.cast(kind)
    except pa.ArrowInvalid:
        return None


def _first_failure(column: pa.Array, kind: pa.DataType) -> int:
    """The first row that cannot be cast, once there is one."""
    good, bad = 0, len(column)
    while bad - good > 1:
        middle = (good + bad) // 2
        fails = _cast(column.slice(good, middle - good), kind) is None
        good, bad = (good, middle) if fails else (middle, bad)
    return good
