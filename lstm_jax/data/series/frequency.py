"""How far apart the steps of a series are, and the grid that their stamps stand on."""

import dataclasses
import re
from typing import Any, Literal, cast

import numpy as np
from jaxtyping import Bool, Int64, Shaped

from lstm_jax.config.values import suggestion
from lstm_jax.errors import ConfigError

Unit = Literal["us", "ms", "s", "min", "h", "D", "B", "W", "M", "Q", "Y", "step", "rows"]

_DAY = 24 * 3600 * 10**6
"""Microseconds, in which all stamps are counted."""
_CLOCK = {"us": 1, "ms": 10**3, "s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6}
_DAYS = {"D": _DAY, "W": 7 * _DAY}
_MONTHS = {"M": 1, "Q": 3, "Y": 12}
_LONGEST_MONTH = 31
_WORDS: dict[str, Unit] = {
    "S": "s", "second": "s", "L": "ms", "U": "us", "T": "min", "minute": "min", "H": "h",
    "hour": "h", "hourly": "h", "d": "D", "day": "D", "daily": "D", "b": "B", "bday": "B",
    "w": "W", "week": "W", "weekly": "W", "MS": "M", "ME": "M", "month": "M", "monthly": "M",
    "q": "Q", "QS": "Q", "QE": "Q", "quarter": "Q", "quarterly": "Q", "y": "Y", "YS": "Y",
    "YE": "Y", "A": "Y", "AS": "Y", "year": "Y", "yearly": "Y", "row": "rows",
}  # fmt: skip
"""What pandas and people write, besides the units themselves."""


@dataclasses.dataclass(frozen=True)
class Frequency:
    """The distance between two steps of a series: `count` times `unit`.

    | unit | the grid |
    |---|---|
    | us, ms, s, min, h | regular in time: with a zone its instants, whatever clocks do in spring |
    | D, W | local dates, at one time of the day |
    | B | Monday to Friday |
    | M, Q, Y | the same day of the month, or the month's last where it is shorter |
    | step | integers |
    | rows | none: stamps rise, and steps are counted by rows, as on trading days |

    A stamp on the grid has an index, int64, which counts periods from 1970 on (steps from 0 on).
    Where the grid stands is its offset, an integer: the stamp with index 0, in microseconds after
    1970-01-01 or as an integer; of business days the time of the day; of months `((first month - 1)
    * 32 + day) * 86_400_000_000 + time of the day`, where the day 31 is the last one.

    Raises:
        ConfigError: there is no such unit, or the count is not positive, or not 1 of business days
            and rows.

    >>> Frequency.parse("15T"), str(Frequency.parse("120min")), str(Frequency.parse("MS"))
    (Frequency(unit='min', count=15), '2h', 'M')
    """

    unit: Unit
    count: int = 1

    def __post_init__(self):
        if self.count < 1 or (self.count > 1 and self.unit in ("B", "rows")):
            raise ConfigError(f"there is no frequency {self.count} times {self.unit!r}")

    @classmethod
    def parse(cls, text: str) -> "Frequency":
        """A frequency as it is written: "h", "15min", "2D", "W", "M", "2 step", "rows".

        The spellings of pandas are read, too. On which day a period begins is left to the stamps:
        "W-SUN" says no more than "W", and "MS" and "ME" no more than "M".

        Raises:
            ConfigError: it is none.
        """
        found = re.fullmatch(r"\s*(\d*)\s*([A-Za-z]+)(?:-[A-Z]{3})?\s*", text)
        count, word = (int(found[1] or 1), found[2]) if found else (0, text)
        if word in ("m", "ns", "N"):
            advice = "'min' for minutes, 'M' for months" if word == "m" else "'us' is the finest"
            raise ConfigError(f"{text!r} is no frequency: {advice}")
        units = (*_CLOCK, *_DAYS, "B", *_MONTHS, "step", "rows")
        known = {word: word for word in units} | _WORDS
        unit = known.get(word, known.get(word.removesuffix("s")))
        if unit is None or count < 1:
            raise ConfigError(f"{text!r} is no frequency{suggestion(word, units)}")
        return cls(cast(Unit, unit), count)._simplest()

    def __str__(self) -> str:
        gap = " " if self.unit == "step" else ""
        return self.unit if self.count == 1 else f"{self.count}{gap}{self.unit}"

    @property
    def period(self) -> int:
        """Microseconds, months, business days, or the difference of integers."""
        return self.count * {**_CLOCK, **_DAYS, **_MONTHS}.get(self.unit, 1)

    @property
    def counts_instants(self) -> bool:
        """Whether stamps with a zone are on a grid of instants instead of one of local dates."""
        return self.unit in _CLOCK or self.unit == "rows"

    @classmethod
    def infer(
        cls,
        stamps: Shaped[np.ndarray, " rows"],
        first: Int64[np.ndarray, " bounds"] | None = None,
    ) -> "Frequency | None":
        """The most common distance of two stamps that follow each other in an item.

        Args:
            stamps: datetime64[us], local where there is a zone, or int64.
            first: where each item begins, and behind them the number of rows; by default one item.

        Returns:
            None where no stamp of an item is followed by a later one. Business days where every
            gap is a weekend; weeks, months, quarters and years by the calendar.

        >>> months = np.array(["2024-01-31", "2024-02-29", "2024-03-31"], "M8[us]")
        >>> Frequency.infer(months)
        Frequency(unit='M', count=1)
        """
        is_date = stamps.dtype.kind == "M"
        steps = _steps(stamps.astype(np.int64), first)
        if not (steps > 0).any():
            return None
        most = _most_common(steps[steps > 0])
        if not is_date:
            return cls("step", most)
        if most < _DAY or most % _DAY:
            return cls("us", most)._simplest()
        if most == _DAY:
            business = cls("B")
            index, off = business.indices(stamps, business.offset_of(stamps))
            is_business = (
                not off.any() and (steps > _DAY).any() and (_steps(index, first) == 1).all()
            )
            return business if is_business else cls("D")
        if most >= 28 * _DAY:
            months = _steps(stamps.astype("M8[M]").astype(np.int64), first)
            if (months > 0).any():
                by_month = cls("M", _most_common(months[months > 0]))
                _, off = by_month.indices(stamps, by_month.offset_of(stamps))
                if 2 * off.sum() < len(off):
                    return by_month._simplest()
        return cls("D", most // _DAY)._simplest()

    def offset_of(self, stamps: Shaped[np.ndarray, " rows"]) -> int:
        """Where the grid stands that most of the stamps are on; see the class for what it says."""
        numbers = stamps.astype(np.int64)
        if self.unit == "rows":
            return 0
        if self.unit == "B":
            return _most_common(numbers % _DAY)
        if self.unit not in _MONTHS:
            return _most_common(numbers % self.period)
        month, day, length, time = _parts(stamps)
        usual = _most_common(day)
        last = (day == length).sum() >= (day == np.minimum(usual, length)).sum()
        day = _LONGEST_MONTH if last else usual
        return (_most_common(month % self.period) * 32 + day) * _DAY + _most_common(time)

    def indices(
        self, stamps: Shaped[np.ndarray, " rows"], offset: int
    ) -> tuple[Int64[np.ndarray, " rows"], Bool[np.ndarray, " rows"]]:
        """The grid's index of each stamp (of the last before it), and which are off the grid.

        >>> hours = np.array(["1970-01-01T01:00", "1970-01-01T02:30"], "M8[us]")
        >>> index, off = Frequency("h").indices(hours, 0)
        >>> index.tolist(), off.tolist()
        ([1, 2], [False, True])
        """
        numbers = stamps.astype(np.int64)
        if self.unit == "rows":
            raise ConfigError("rows are on no grid: they are counted")
        if self.unit == "B":
            day, time = np.divmod(numbers, _DAY)
            week, weekday = np.divmod(day + 3, 7)  # 1970 began on a Thursday.
            return 5 * week + np.minimum(weekday, 4), (weekday > 4) | (time != offset)
        if self.unit not in _MONTHS:
            index, rest = np.divmod(numbers - offset, self.period)
            return index, rest != 0
        first, usual, at = _decode(offset)
        month, day, length, time = _parts(stamps)
        index, rest = np.divmod(month - first, self.period)
        return index, (rest != 0) | (day != np.minimum(usual, length)) | (time != at)

    def times(
        self, indices: Int64[np.ndarray, "*steps"], offset: int
    ) -> Shaped[np.ndarray, "*steps"]:
        """The stamps with these indices, datetime64[us] (int64 of steps).

        >>> offset = Frequency("M").offset_of(np.array(["2024-01-31"], "M8[us]"))
        >>> Frequency("M").times(np.array([649]), offset).astype("M8[D]").tolist()
        [datetime.date(2024, 2, 29)]
        """
        if self.unit == "rows":
            raise ConfigError("rows are on no grid: they are counted")
        if self.unit == "step":
            return indices * self.period + offset
        if self.unit == "B":
            week, weekday = np.divmod(indices, 5)
            return ((7 * week + weekday - 3) * _DAY + offset).astype("M8[us]")
        if self.unit not in _MONTHS:
            return (indices * self.period + offset).astype("M8[us]")
        first, usual, at = _decode(offset)
        begin, length = _month(indices * self.period + first)
        return ((begin + np.minimum(usual, length) - 1) * _DAY + at).astype("M8[us]")

    def _simplest(self) -> "Frequency":
        """The same in the largest unit that fits: 120min is 2h; 24h are no day of local dates."""
        for units in (_CLOCK, _DAYS, _MONTHS):
            if self.unit in units:
                fits = [unit for unit, size in units.items() if self.period % size == 0]
                return type(self)(cast(Unit, fits[-1]), self.period // units[fits[-1]])
        return self


def _steps(numbers: np.ndarray, first: np.ndarray | None) -> np.ndarray:
    """The differences of numbers that follow each other in an item."""
    steps = np.diff(numbers)
    if first is None:
        return steps
    within = np.ones(len(steps), bool)
    bounds = first[1:-1]
    within[bounds[(bounds > 0) & (bounds <= len(steps))] - 1] = False
    return steps[within]


def _most_common(numbers: np.ndarray) -> int:
    """Of several as common the smallest: gaps are a better reading than stamps off the grid."""
    values, counts = np.unique(numbers, return_counts=True)
    return int(values[np.argmax(counts)])


def _month(month: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first day of a month, in days from 1970 on, and how many it has."""
    begin, end = (
        months.astype("M8[M]").astype("M8[D]").astype(np.int64) for months in (month, month + 1)
    )
    return begin, end - begin


def _parts(stamps: np.ndarray) -> tuple[Any, Any, Any, Any]:
    """The month from 1970 on, its day from 1 on, its length in days, the time in microseconds."""
    month = stamps.astype("M8[M]").astype(np.int64)
    begin, length = _month(month)
    day, time = np.divmod(stamps.astype("M8[us]").astype(np.int64), _DAY)
    return month, day - begin + 1, length, time


def _decode(offset: int) -> tuple[int, int, int]:
    """The first month, the day and the time in microseconds that an offset says."""
    days, time = divmod(offset, _DAY)
    return *divmod(days, 32), time
