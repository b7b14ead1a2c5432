"""Search spaces: dotted names of an experiment, and what values each may take.

A condition says when a name is active:

    space = {
        "optimizer.learning_rate": LogUniform(1e-3, 1.0),
        "task.dropout": Uniform(0.0, 0.6),
        "task.layers": Integer(1, 3),
        "task.cell": [LSTM(hidden=200), GRU(hidden=200)],
        "task.cell.forget_bias": Choice([0.0, 1.0], when={"task.cell": LSTM}),
    }
"""

import collections
import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from lstm_jax.config.literals import write
from lstm_jax.config.values import freeze, suggestion
from lstm_jax.errors import ConfigError

Plain = bool | int | float | str | None
"""What a storage of trials holds; of any other value it holds the text of a command line."""

_MOST = 100_000
"""Points of a grid, which are all held in memory."""

Setting = dict[str, Plain]
"""The values of one trial by dotted name, as `lstm_jax.override` takes them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Distribution:
    """What values a field may take. Use one of the classes below."""

    when: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Conditions: the field is searched only where each of these other names of the space has such
    a value. A class stands for its objects, a list or tuple for any of its values, a function for
    the values of which it is true; anything else for what is equal to it."""


@dataclasses.dataclass(frozen=True)
class _Interval(Distribution):
    low: float
    high: float

    def __post_init__(self):
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ConfigError(f"{self!r}: low must be below high, both finite")


@dataclasses.dataclass(frozen=True)
class Uniform(_Interval):
    """Every number in [low, high] is as likely; with `step`, those of low, low + step, ..."""

    step: float | None = None

    def __post_init__(self):
        super().__post_init__()
        # 0.3 - 0.2 is a little less than 0.1.
        if self.step is not None and not 0 < self.step <= (self.high - self.low) * (1 + 1e-9):
            raise ConfigError(f"{self!r}: step lies in (0, high - low]")


@dataclasses.dataclass(frozen=True)
class LogUniform(_Interval):
    """The logarithm is uniform: 0.01 to 0.1 is as likely as 0.1 to 1. Both ends are possible."""

    def __post_init__(self):
        super().__post_init__()
        if self.low <= 0:
            raise ConfigError(f"{self!r}: low must be positive")


@dataclasses.dataclass(frozen=True)
class Integer(_Interval):
    """Whole numbers low, low + step, ..., up to high; with `log`, small ones more densely."""

    low: int
    high: int
    step: int = 1
    log: bool = False

    def __post_init__(self):
        super().__post_init__()
        if any(type(value) is not int for value in (self.low, self.high, self.step)):
            raise ConfigError(f"{self!r}: low, high and step must be whole numbers")
        if not 0 < self.step <= self.high - self.low:
            raise ConfigError(f"{self!r}: step lies in [1, high - low]")
        if self.log and (self.low < 1 or self.step != 1):
            raise ConfigError(f"{self!r}: with log, low must be positive and step 1")


@dataclasses.dataclass(frozen=True)
class Choice(Distribution):
    """One of some values, which may be whole objects: cells, schedules, `None`.

    In a space a plain list stands for it.
    """

    values: Sequence[Any]

    def __post_init__(self):
        if not isinstance(self.values, list | tuple | range) or not self.values:
            raise ConfigError(f"a Choice needs a list of at least one value, not {self.values!r}")
        if len(set(map(plain, self.values))) < len(self.values):  # True is 1 to Optuna
            raise ConfigError(f"{self!r}: a value stands there twice")


class Space(Mapping[str, Distribution]):
    """Names and their distributions, so ordered that no condition looks ahead.

    >>> space = Space({"a.b": Uniform(0.0, 1.0, when={"a": "x"}), "a": ["x", "y"]})
    >>> list(space), space.is_active("a.b", {"a": "y"})
    (['a', 'a.b'], False)
    """

    def __init__(self, space: Mapping[str, Any]):
        """Takes lists for choices.

        Raises:
            ConfigError: no names, neither a distribution nor a list, or conditions that go in
                circles or name what is not in the space.
        """
        if not space:
            raise ConfigError("the search space is empty: give names and distributions")
        self._given = {name: _distribution(name, one) for name, one in space.items()}
        self._ordered: dict[str, Distribution] = {}
        for name in self._given:
            self._place(name, ())

    def __getitem__(self, name: str) -> Distribution:
        return self._ordered[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._ordered)

    def __len__(self) -> int:
        return len(self._ordered)

    def is_active(self, name: str, values: Mapping[str, Any]) -> bool:
        """Whether a name is searched where those before it have these values.

        Args:
            name: one of the space.
            values: of the active ones before it, the objects themselves.

        Raises:
            ConfigError: a condition's function fails.
        """
        conditions = self[name].when.items()
        try:
            return all(other in values and _matches(values[other], w) for other, w in conditions)
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}") from error

    def _place(self, name: str, waiting: tuple[str, ...]) -> None:
        """Puts a name behind those which its conditions and its dotted name depend on."""
        if name in waiting:
            raise ConfigError(f"{name}: its condition depends on itself")
        if name in self._ordered:
            return
        for other in self._given[name].when:
            if other not in self._given:
                hint = suggestion(other, self._given)
                raise ConfigError(f"{name}: its condition names {other}, not in the space{hint}")
        above = (other for other in self._given if name.startswith(f"{other}."))
        for other in (*self._given[name].when, *above):
            self._place(other, (*waiting, name))
        self._ordered[name] = self._given[name]


