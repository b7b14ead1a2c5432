"""Tables of series as a panel, once all that models rely on is known to hold."""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Int64, Shaped

from lstm_jax.data.series.arrays import bounds_of
from lstm_jax.data.series.grouping import Grid, Group, grid_of, grouped
from lstm_jax.data.series.panel import Panel, Schema, join
from lstm_jax.data.series.steps import steps_of
from lstm_jax.data.series.tables import Layout, Table
from lstm_jax.errors import DataError


def read_panel(tables: Iterable[Table], layout: Layout) -> Panel:
    """The series of tables, in the order of the tables and of their first rows.

    >>> from lstm_jax.data.series.tables import open_table
    >>> layout = Layout(time="day", item="shop")
    >>> days = ["2024-01-01", "2024-01-02", "2024-01-02", "2024-01-03"]
    >>> table = {"day": days, "shop": ["a", "a", "b", "b"], "sales": [1.0, 2.0, 3.0, 4.0]}
    >>> panel = read_panel([open_table(table, layout)], layout)
    >>> panel.schema.frequency, panel.items, panel.one(1).values.tolist()
    ('D', ('a', 'b'), [[3.0], [4.0]])

    Args:
        tables: each is let go once it is read.
        layout: of all of them.

    Raises:
        DataError: they are malformed, or do not fit each other; names the table and the row.
    """
    groups = [grouped(table, layout) for table in tables]
    if not groups:
        raise DataError("no table was handed over: name one at least")
    _check_alike(groups)
    if not layout.wide:
        # The same columns may stand in another order.
        groups = [group.with_values(groups[0].table.values) for group in groups]
    grid, stamps = grid_of(groups)
    is_single = all(one.table.is_single(name) for one in groups for name in one.table.values)
    kind, parts = np.dtype(np.float32 if is_single else np.float64), []
    while groups:
        group = groups.pop(0)
        part = _panel(group, stamps.pop(0), grid, kind)
        parts.append(_apart(part, group) if layout.wide else part)
        del group  # with the table
    # Arrow keeps what it no longer needs.
    pa.default_memory_pool().release_unused()
    return join(parts)


def _check_alike(groups: Sequence[Group]) -> None:
    """Raises DataError where tables have an item in common, or other columns."""
    tables, wide = [group.table for group in groups], groups[0].layout.wide
    places: dict[str, str] = {}
    for group in groups:
        table = group.table
        if not wide and {*table.values} != {*tables[0].values}:
            raise DataError(
                f"{table.name} has the columns {', '.join(sorted(table.values))}, {tables[0].name} "
                f"has {', '.join(sorted(tables[0].values))}: name those to be read by values="
            )
        for item in table.values if wide else group.items:
            if item in places:
                raise DataError(
                    f"item {item!r} stands in {places[item]} and in {table.name}: put its rows "
                    "into one file, or give it two names"
                )
            places[item] = table.name


def _panel(group: Group, stamps: Shaped[np.ndarray, " rows"], grid: Grid, kind: np.dtype) -> Panel:
    """The series of one table, of a wide one as the channels of a single series."""
    layout = group.layout
    index = steps_of(group, stamps, grid)
    start = index[group.first[:-1]]
    last = group.first[1:] - 1
    known_first = bounds_of(index[last] - start + 1)
    items = np.repeat(np.arange(len(group.items)), np.diff(group.first))
    known_to = known_first[items] + index - start[items]
    if layout.known and not layout.wide:
        last = _last_values(group, kind)
    first = bounds_of(index[last] - start + 1)
    is_past = np.arange(len(index)) <= last[items]
    to = (first[items] + index - start[items])[is_past]
    steps, masks, by_rows = int(first[-1]), layout.missing == "mask", grid.frequency.unit == "rows"
    values = _columns(
        group, group.table.values, kind, to, steps, is_past, may_miss=masks or layout.wide
    )
    _check_not_empty(group, values, first)
    return Panel(
        Schema(
            str(grid.frequency),
            grid.offset,
            grid.zone,
            group.table.values,
            layout.past,
            layout.known,
            layout.static,
        ),
        group.items,
        start,
        first,
        values,
        _columns(group, layout.past, kind, to, steps, is_past, may_miss=masks),
        _columns(group, layout.known, kind, known_to, int(known_first[-1])),
        known_first,
        _statics(group),
        tuple(group.place(item) for item in range(len(group.items))),
        stamps[is_past] if by_rows else None,
        stamps if by_rows else None,
    )


def _last_values(group: Group, kind: np.dtype) -> Int64[np.ndarray, " items"]:
    """The last row of each item that has a value; behind it are those of the future."""
    has_value = np.zeros(group.table.rows, bool)
    for name in group.table.values:
        has_value |= ~np.isnan(group.numbers(name, kind))
    last = np.maximum.reduceat(np.where(has_value, np.arange(len(has_value)), -1), group.first[:-1])
    if (empty := last < group.first[:-1]).any():
        _refuse_empty(group, int(np.argmax(empty)))
    return last


def _refuse_empty(group: Group, item: int) -> None:
    names = ", ".join(group.table.values)
    raise DataError(f"{group.place(item)} has no value in {names}: leave the item out")


