"""The rows of tables item by item, and the grid that their stamps stand on."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from jaxtyping import Float, Int64, Shaped

from lstm_jax.data.series.arrays import bounds_of
from lstm_jax.data.series.frequency import Frequency
from lstm_jax.data.series.stamps import Stamps, read_stamps
from lstm_jax.data.series.tables import Layout, Table
from lstm_jax.data.series.zones import texts, to_instants
from lstm_jax.errors import DataError

pc: Any = pyarrow.compute


@dataclasses.dataclass(frozen=True, eq=False)
class Group:
    """A table whose rows are sorted by item, and within each as they stand in the table."""

    table: Table
    layout: Layout
    items: tuple[str, ...]
    """In the order in which they first occur."""
    first: Int64[np.ndarray, " bounds"]
    """The row of each item's first stamp, and behind them the number of rows."""
    order: Int64[np.ndarray, " rows"] | None
    """The table's row of each of these rows; None where nothing had to be moved."""

    def with_values(self, names: tuple[str, ...]) -> "Group":
        """The same with the values in this order."""
        return dataclasses.replace(self, table=dataclasses.replace(self.table, values=names))

    def where(self, row: int) -> str:
        """The place of a row, for error messages."""
        item = int(np.searchsorted(self.first, row, side="right")) - 1
        own = row if self.order is None else int(self.order[row])
        return f"{self.place(item)}, row {self.table.number(own)}"

    def place(self, item: int) -> str:
        """The place of an item, for error messages."""
        name = self.table.name
        return name if self.layout.item is None else f"{name}, item {self.items[item]!r}"

    def numbers(self, name: str, kind: np.dtype) -> Float[np.ndarray, " rows"]:
        """A column of numbers; see `Table.numbers`."""
        found = self.table.numbers(name, kind, self._where_of_table)
        return found if self.order is None else found[self.order]

    def stamps(self) -> Stamps:
        """The stamp of each row; see `read_stamps`."""
        column, layout = self.table.column(self.layout.time), self.layout
        found = read_stamps(column, layout.time, layout.zone, self._where_of_table)
        return found if self.order is None else found.of(self.order)

    def _where_of_table(self, row: int) -> str:
        """The place of a row that is counted as the table has it."""
        return self.where(row if self.order is None else int(np.argmax(self.order == row)))


def grouped(table: Table, layout: Layout) -> Group:
    """The rows of a table item by item.

    Raises:
        DataError: a row has no item.
    """
    if layout.item is None:
        return Group(table, layout, (table.stem,), bounds_of([table.rows]), None)
    column = table.column(layout.item)
    if pa.types.is_floating(column.type):
        column = column.cast(pa.int64(), safe=False)  # pandas makes floats of integers and nulls.
    column = column.cast(pa.large_string())
    blank = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(column), ""), True)
    if pc.any(blank).as_py():
        row = int(np.argmax(blank.to_numpy(zero_copy_only=False)))
        raise DataError(
            f"{table.name}, row {table.number(row)}: no item in column {layout.item!r}: fill it in"
        )
    encoded = column.dictionary_encode()
    codes = encoded.indices.to_numpy()
    items = tuple(encoded.dictionary.to_pylist())
    is_sorted = bool((np.diff(codes) >= 0).all())
    order = None if is_sorted else np.argsort(codes, kind="stable")
    return Group(table, layout, items, bounds_of(np.bincount(codes)), order)


@dataclasses.dataclass(frozen=True)
class Grid:
    """Where steps stand, and whether that was said or found."""

    frequency: Frequency
    offset: int
    zone: str | None
    inferred: bool

    @property
    def zone_of_instants(self) -> str | None:
        """The zone, where stamps on the grid are instants of UTC."""
        return self.zone if self.frequency.counts_instants else None

    def texts(self, stamps: Shaped[np.ndarray, " rows"]) -> list[str]:
        """Stamps on this grid as people read them."""
        with_time = self.frequency.counts_instants
        return texts(stamps, self.zone_of_instants, with_time=with_time)


def grid_of(groups: Sequence[Group]) -> tuple[Grid, list[Shaped[np.ndarray, " _rows"]]]:
    """The grid of tables, and the stamps of each as the grid counts them.

    Raises:
        DataError: stamps are of several kinds or zones, do not fit the declared frequency, tell
            none, or never occur in their zone.
    """
    stamps = [group.stamps() for group in groups]
    layout, table = groups[0].layout, groups[0].table
    kinds = [_kind(one) for one in stamps]
    for group, kind in zip(groups, kinds, strict=True):
        if kind != kinds[0]:
            raise DataError(
                f"{group.table.name} has {kind} in column {layout.time!r}, {table.name} has "
                f"{kinds[0]}: write all files one way"
            )
    zone = stamps[0].zone if not stamps[0].are_integers else layout.zone
    if layout.schema is not None and zone != layout.schema.zone:
        raise DataError(
            f"{table.name} has {kinds[0]}, and {layout.schema.zone or 'no'} zone is needed, "
            "as in training: convert them"
        )
    local = np.concatenate([one.local for one in stamps])
    first = bounds_of(np.concatenate([np.diff(group.first) for group in groups]))
    if layout.frequency is None:
        frequency = Frequency.infer(local, first)
        if frequency is None:
            raise DataError(
                f"{groups[0].where(0)}: no item has two stamps, one behind the other, that tell "
                "how far apart steps are: give frequency="
            )
    else:
        frequency = Frequency.parse(layout.frequency)
    if frequency.unit != "rows" and (frequency.unit == "step") != stamps[0].are_integers:
        like = "'step'" if stamps[0].are_integers else "'h' or 'D'"
        raise DataError(
            f"{groups[0].where(0)}: frequency {str(frequency)!r} is not one of {kinds[0]}: give "
            f"one as {like}"
        )
    if zone is not None and stamps[0].are_integers:
        raise DataError(f"{groups[0].where(0)}: integers are in no zone: leave zone={zone!r} out")
    counted = [one.local for one in stamps]
    if zone is not None and frequency.counts_instants:
        period = None if frequency.unit == "rows" else frequency.period
        counted = [
            to_instants(one.local, zone, group.first, period, group.where)
            if one.instants is None
            else one.instants
            for one, group in zip(stamps, groups, strict=True)
        ]
    if layout.schema is None:
        offset = frequency.offset_of(np.concatenate(counted))
    else:
        offset = layout.schema.offset
    return Grid(frequency, offset, zone, layout.frequency is None), counted


def _kind(stamps: Stamps) -> str:
    if stamps.are_integers:
        return "integers"
    if stamps.instants is None:
        return "stamps without an offset"
    return f"stamps of the zone {stamps.zone}"
