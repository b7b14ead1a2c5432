"""All windows of the parts of series, as batches."""

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, overload

import numpy as np
from jaxtyping import Float, Int

from lstm_jax.data.series.panel import Panel
from lstm_jax.data.series.preprocessor import SeriesPreprocessor
from lstm_jax.data.series.scaling import naive_errors
from lstm_jax.data.series.windows import SeriesBatch, Windows
from lstm_jax.data.sources import SPLITS, Split
from lstm_jax.errors import ConfigError, DataError
from lstm_jax.functional.naive import naive2_figures

T = TypeVar("T")


class Origins:
    """The windows of a split: all origins of all items, in that order, of which none is stored."""

    def __init__(self, first: np.ndarray, last: np.ndarray, stride: int):
        """`first` and `last` [items] are the origins of each item, both included."""
        self._first, self._stride = first, stride
        counts = np.where(last >= first, (last - first) // stride + 1, 0)
        self._ends = np.cumsum(counts)

    def __len__(self) -> int:
        return int(self._ends[-1])

    @property
    def items_without(self) -> int:
        """Items that have no window."""
        return int((np.diff(self._ends, prepend=0) == 0).sum())

    def at(self, places: Int[np.ndarray, " windows"]) -> tuple[np.ndarray, np.ndarray]:
        """Item and origin of windows by their numbers."""
        items = np.searchsorted(self._ends, places, side="right")
        within = places - np.where(items > 0, self._ends[items - 1], 0)
        return items, self._first[items] + within * self._stride


class SeriesBatches(Sequence[SeriesBatch]):
    """The batches of a pass over a split; each is made when it is asked for."""

    def __init__(self, dataset: "SeriesDataset", split: Split, size: int):
        self._dataset, self._size = dataset, size
        self._split: Split = split
        self._count = len(dataset.origins(split))

    def __len__(self) -> int:
        return -(-self._count // self._size)

    @overload
    def __getitem__(self, index: int) -> SeriesBatch: ...
    @overload
    def __getitem__(self, index: slice) -> list[SeriesBatch]: ...
    def __getitem__(self, index: int | slice) -> SeriesBatch | list[SeriesBatch]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        begin = index % len(self) * self._size
        places = np.arange(begin, min(begin + self._size, self._count))
        return self._dataset.windows_at(self._split, places, self._size)


class SeriesDataset:
    """Windows of series; satisfies `Dataset`. Every window is seen once in an epoch."""

    items = "windows"

    def __init__(
        self,
        panel: Panel,
        preprocessor: SeriesPreprocessor,
        bounds: Int[np.ndarray, "items 3"],
        *,
        batch_size: int,
        stride: int,
        evaluation_stride: int,
        shortest_context: int,
        with_reference: bool,
        seed: int,
    ):
        self.panel, self.preprocessor, self.bounds = panel, preprocessor, bounds
        self.batch_size, self.items_per_batch = batch_size, batch_size
        self._strides = {
            "train": stride,
            "validation": evaluation_stride,
            "test": evaluation_stride,
        }
        self._shortest, self._with_reference, self._seed = shortest_context, with_reference, seed
        self._windows = Windows(panel, preprocessor)
        self._epoch: tuple[int, np.ndarray] = (-1, np.array([], int))
        self._figures: dict[tuple[int, int], tuple[float, float]] = {}

    @property
    def steps_per_epoch(self) -> int:
        """The number of training batches in one pass over the training windows."""
        return -(-len(self.origins("train")) // self.batch_size)

    @property
    def digest(self) -> str:
        """SHA-256 of all values up to the end of validation, and of how they are cut."""
        hashed = hashlib.sha256()
        hashed.update(repr((self.panel.schema, self._strides, self._shortest)).encode())
        hashed.update(np.ascontiguousarray(self.bounds[:, :2]).tobytes())
        for item, (name, bound) in enumerate(zip(self.panel.items, self.bounds, strict=True)):
            hashed.update(name.encode())
            first, known = self.panel.first[item], self.panel.known_first[item]
            hashed.update(self.panel.start[item].tobytes())
            for array, begin in (
                (self.panel.values, first),
                (self.panel.past, first),
                (self.panel.known, known),
            ):
                hashed.update(np.ascontiguousarray(array[begin : begin + bound[1]]).data)
        return hashed.hexdigest()

    def describe(self, split: Split = "train") -> str:
        """How many windows of how many series a split has, in one line."""
        origins, pre = self.origins(split), self.preprocessor
        items = len(self.panel.items)
        line = (
            f"{split}: {len(origins):,} windows of {items - origins.items_without:,} series of "
            f"{pre.channels} channel{'s' * (pre.channels > 1)}, {pre.context} steps to "
            f"{pre.horizon}"
        )
        if origins.items_without:
            line += f"; left out: {origins.items_without:,} series too short for a window"
        return line

    def facts(self, split: Split) -> Mapping[str, int | float]:
        """How many series have no window, if some have none."""
        without = self.origins(split).items_without
        return {"series_left_out": without} if without else {}

    def batch(self, index: int) -> SeriesBatch:
        """Training batch number `index`."""
        if index < 0:
            raise IndexError(f"training batches are numbered from 0, got {index}")
        epoch, number = divmod(index, self.steps_per_epoch)
        if self._epoch[0] != epoch:
            random = np.random.default_rng((self._seed, epoch))
            self._epoch = epoch, random.permutation(len(self.origins("train")))
        begin = number * self.batch_size
        places = self._epoch[1][begin : begin + self.batch_size]
        return self.windows_at("train", places, self.batch_size)

    def evaluation(self, split: Split, batch_size: int | None = None) -> SeriesBatches:
        """The batches of a pass over `split`; each is made when it is asked for."""
        size = self.batch_size if batch_size is None else batch_size
        if not isinstance(size, int) or size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {size!r}")
        return SeriesBatches(self, split, size)

    def windows_at(self, split: Split, places: np.ndarray, rows: int) -> SeriesBatch:
        """Windows of a split by their numbers, in a batch of so many rows."""
        wanted = self._with_reference and split != "train"
        items, origins = self.origins(split).at(places)
        return self._windows.batch(
            items,
            origins,
            places,
            rows,
            self._naive_errors[split],
            functools.partial(self._reference, split) if wanted else None,
        )

    def origins(self, split: Split) -> Origins:
        """Where the windows of a split begin to forecast.

        Raises:
            DataError: there is no such split, or it has no window.
        """
        if split not in SPLITS:
            raise DataError(f"there is no split {split!r}; the splits are {', '.join(SPLITS)}")
        return self._origins[split]

    @functools.cached_property
    def _origins(self) -> "_BySplit[Origins]":
        return _BySplit(self._between)

    @functools.cached_property
    def _naive_errors(self) -> "_BySplit[np.ndarray]":
        """Of each item, in what lies before the windows of a split: MASE divides by them."""
        return _BySplit(self._naive_error)

    def _naive_error(self, split: Split) -> np.ndarray:
        before = self.bounds[:, 1 if split == "test" else 0]
        first = self.panel.first[:-1]
        parts = [self.panel.values[a : a + n] for a, n in zip(first, before, strict=True)]
        return naive_errors(parts, self.preprocessor.season)

    def _between(self, split: Split) -> Origins:
        """The origins whose horizon lies within a split, looking back as far as they like."""
        place = SPLITS.index(split)
        begin = self.bounds[:, place - 1] if place else np.zeros(len(self.bounds), int)
        first = np.maximum(begin, self._shortest)
        last = self.bounds[:, place] - self.preprocessor.horizon
        found = Origins(first, last, self._strides[split])
        if not len(found):
            longest = int((self.bounds[:, place] - begin).max())
            raise DataError(
                f"the {split} part has no window of {self.preprocessor.horizon} steps behind at "
                f"least {self._shortest}: it has {longest} steps of a series at most; change "
                "data.split, data.context or data.shortest_context"
            )
        return found

    def before(self, items: np.ndarray, origins: np.ndarray) -> SeriesBatch:
        """Windows of any origins, of which nothing is read that follows."""
        return self._windows.batch(items, origins, origins, len(items), with_targets=False)

    def scaling_at(
        self, items: np.ndarray, origins: np.ndarray
    ) -> tuple[Float[np.ndarray, "windows channels"], Float[np.ndarray, "windows channels"]]:
        """Center and scale of windows in float64: those of a batch are rounded."""
        return self._windows.scaling_at(items, origins)

    def scaled(
        self,
        values: Float[np.ndarray, "horizon windows channels"],
        items: np.ndarray,
        origins: np.ndarray,
    ) -> Float[np.ndarray, "horizon windows channels"]:
        """Values in the units of the data, scaled as those of the windows are."""
        center, scale = self.scaling_at(items, origins)
        return (self.preprocessor.scaling.transformed(values) - center) / scale

    def stride(self, split: Split) -> int:
        """Steps between the origins of a split."""
        return self._strides[split]

    def history(self, item: int, origin: int) -> np.ndarray:
        """All values of a series before an origin, [origin, channels]; a view."""
        begin = self.panel.first[item]
        return self.panel.values[begin : begin + origin]

    def future_of(self, item: int, origin: int) -> np.ndarray:
        """What follows an origin, [horizon, channels]; a view."""
        begin = self.panel.first[item] + origin
        return self.panel.values[begin : begin + self.preprocessor.horizon]

    def _reference(self, split: Split, item: int, origin: int) -> tuple[float, float]:
        if (item, origin) not in self._figures:
            self._figures[item, origin] = naive2_figures(
                self.history(item, origin),
                self.future_of(item, origin),
                self.preprocessor.season,
                self._naive_errors[split][item],
            )
        return self._figures[item, origin]


class _BySplit(dict[Split, T]):
    """What is found of a split when it is first asked for."""

    def __init__(self, find: Callable[[Split], T]):
        super().__init__()
        self._find = find

    def __missing__(self, split: Split) -> T:
        return self.setdefault(split, self._find(split))