def _check_not_empty(
    group: Group, values: Float[np.ndarray, "steps channels"], first: Int64[np.ndarray, " bounds"]
) -> None:
    if group.layout.missing == "error" or group.layout.wide:
        return
    for item, (begin, end) in enumerate(itertools.pairwise(first)):
        if np.isnan(values[begin:end]).all():
            _refuse_empty(group, item)


def _columns(
    group: Group,
    names: Sequence[str],
    kind: np.dtype,
    to: Int64[np.ndarray, " chosen"],
    steps: int,
    chosen: Bool[np.ndarray, " rows"] | None = None,
    *,
    may_miss: bool = False,
) -> Float[np.ndarray, "steps columns"]:
    """Columns side by side, [steps, columns], NaN where there is no row.

    Args:
        group: the rows.
        names: of the columns.
        kind: float32 or float64.
        to: the step that each of the chosen rows stands for.
        steps: how many there are.
        chosen: which rows are read; by default all.
        may_miss: whether a row may have no value.
    """
    found = np.empty((steps, len(names)), kind)
    is_complete = len(to) == steps
    if not is_complete:
        found[:] = np.nan
    for place, name in enumerate(names):
        column = group.numbers(name, kind)
        missing = np.isnan(column) if chosen is None else np.isnan(column) & chosen
        if not may_miss and missing.any():
            _refuse_missing(group, name, missing)
        column = column if chosen is None else column[chosen]
        found[slice(None) if is_complete else to, place] = column
    return found


def _refuse_missing(group: Group, name: str, missing: Bool[np.ndarray, " rows"]) -> None:
    row = int(np.argmax(missing))
    if name in group.layout.known:
        end = group.first[np.searchsorted(group.first, row, side="right")]
        what = "ends before the rows of its item do" if missing[row:end].all() else "has a gap"
        raise DataError(
            f"{group.where(row)}: the covariate {name!r}, known in advance, {what}: give it a "
            "value at every step"
        )
    what = "the past covariate" if name in group.layout.past else "column"
    raise DataError(
        f'{group.where(row)}: {what} {name!r} has no value: fill it in, or let missing="mask" '
        "leave out what is missing"
    )


def _statics(group: Group) -> tuple[tuple[float | str, ...], ...]:
    """Of each item its static covariates."""
    found: list[list[float | str]] = []
    for name in group.layout.static:
        encoded = group.table.column(name).dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy()
        codes = codes if group.order is None else codes[group.order]
        known = encoded.dictionary.to_pylist()
        empty = [code for code, value in enumerate(known) if value == "" or value != value]
        if (missing := np.isin(codes, [-1, *empty])).any():
            row = int(np.argmax(missing))
            raise DataError(
                f"{group.where(row)}: the static covariate {name!r} has no value: fill it in"
            )
        own = codes[group.first[:-1]]
        if (changed := codes != np.repeat(own, np.diff(group.first))).any():
            row = int(np.argmax(changed))
            raise DataError(
                f"{group.where(row)}: the static covariate {name!r} changes to "
                f"{known[codes[row]]!r}: give the item one value, or name the column in past= or "
                "known="
            )
        values = [known[code] for code in own]
        found.append([value if isinstance(value, str) else float(value) for value in values])
    return tuple(zip(*found, strict=True)) if found else ((),) * len(group.items)


def _apart(panel: Panel, group: Group) -> Panel:
    """The channels of a series as items of one channel, each from its first to its last value."""
    names, steps = group.table.values, len(panel.values)
    has_value = ~np.isnan(panel.values)
    if not (has_any := has_value.any(axis=0)).all():
        name = names[int(np.argmin(has_any))]
        raise DataError(f"{group.table.name}: column {name!r} has no value: leave it out")
    begin = has_value.argmax(axis=0)
    end = steps - has_value[::-1].argmax(axis=0)
    pieces = [slice(*pair) for pair in zip(begin.tolist(), end.tolist(), strict=True)]
    for name, has, piece in zip(names, has_value.T, pieces, strict=True):
        # Without gaps steps are rows.
        if group.layout.missing == "error" and not has[piece].all():
            inside = np.zeros(steps, bool)
            inside[piece] = True
            _refuse_missing(group, name, inside & ~has)
    channels = zip(panel.values.T, pieces, strict=True)
    behind = [slice(piece.start, None) for piece in pieces]
    labels, known_labels = panel.labels, panel.known_labels
    return Panel(
        dataclasses.replace(panel.schema, values=("value",)),
        names,
        panel.start + begin,
        bounds_of(end - begin),
        np.concatenate([channel[piece] for channel, piece in channels])[:, None],
        np.concatenate([panel.past[piece] for piece in pieces]),
        np.concatenate([panel.known[piece] for piece in behind]),
        bounds_of(len(panel.known) - begin),
        ((),) * len(names),
        tuple(f"{group.table.name}, item {name!r}" for name in names),
        None if labels is None else np.concatenate([labels[piece] for piece in pieces]),
        None if known_labels is None else np.concatenate([known_labels[one] for one in behind]),
    )