def plain(value: Any) -> Plain:
    """What stands for a value in a storage: itself or, of an object, its text on a command line."""
    value = freeze(value)
    return value if value is None or isinstance(value, bool | int | float | str) else write(value)


def candidates(distribution: Distribution) -> Sequence[Any] | None:
    """All values, the objects themselves, or None where they cannot be counted."""
    match distribution:
        case Choice():
            return distribution.values
        case Integer(log=False):
            return range(distribution.low, distribution.high + 1, distribution.step)
        case Uniform(low, high, step) if step is not None:
            # As written in decimals, so that 0.1 steps end at 0.3 and not just above it.
            first, last, width = (Decimal(str(number)) for number in (low, high, step))
            count = int((last - first) / width) + 1
            return [float(first + index * width) for index in range(count)]
    return None


def points(space: Space) -> list[Setting]:
    """Every combination that the conditions allow, the last name varying fastest.

    >>> points(Space({"a": ["x", "y"], "b": Integer(1, 2, when={"a": "y"})}))
    [{'a': 'x'}, {'a': 'y', 'b': 1}, {'a': 'y', 'b': 2}]

    Raises:
        ConfigError: a distribution without a finite number of values, or a grid of too many points.
    """
    found: list[dict[str, Any]] = [{}]
    for name, distribution in space.items():
        values = candidates(distribution)
        if values is None:
            raise ConfigError(
                f"{name}: a grid needs values that can be counted, and {distribution!r} has too "
                "many; name a grid of the sweep file, or use Choice, Integer or Uniform with a step"
            )
        longer = (
            point | value
            for point in found
            for value in (({name: one} for one in values) if space.is_active(name, point) else [{}])
        )
        found = list(itertools.islice(longer, _MOST + 1))
        if len(found) > _MOST:
            raise ConfigError(f"{name}: the grid has more than {_MOST:,} points by now")
    return [{name: plain(value) for name, value in point.items()} for point in found]


def extremes(distribution: Distribution) -> Sequence[Any]:
    """The values by which a distribution is checked: all of a choice, the ends of an interval."""
    if isinstance(distribution, Choice):
        return distribution.values
    assert isinstance(distribution, _Interval)
    counted = candidates(distribution)
    return (counted[0], counted[-1]) if counted else (distribution.low, distribution.high)


def _distribution(name: str, given: Any) -> Distribution:
    if isinstance(given, list | tuple):
        return Choice(given)
    if isinstance(given, Distribution) and type(given) not in (Distribution, _Interval):
        return given
    raise ConfigError(
        f"{name}: give a list or a distribution (LogUniform, Uniform, Integer, Choice), "
        f"not {given!r}"
    )


def _matches(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, type):
        return isinstance(value, wanted)
    if isinstance(wanted, list | tuple | set | frozenset):
        return any(_matches(value, one) for one in wanted)
    if callable(wanted) and not dataclasses.is_dataclass(wanted):
        try:
            return bool(wanted(value))
        except Exception as error:
            raise ConfigError(
                f"a condition failed for {value!r}: {type(error).__name__}: "
                f"{' '.join(str(error).split())}"
            ) from error
    return bool(value == wanted)


def short_names(names: Iterable[str]) -> dict[str, str]:
    """The last part of each dotted name, where no other has the same.

    >>> short_names(["task.layers", "cell.size", "head.size"])
    {'task.layers': 'layers', 'cell.size': 'cell.size', 'head.size': 'head.size'}
    """
    lasts = {name: name.rpartition(".")[2] for name in names}
    counts = collections.Counter(lasts.values())
    return {name: last if counts[last] == 1 else name for name, last in lasts.items()}


def show_value(value: Any) -> str:
    """A value for people: four digits of a number.

    >>> show_value(0.123456), show_value(None)
    ('0.1235', 'none')
    """
    if value is None:
        return "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def describe_setting(setting: Setting) -> str:
    """The values in one line."""
    return ", ".join(f"{name}={show_value(value)}" for name, value in setting.items())
