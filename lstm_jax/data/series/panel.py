"""Many series of the same columns in flat arrays, of which windows are views."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int64, Shaped

from lstm_jax.data.series.arrays import bounds_of, joined, names_of, parts_of
from lstm_jax.data.series.frequency import Frequency
from lstm_jax.data.series.zones import texts
from lstm_jax.errors import ConfigError, DataError

_NO_STAMP = np.iinfo(np.int64).min
"""Also the number that NumPy writes NaT with."""


@dataclasses.dataclass(frozen=True)
class Schema:
    """What all series of a panel have in common: their columns, and the grid of their steps."""

    frequency: str
    """How far apart steps are, as `str` writes a `Frequency`."""
    offset: int
    """Where the grid stands; see `Frequency`."""
    zone: str | None
    """IANA name of the time zone. None: stamps without one, or integers."""
    values: tuple[str, ...]
    """The columns to be forecast, the channels."""
    past: tuple[str, ...] = ()
    """Covariates that are known up to now."""
    known: tuple[str, ...] = ()
    """Covariates that are known in advance."""
    static: tuple[str, ...] = ()
    """Covariates that are the same at all steps of an item."""

    @property
    def clock(self) -> str | None:
        """The zone of what `Panel.times` gives: "UTC", or None for what is local or has no zone.

        Steps shorter than a day are regular in time, those of days and longer by local dates.

        >>> Schema("h", 0, "CET", ("y",)).clock, Schema("D", 0, "CET", ("y",)).clock
        ('UTC', None)
        """
        counts_instants = Frequency.parse(self.frequency).counts_instants
        return "UTC" if self.zone is not None and counts_instants else None

    def texts(self, stamps: Shaped[np.ndarray, " steps"]) -> list[str]:
        """Stamps of this grid as people read them, with the offset from UTC if they are instants.

        >>> Schema("h", 0, "CET", ("y",)).texts(np.array(["2024-07-01T12:00"], "M8[us]"))
        ['2024-07-01 14:00+02:00']
        """
        is_timed = Frequency.parse(self.frequency).counts_instants
        return texts(stamps, self.zone if self.clock else None, with_time=is_timed)

    def check(self, other: "Schema") -> None:
        """Makes sure that what is given has the columns and the grid of these.

        Raises:
            DataError: it has not; says what differs.
        """
        for field in dataclasses.fields(self):
            ours, theirs = getattr(self, field.name), getattr(other, field.name)
            if ours == theirs:
                continue
            name = field.name
            if name == "offset":
                name, (ours, theirs) = "a grid with", (one._at_zero() for one in (self, other))
            raise DataError(
                f"{name} {theirs!r} was given, and {ours!r} is needed: hand over series of the "
                "columns, the frequency and the zone that the model was trained on"
            )

    def _at_zero(self) -> str:
        """The stamp with the index 0, which says where the grid stands."""
        frequency = Frequency.parse(self.frequency)
        return self.texts(frequency.times(np.zeros(1, np.int64), self.offset))[0]


@dataclasses.dataclass(frozen=True, eq=False)
class Panel:
    """Series of one schema. Item `i` has the rows `first[i]:first[i + 1]` of each array.

    The arrays are the only copy: what is cut out of them is a view. Compared by identity.

    >>> panel = Panel.from_arrays({"a": [1.0, 2.0], "b": [3.0]})
    >>> panel.lengths.tolist(), panel.one(1).values.tolist()
    ([2, 1], [[3.0]])
    """

    schema: Schema
    items: tuple[str, ...]
    """The name of each series."""
    start: Int64[np.ndarray, " items"]
    """The index of each item's first step on the grid."""
    first: Int64[np.ndarray, " bounds"]
    """The row of each item's first step, and behind them the number of rows."""
    values: Float[np.ndarray, "rows channels"]
    """NaN where there is no value; float32 if the table had float32, else float64."""
    past: Float[np.ndarray, "rows past"]
    """NaN where there is no value, of the type of `values`, as is `known`."""
    known: Float[np.ndarray, "known_rows known"]
    """They begin with the values and may go on behind them; no NaN."""
    known_first: Int64[np.ndarray, " bounds"]
    """As `first`, of the rows of `known`."""
    static: tuple[tuple[float | str, ...], ...]
    """Of each item, in the order of the schema: numbers, and text for categories."""
    places: tuple[str, ...]
    """Where each item stands, for error messages: `hourly.csv, item 'a'`."""
    labels: Shaped[np.ndarray, " rows"] | None = None
    """The stamp of each row, datetime64[us] or int64, where steps are counted by rows."""
    known_labels: Shaped[np.ndarray, " known_rows"] | None = None
    """As `labels`, of the rows of `known`."""
    whole: "Panel | None" = dataclasses.field(default=None, repr=False)
    """What this is a part of: as long as one part is in use, the table need not be read again."""

    @property
    def lengths(self) -> Int64[np.ndarray, " items"]:
        """Steps of each item that have values."""
        return np.diff(self.first)

    def one(self, item: int) -> "Panel":
        """The panel of one item alone; its arrays are views.

        Raises:
            IndexError: there is no such item; they are numbered from 0 on.
        """
        if not 0 <= item < len(self.items):
            raise IndexError(f"items are numbered from 0 to {len(self.items) - 1}, got {item}")
        rows = slice(*self.first[item : item + 2].tolist())
        known = slice(*self.known_first[item : item + 2].tolist())
        return Panel(
            self.schema,
            self.items[item : item + 1],
            self.start[item : item + 1],
            np.array([0, rows.stop - rows.start]),
            self.values[rows],
            self.past[rows],
            self.known[known],
            np.array([0, known.stop - known.start]),
            self.static[item : item + 1],
            self.places[item : item + 1],
            None if self.labels is None else self.labels[rows],
            None if self.known_labels is None else self.known_labels[known],
            self.whole or self,
        )

    def times(self, item: int, first_step: int, count: int) -> Shaped[np.ndarray, " steps"]:
        """The stamps of steps of an item, which may lie behind its values.

        >>> Panel.from_arrays([1.0, 2.0], frequency="D", start="2024-02-28").times(0, 1, 2)
        array(['2024-02-29T00:00:00.000000', '2024-03-01T00:00:00.000000'],
              dtype='datetime64[us]')

        Args:
            item: its number.
            first_step: 0 is the first of the item.
            count: of the steps.

        Returns:
            datetime64[us], instants of UTC where `Schema.clock` says so, else local; or int64.
            Where steps are counted by rows and a step has none: NaT, or the least int64.
        """
        steps = first_step + np.arange(count)
        if self.known_labels is None:
            frequency = Frequency.parse(self.schema.frequency)
            return frequency.times(self.start[item] + steps, self.schema.offset)
        labels = self.known_labels[self.known_first[item] : self.known_first[item + 1]]
        found = np.full(count, _NO_STAMP, np.int64).astype(labels.dtype)
        has_row = (steps >= 0) & (steps < len(labels))
        found[has_row] = labels[steps[has_row]]
        return found

    @classmethod
    def from_arrays(
        cls,
        values: Any,
        *,
        past: Any = None,
        known: Any = None,
        static: Mapping[str, Sequence[float | str]] | None = None,
        names: Mapping[str, Sequence[str]] | None = None,
        frequency: str = "step",
        start: int | str | np.datetime64 = 0,
        zone: str | None = None,
    ) -> "Panel":
        """A panel of plain arrays, without a table.

        Args:
            values: [steps] or [steps, channels] of one series, or a mapping of items to such; NaN
                where there is no value. One array of float32 or float64 is not copied.
            past: covariates known up to now, likewise, as long as the values.
            known: covariates known in advance, likewise, as long or longer.
            static: of each item.
            names: of the columns: `{"values": ("load",), "known": ("price", "holiday")}`; without,
                "value", or "values 0" and so on.
            frequency: how far apart steps are.
            start: the first stamp of all items, of UTC where `Schema.clock` says so; or an integer.
            zone: IANA name of the time zone.

        Raises:
            DataError: the arrays do not fit each other, have a wrong number of axes, or an infinite
                value; `known` has no value.
            ConfigError: there is no such frequency.
        """
        grid = Frequency.parse(frequency)
        if grid.unit == "rows":
            raise ConfigError("rows have stamps: hand over a table, or number the steps: 'step'")
        items = tuple(map(str, values)) if isinstance(values, Mapping) else ("series",)
        given = {"past": past, "known": known}
        parts = {"values": parts_of("values", values, items)}
        parts |= {kind: parts_of(kind, given[kind], items, parts["values"]) for kind in given}
        named = names or {}
        columns = {
            kind: tuple(named.get(kind, names_of(kind, arrays[0].shape[1])))
            for kind, arrays in parts.items()
        }
        offset, index = 0, start
        if not isinstance(start, int):
            stamp = np.array([start], "M8[us]")
            offset = grid.offset_of(stamp)
            index = int(grid.indices(stamp, offset)[0][0])
        flat = {
            kind: joined(arrays, np.result_type(*parts["values"])) for kind, arrays in parts.items()
        }
        if np.isnan(flat["known"]).any():
            raise DataError("known covariates have a value at every step, and one is NaN")
        return cls(
            Schema(str(grid), offset, zone, **columns, static=tuple(named.get("static", ()))),
            items,
            np.full(len(items), index, np.int64),
            bounds_of([len(part) for part in parts["values"]]),
            flat["values"],
            flat["past"],
            flat["known"],
            bounds_of([len(part) for part in parts["known"]]),
            tuple(tuple((static or {}).get(item, ())) for item in items),
            tuple(f"item {item!r}" for item in items),
        )


def join(panels: Sequence[Panel]) -> Panel:
    """The items of panels of one schema, one panel after another.

    >>> parts = [Panel.from_arrays({name: [1.0, 2.0]}) for name in "ab"]
    >>> join(parts).items, join(parts).first.tolist()
    (('a', 'b'), [0, 2, 4])
    """
    if len(panels) == 1:
        return panels[0]
    labels = [panel.labels for panel in panels if panel.labels is not None]
    known = [panel.known_labels for panel in panels if panel.known_labels is not None]
    return Panel(
        panels[0].schema,
        tuple(item for panel in panels for item in panel.items),
        np.concatenate([panel.start for panel in panels]),
        bounds_of(np.concatenate([np.diff(panel.first) for panel in panels])),
        joined([panel.values for panel in panels]),
        joined([panel.past for panel in panels]),
        joined([panel.known for panel in panels]),
        bounds_of(np.concatenate([np.diff(panel.known_first) for panel in panels])),
        tuple(static for panel in panels for static in panel.static),
        tuple(place for panel in panels for place in panel.places),
        np.concatenate(labels) if labels else None,
        np.concatenate(known) if known else None,
    )
