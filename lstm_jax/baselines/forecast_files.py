"""Forecasts that another program makes of the windows of a data set: what it reads and writes.

**The windows** are a Parquet file with a row for each channel of each series: `item`, `value` (the
channel), `history` (float64, NaN where there is no value, up to the last origin), `origins` (how
many steps lie before each forecast) and `windows` (what says which history a forecast was made
from). Its metadata have `horizon` and `season`, in steps. A forecast from an origin may read the
history before it alone.

**The forecasts** are a file of JSON objects, a line each:

    {"model": "auto_ets", "item": "W1", "value": "value", "origin": 2179, "window": "1f0c...",
     "forecast": [35.1, ...], "seconds": 0.4, "package": "statsforecast 2.1.1"}

with `failure`, too, where another method had to stand in. What is there of other windows does no
harm. `scripts/rivals.py` reads and writes these files.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from jaxtyping import Float

from lstm_jax.data.series.dataset import SeriesDataset
from lstm_jax.errors import DataError
from lstm_jax.files import replacing, storage_error

_AGAIN = "run `make rivals` again, which goes on where it was stopped"
_COLUMNS = "item", "value", "history", "origins", "windows"
Key = tuple[str, str, int]
"""Item, channel, origin."""


class Line(NamedTuple):
    """A line of the file."""

    number: int
    """From 1 on."""
    window: str
    forecast: Float[np.ndarray, " steps"]
    seconds: float
    package: str
    has_failed: bool


class Given(NamedTuple):
    """What a model says of windows, in the units of the data."""

    points: Mapping[tuple[int, int], Float[np.ndarray, "horizon channels"]]
    """By the number of the item and the origin."""
    facts: dict[str, Any]
    """`seconds` of computing, `package`, which made them, and where there are any `failures`, the
    forecasts that another method stood in for."""


def write_windows(
    path: Path, dataset: SeriesDataset, items: np.ndarray, origins: np.ndarray
) -> None:
    """Writes the windows that are to be forecast.

    Args:
        path: of the Parquet file; its folder is made.
        dataset: of the windows.
        items: [windows], the number of the series of each, ascending.
        origins: [windows], how many of its steps lie before the horizon, ascending in an item.

    Raises:
        StorageError: the disk is full or refuses to be written.
    """
    pre, rows = dataset.preprocessor, []
    for item, channel, steps in _series(dataset, items, origins):
        history = _history(dataset, item, channel, steps[-1])
        digests = _digests(history, steps, pre.horizon, pre.season)
        names = dataset.panel.items[item], pre.schema.values[channel]
        rows.append((*names, history, steps, digests))
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    facts = {"horizon": str(pre.horizon), "season": str(pre.season)}
    table = pa.table(columns, _COLUMNS, metadata=facts)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(path, error) from error
    with replacing(path) as file:
        pyarrow.parquet.write_table(table, file)


@dataclasses.dataclass(frozen=True, eq=False)
class ForecastFile:
    """The lines of a file of forecasts."""

    path: Path
    lines: Mapping[str, Mapping[Key, Mapping[str, Line]]]
    """By model, by item, channel and origin, and by `window`."""

    @classmethod
    def read(cls, path: Path) -> "ForecastFile":
        """Reads all lines.

        Raises:
            DataError: there are none, or one is malformed.
        """
        try:
            texts = path.read_bytes().splitlines()
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from None
        found: dict[str, dict[Key, dict[str, Line]]] = {}
        for number, text in enumerate(texts, 1):
            try:
                model, key, line = _parsed(number, json.loads(text))
            except (ValueError, LookupError, TypeError, OverflowError):
                raise DataError(
                    f"{path}, line {number}: no forecast as scripts/rivals.py writes them: {_AGAIN}"
                    ", or delete the line"
                ) from None
            found.setdefault(model, {}).setdefault(key, {})[line.window] = line
        if not found:
            raise DataError(f"{path} holds no forecasts: {_AGAIN}")
        return cls(path, found)

    @property
    def models(self) -> tuple[str, ...]:
        """Those that have forecasts."""
        return tuple(self.lines)

    def of(
        self, model: str, dataset: SeriesDataset, items: np.ndarray, origins: np.ndarray
    ) -> Given:
        """The forecasts of one of the models for windows of a data set.

        Args:
            model: its name.
            dataset: of the windows.
            items: see `write_windows`, as for `origins`.
            origins: of the windows.

        Raises:
            DataError: one is missing, has not as many finite steps as are wanted, or was not made
                from what lies before its origin in these data.
        """
        pre, panel, lines = dataset.preprocessor, dataset.panel, self.lines[model]
        self._check_items(lines, panel.items)
        points: dict[tuple[int, int], np.ndarray] = {}
        used, missing = list[Line](), list[Key]()
        for item, channel, steps in _series(dataset, items, origins):
            history = _history(dataset, item, channel, steps[-1])
            digests = _digests(history, steps, pre.horizon, pre.season)
            for origin, digest in zip(steps, digests, strict=True):
                key = panel.items[item], pre.schema.values[channel], origin
                if key not in lines:
                    missing.append(key)
                    continue
                line = self._checked(lines[key], digest, pre.horizon)
                point = points.setdefault((item, origin), np.zeros((pre.horizon, pre.channels)))
                point[:, channel] = line.forecast
                used.append(line)
        if missing:
            item, value, origin = missing[0]
            raise DataError(
                f"{self.path} lacks {len(missing):,} of the forecasts by {model}, such as that of "
                f"{value!r} of item {item!r} from step {origin} on: {_AGAIN}, or leave {model} out"
            )
        facts: dict[str, Any] = {"seconds": sum(line.seconds for line in used)}
        if failures := sum(line.has_failed for line in used):
            facts["failures"] = failures
        return Given(points, facts | {"package": used[0].package})

    def _checked(self, lines: Mapping[str, Line], digest: str, horizon: int) -> Line:
        """The line of a window among those of its item, channel and origin."""
        line = lines.get(digest, [*lines.values()][-1])
        said = len(line.forecast)
        if said != horizon:
            raise self._error(line, f"{said} steps where the horizon is {horizon}: {_AGAIN}")
        if line.window != digest:
            raise self._error(line, f"made from other values or for another season: {_AGAIN}")
        if not np.isfinite(line.forecast).all():
            raise self._error(line, f"not all steps are finite: delete the line, then {_AGAIN}")
        return line

    def _check_items(self, lines: Mapping[Key, Mapping[str, Line]], items: Sequence[str]) -> None:
        known = {*items}
        for (item, _, _), some in lines.items():
            if item not in known:
                line = next(iter(some.values()))
                raise self._error(line, f"no item {item!r} is in these data: give their own file")

    def _error(self, line: Line, what: str) -> DataError:
        return DataError(f"{self.path}, line {line.number}: {what}")


def _parsed(number: int, line: Any) -> tuple[str, Key, Line]:
    """The model, what it forecasts, and the forecast of a line; fails on any other."""
    texts = [line[name] for name in ("model", "item", "value", "window", "package")]
    if not all(isinstance(text, str) for text in texts) or type(line["origin"]) is not int:
        raise TypeError
    model, item, value, window, package = texts
    forecast = np.array(line["forecast"], np.float64).reshape(-1)
    made = Line(number, window, forecast, float(line["seconds"]), package, "failure" in line)
    return model, (item, value, line["origin"]), made


def _series(
    dataset: SeriesDataset, items: np.ndarray, origins: np.ndarray
) -> Iterator[tuple[int, int, list[int]]]:
    """Each channel of each item, and its origins."""
    for item in np.unique(items).tolist():
        steps = origins[items == item].tolist()
        for channel in range(dataset.preprocessor.channels):
            yield item, channel, steps


def _history(dataset: SeriesDataset, item: int, channel: int, origin: int) -> np.ndarray:
    history = dataset.history(item, origin)[:, channel]
    return np.ascontiguousarray(history, "<f8")


def _digests(history: np.ndarray, origins: list[int], horizon: int, season: int) -> list[str]:
    """Of each origin, of all that a forecast from there may depend on."""
    hashed, begin, found = hashlib.sha256(f"{horizon} {season}".encode()), 0, []
    for origin in origins:
        hashed.update(history[begin:origin].data)
        begin = origin
        found.append(hashed.hexdigest()[:16])
    return found
