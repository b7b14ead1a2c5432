"""All that a model of series must know of them: the columns, the horizon, the scaling."""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from lstm_jax.data.kinds import Features, Values
from lstm_jax.data.preprocessing import Encoded, Preprocessor
from lstm_jax.data.series.calendar import CalendarFeature
from lstm_jax.data.series.panel import Panel, Schema
from lstm_jax.data.series.scaling import Scaling, check_resolution
from lstm_jax.data.sources import Example
from lstm_jax.errors import ConfigError, DataError

Table = tuple[tuple[float, ...], ...]
Static = float | str


@dataclasses.dataclass(frozen=True)
class SeriesPreprocessor(Preprocessor):
    """What is given of windows, and what was learned of the training part of series."""

    schema: Schema
    """The columns, the frequency, the zone."""
    context: int
    """Steps that a model looks back on."""
    horizon: int
    """Steps that it forecasts."""
    season: int
    """Steps of a season: a day of hours has 24."""
    scaling: Scaling
    calendar: tuple[CalendarFeature, ...] = ()
    flags: bool = False
    """Whether a model reads at each step which values were observed."""
    padded: bool = False
    """Whether windows may begin before their series, and are filled up in front."""
    standardised: bool = False
    """Whether errors are divided by the deviation of training."""
    items: tuple[str, ...] = ()
    """Of the training part, in the order of what is learned of each."""
    center: Table = ()
    """[items or 1, channels]"""
    scale: Table = ()
    deviation: tuple[float, ...] = ()
    """Of each channel over all items, in the units of the data."""
    covariates: Table = ()
    """Center and scale of the past and the known covariates, [2, columns]."""
    training: str = ""
    """Digest of the values that all this was learned of."""
    statics: tuple[tuple[Static, ...], ...] = ()
    """For each static covariate its categories, or center and scale of a number."""

    @property
    def channels(self) -> int:
        """Values of a step."""
        return len(self.schema.values)

    @property
    def static_features(self) -> int:
        """Numbers that static covariates become."""
        return sum(1 if _is_number(one) else len(one) for one in self.statics)

    @property
    def future_features(self) -> int:
        """Numbers known of each step of the horizon."""
        return len(self.schema.known) + 2 * len(self.calendar) + self.static_features

    @property
    def past_features(self) -> int:
        """Numbers beside the values that a model reads of each step of the context."""
        return len(self.schema.past) + self.future_features

    @property
    def covariate_names(self) -> tuple[str, ...]:
        """What the numbers beside the values are called, in their order."""
        names = [*self.schema.past, *self.schema.known]
        names += [f"{one} {wave}" for one in self.calendar for wave in ("sine", "cosine")]
        for name, learned in zip(self.schema.static, self.statics, strict=True):
            names += [name] if _is_number(learned) else [f"{name}={one}" for one in learned]
        return tuple(names)

    @property
    def inputs(self) -> Features:
        """What a model reads at each step."""
        return Features(self.channels * (1 + self.flags) + self.past_features)

    @property
    def targets(self) -> Values:
        """What it forecasts at each step of the horizon."""
        return Values(self.channels)

    def encode(self, example: Example) -> Encoded:
        """The values of a series, scaled, float32 [time, channels]."""
        panel = example.inputs
        if not isinstance(panel, Panel):
            raise DataError(f"{example.place}: a series is needed, not {type(panel).__name__}")
        center, scale = self.scaling_of(panel)
        values = self.scaling.transformed(panel.values)
        return Encoded(((values - center[0]) / scale[0]).astype(np.float32))

    def encode_target(self, example: Example) -> Any:
        """Raises DataError: what is to be forecast depends on the window."""
        raise DataError(f"{example.place}: the target of a series depends on the window")

    def numbers_of(self, items: Sequence[str]) -> np.ndarray:
        """The number of each item among those of training, int32; -1 for one never seen."""
        known = {name: number for number, name in enumerate(self.items)}
        return np.array([known.get(name, -1) for name in items], np.int32)

    def scaling_of(self, panel: Panel) -> tuple[np.ndarray, np.ndarray]:
        """Center and scale of each item of a panel, [items, channels].

        Where each item has its own scaling, an item never seen has 0 and 1 here: its scaling is of
        what lies before the origin of a window.
        """
        center, scale = np.array(self.center), np.array(self.scale)
        if self.scaling.per != "item":
            shape = len(panel.items), self.channels
            return np.broadcast_to(center, shape), np.broadcast_to(scale, shape)
        numbers = self.numbers_of(panel.items)
        center, scale = center[numbers], scale[numbers]
        is_new = numbers < 0
        center[is_new], scale[is_new] = 0.0, 1.0
        return center, scale

    def static_of(self, panel: Panel) -> np.ndarray:
        """Static covariates of each item as numbers, float32 [items, features].

        A category is 1 in its place; one that training did not have is nowhere.
        """
        found = np.zeros((len(panel.items), self.static_features), np.float32)
        for row, item in enumerate(panel.static):
            column = 0
            for value, learned in zip(item, self.statics, strict=True):
                if _is_number(learned):
                    center, scale = learned
                    if isinstance(value, str):
                        raise DataError(
                            f"{panel.places[row]}: a static covariate is {value!r}, and was a "
                            "number in training"
                        )
                    found[row, column] = (value - float(center)) / float(scale)
                    column += 1
                else:
                    if value in learned:
                        found[row, column + learned.index(value)] = 1
                    column += len(learned)
        return found

    def fitted(self, panel: Panel, train: np.ndarray) -> "SeriesPreprocessor":
        """The same with what the first `train` [items] steps of each series teach."""
        kept = np.flatnonzero(train > 0)
        parts = [panel.values[panel.first[i] : panel.first[i] + train[i]] for i in kept]
        for i, part in zip(kept, parts, strict=True):
            self.scaling.check(part, panel.places[i])
        for channel, name in enumerate(self.schema.values):
            if not any(np.isfinite(part[:, channel]).any() for part in parts):
                raise DataError(
                    f"{panel.places[kept[0]]}: the training part has no value of {name!r}: change "
                    "data.split, or leave the column out of source.values"
                )
        center, scale = self.scaling.fit(parts)
        for row, (i, part) in enumerate(zip(kept, parts, strict=True)):
            group = row if len(center) > 1 else 0
            values = self.scaling.transformed(part)
            check_resolution(values, center[group], panel.places[i])
        plain = Scaling("standard").fit(parts)[1]
        known = [panel.known[panel.known_first[i] : panel.known_first[i] + train[i]] for i in kept]
        past = [panel.past[panel.first[i] : panel.first[i] + train[i]] for i in kept]
        beside = [np.concatenate(pair, axis=1) for pair in zip(past, known, strict=True)]
        covariates = np.concatenate(Scaling("standard").fit(beside)) if beside[0].size else None
        return dataclasses.replace(
            self,
            items=tuple(panel.items[i] for i in kept),
            center=_table(center),
            scale=_table(scale),
            deviation=tuple(plain[0].tolist()),
            covariates=() if covariates is None else _table(covariates),
            training=training_digest(panel, train),
            statics=_statics(panel, kept),
        )

    def describe(self) -> str:
        """What is read and forecast, for people."""
        names = ", ".join(self.schema.values[:4]) + ", ..." * (self.channels > 4)
        return f"{self.context} steps of {names} to {self.horizon}"


