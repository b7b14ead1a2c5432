"""The step that each row of a table stands for, once stamps rise and none is missing."""

import numpy as np
from jaxtyping import Int64, Shaped

from lstm_jax.data.series.frequency import Frequency
from lstm_jax.data.series.grouping import Grid, Group
from lstm_jax.errors import DataError

_DAY = 24 * 3600 * 10**6
_ROOM = 1_000_000
_SPARSEST = 100
"""Steps for each row, beyond which a stamp is more likely to be wrong than rows to be missing."""


def steps_of(
    group: Group, stamps: Shaped[np.ndarray, " rows"], grid: Grid
) -> Int64[np.ndarray, " rows"]:
    """The index on the grid of each row.

    Args:
        group: the rows.
        stamps: of the rows, as the grid counts them.
        grid: where steps stand.

    Raises:
        DataError: within an item stamps do not rise, or one is off the grid; or one is missing, and
            the layout does not allow for it. Names the row.
    """
    _check_order(group, stamps, grid)
    if grid.frequency.unit == "rows":
        return np.arange(len(stamps)) - np.repeat(group.first[:-1], np.diff(group.first))
    index, off = grid.frequency.indices(stamps, grid.offset)
    if off.any():
        row = int(np.argmax(off))
        _check_frequency(group, stamps, grid, row)
        stamp = grid.texts(stamps[row : row + 1])[0]
        like = grid.texts(grid.frequency.times(index[row] + np.arange(2), grid.offset))
        local = "" if grid.zone != "UTC" else "; name the zone of local dates by zone="
        raise DataError(
            f"{group.where(row)}: {stamp} is off the grid of {str(grid.frequency)!r}, which has "
            f"{like[0]} and {like[1]}: mend the stamp, or give another frequency; "
            f"'rows' takes any that rise{local}"
        )
    _check_gaps(group, stamps, index, grid)
    return index


def _within(group: Group, rows: int) -> np.ndarray:
    """Which rows but the first have the one of the same item before them."""
    within = np.ones(max(rows - 1, 0), bool)
    within[group.first[1:-1] - 1] = False
    return within


def _check_order(group: Group, stamps: np.ndarray, grid: Grid) -> None:
    steps = np.diff(stamps.astype(np.int64))
    wrong = (steps <= 0) & _within(group, len(stamps))
    if not wrong.any():
        return
    row = int(np.argmax(wrong)) + 1
    before, stamp = grid.texts(stamps[row - 1 : row + 1])
    hint = ""
    if group.layout.item is None:
        hint = ", or name the column that tells series apart by item="
    is_timed = stamps.dtype.kind == "M" and (stamps[row - 1 : row + 1].astype(int) % _DAY).any()
    if grid.zone is None and is_timed and steps[row - 1] > -_DAY / 12:
        hint += "; where clocks were set back, name their zone, as zone='Europe/Berlin'"
    if steps[row - 1] == 0:
        raise DataError(
            f"{group.where(row)}: {stamp} stands there a second time: keep one row of each "
            f"stamp{hint}"
        )
    raise DataError(
        f"{group.where(row)}: {stamp} stands behind {before}: sort the rows of each item by "
        f"{group.layout.time!r}{hint}"
    )


def _check_frequency(group: Group, stamps: np.ndarray, grid: Grid, row: int) -> None:
    """Raises DataError where another frequency was declared than most stamps have."""
    found = Frequency.infer(stamps, group.first)
    if grid.inferred or found is None or found == grid.frequency:
        return
    if {found.unit, grid.frequency.unit} == {"B", "D"}:
        return
    raise DataError(
        f"{group.where(row)}: most stamps are {str(found)!r} apart, not {str(grid.frequency)!r}: "
        f"frequency={str(found)!r} would fit them"
    )


def _check_gaps(group: Group, stamps: np.ndarray, index: np.ndarray, grid: Grid) -> None:
    steps = np.where(_within(group, len(stamps)), np.diff(index), 1)
    missing = int((steps - 1).sum())
    if not missing:
        return
    is_allowed = group.layout.missing == "mask"
    row = int(np.argmax(steps > 1))
    before = grid.texts(stamps[row : row + 1])[0]
    first = grid.texts(grid.frequency.times(index[row : row + 1] + 1, grid.offset))[0]
    place = f"{group.where(row)}: after {before} the stamp {first} is missing, {missing:,} in all"
    if missing > _ROOM + _SPARSEST * len(stamps):
        row = int(np.argmax(steps)) + 1
        raise DataError(
            f"{place} beside {len(stamps):,} rows: the frequency {str(grid.frequency)!r} or a "
            f"stamp is wrong, as {grid.texts(stamps[row : row + 1])[0]} in {group.where(row)}"
        )
    if not is_allowed:
        _check_frequency(group, stamps, grid, row)
        hint = ""
        if grid.frequency.unit in ("D", "B") and not (_weekday(stamps) > 4).any():
            hint = "; frequency='B' has Monday to Friday alone, 'rows' any days of trading"
        raise DataError(
            f"{place}: add the rows, give another frequency than {str(grid.frequency)!r}, or let "
            f'missing="mask" make missing values of gaps{hint}'
        )
    if group.layout.known:
        raise DataError(
            f"{place}: covariates that are known in advance ({', '.join(group.layout.known)}) are "
            "needed at every step: add the rows, their values may be empty"
        )


def _weekday(stamps: np.ndarray) -> np.ndarray:
    return (stamps.astype("M8[D]").astype(np.int64) + 3) % 7