def training_digest(panel: Panel, train: np.ndarray) -> str:
    """SHA-256 of the first `train` [items] steps of each series: where they stand, and values."""
    hashed = hashlib.sha256()
    for item in np.flatnonzero(train > 0):
        begin = panel.first[item]
        hashed.update(panel.items[item].encode() + panel.start[item].tobytes())
        hashed.update(np.ascontiguousarray(panel.values[begin : begin + train[item]]).data)
    return hashed.hexdigest()


def check_same_kind(given: Preprocessor, schema: Schema) -> SeriesPreprocessor:
    """What the parameters of another run have read, once it is of the same columns.

    Raises:
        ConfigError: it is of others.
    """
    if not isinstance(given, SeriesPreprocessor):
        raise ConfigError(f"task.pretrained: that run reads {given.describe()}, and not series")
    if dataclasses.replace(given.schema, offset=schema.offset) != schema:
        raise ConfigError(
            f"task.pretrained: that run reads {given.schema}, and these data are {schema}"
        )
    return given


def _table(array: np.ndarray) -> Table:
    return tuple(tuple(row) for row in array.astype(np.float64).tolist())


def _is_number(learned: tuple[Static, ...]) -> bool:
    return not isinstance(learned[0], str)


def _statics(panel: Panel, kept: np.ndarray) -> tuple[tuple[Static, ...], ...]:
    found: list[tuple[Static, ...]] = []
    for column in zip(*(panel.static[i] for i in kept), strict=True):
        if any(isinstance(value, str) for value in column):
            found.append(tuple(sorted({str(value) for value in column})))
        else:
            numbers = np.array(column, np.float64)
            deviation = float(numbers.std())
            found.append((float(numbers.mean()), deviation if deviation > 0 else 1.0))
    return tuple(found)
