"""Schedules: how the learning rate changes while a model trains.

A schedule multiplies the learning rate of `optimizers.Optimizer`. Every length is said in epochs or
in steps and none depends on how long the run is, so that a run may be prolonged.
"""

import abc
import dataclasses
import itertools
import math
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Float, Int

from lstm_jax.errors import ConfigError
from lstm_jax.types import Array

Unit = Literal["epochs", "steps"]
Step = int | Int[Array, ""]


@dataclasses.dataclass(frozen=True)
class Schedule(abc.ABC):
    """What multiplies the learning rate, as a function of the step."""

    @abc.abstractmethod
    def multiplier(self, step: Step, steps_per_epoch: int) -> Float[Array, ""]:
        """What the learning rate is multiplied by at `step`, counted from 0. Runs under `jit`."""


@dataclasses.dataclass(frozen=True)
class Constant(Schedule):
    """The learning rate as it is."""

    def multiplier(self, step: Step, steps_per_epoch: int) -> Float[Array, ""]:
        """One."""
        del step, steps_per_epoch
        return jnp.ones((), jnp.float32)


@dataclasses.dataclass(frozen=True)
class Decay(Schedule):
    """Exponential decay that starts after some time at the full rate.

    With `staircase` the learning rate is multiplied by `factor` at time `after` and again every
    `every` epochs (or steps): `factor ** max(floor((t - after) / every) + 1, 0)` at time t counted
    from 0. Zaremba, Sutskever and Vinyals, "Recurrent Neural Network Regularization" (2014), train
    4 epochs at the full rate and halve it at each epoch from the 5th on: the defaults.
    Without `staircase` it falls smoothly: `factor ** max((t - after) / every, 0)`.

    >>> [float(Decay(factor=0.5, after=4).multiplier(100 * t, 100)) for t in (0, 3, 4, 5)]
    [1.0, 1.0, 0.5, 0.25]
    """

    factor: float = 0.5
    after: int | float = 4
    every: int | float = 1
    unit: Unit = "epochs"
    staircase: bool = True

    def __post_init__(self):
        _require(self.factor > 0, "factor must be positive", self.factor)
        _require(self.after >= 0, "after must not be negative", self.after)
        _require(self.every > 0, "every must be positive", self.every)

    def multiplier(self, step: Step, steps_per_epoch: int) -> Float[Array, ""]:
        """`factor` to the power of how often it applies by now."""
        since = step - in_steps(self.after, self.unit, steps_per_epoch)
        every = in_steps(self.every, self.unit, steps_per_epoch)
        times = since // every + 1 if self.staircase else _fraction(since, every)
        times = jnp.maximum(jnp.asarray(times, jnp.float32), 0.0)
        return jnp.power(jnp.float32(self.factor), times)


@dataclasses.dataclass(frozen=True)
class WarmupCosine(Schedule):
    """Linear from 0 to 1 within `warmup`, then half a cosine down to `floor` at time `length`.

    `length` includes the warm-up; the learning rate stays at `floor` afterwards. The cosine is of
    Loshchilov and Hutter, "SGDR" (2017), without restarts.

    >>> schedule = WarmupCosine(warmup=10, length=110, unit="steps")
    >>> [round(float(schedule.multiplier(step, 1)), 3) for step in (0, 5, 10, 60, 110, 500)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.0]
    """

    warmup: int | float
    length: int | float
    floor: float = 0.0
    unit: Unit = "epochs"

    def __post_init__(self):
        _require(self.warmup >= 0, "warmup must not be negative", self.warmup)
        _require(self.length > self.warmup, "length must be longer than warmup", self.length)
        _require(0 <= self.floor <= 1, "floor must lie between 0 and 1", self.floor)

    def multiplier(self, step: Step, steps_per_epoch: int) -> Float[Array, ""]:
        """The rising line or the falling cosine."""
        warmup = in_steps(self.warmup, self.unit, steps_per_epoch)
        # Lengths too short to be a step apart still leave a cosine to divide by.
        cosine = max(in_steps(self.length, self.unit, steps_per_epoch) - warmup, 1)
        done = jnp.clip(_fraction(step - warmup, cosine), 0.0, 1.0)
        falling = self.floor + (1.0 - self.floor) * 0.5 * (1.0 + jnp.cos(math.pi * done))
        rising = _fraction(step, max(warmup, 1))
        return jnp.where(jnp.asarray(step) < warmup, rising, falling)


@dataclasses.dataclass(frozen=True)
class SlantedTriangular(Schedule):
    """A short linear rise to 1, then a long linear fall to `1 / ratio` at time `length`.

    With T and t the length and the time in steps, counted from 0, and the peak at
    `peak = floor(T * cut)`:

        p = t / peak if t < peak else 1 - (t - peak) / (T - peak)
        multiplier = (1 + p * (ratio - 1)) / ratio

    The learning rate starts at `1 / ratio` of its highest and stays there after `length`.

    Source: Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification" (2018),
    equation 3, whose `cut * (1 / cut_frac - 1)` is T - peak unless T * cut had to be rounded.

    >>> schedule = SlantedTriangular(length=100, unit="steps")
    >>> [round(float(schedule.multiplier(step, 1)), 3) for step in (0, 5, 10, 55, 100, 500)]
    [0.031, 0.516, 1.0, 0.516, 0.031, 0.031]
    """

    length: int | float
    cut: int | float = 0.1
    """The share of the time in which the learning rate rises."""
    ratio: int | float = 32
    """How often the lowest learning rate goes into the highest."""
    unit: Unit = "epochs"

    def __post_init__(self):
        _require(self.length > 0, "length must be positive", self.length)
        _require(0 <= self.cut < 1, "cut must be at least 0 and below 1", self.cut)
        _require(1 <= self.ratio < math.inf, "ratio must be at least 1 and finite", self.ratio)

    def multiplier(self, step: Step, steps_per_epoch: int) -> Float[Array, ""]:
        """The rising line or the falling one."""
        length = in_steps(self.length, self.unit, steps_per_epoch)
        peak = math.floor(length * self.cut)
        rising = _fraction(step, max(peak, 1))
        # A length that rounds to no step at all still leaves a line to divide by.
        falling = 1.0 - _fraction(step - peak, max(length - peak, 1))
        height = jnp.maximum(jnp.where(jnp.asarray(step) < peak, rising, falling), 0.0)
        return (1.0 + height * (self.ratio - 1.0)) / self.ratio


@dataclasses.dataclass(frozen=True)
class Piecewise(Schedule):
    """`factors[i]` from `boundaries[i - 1]` until before `boundaries[i]`.

    >>> schedule = Piecewise(boundaries=(2, 3), factors=(1.0, 0.1, 0.5))
    >>> [round(float(schedule.multiplier(10 * epoch, 10)), 3) for epoch in (0, 1, 2, 3, 4)]
    [1.0, 1.0, 0.1, 0.5, 0.5]
    """

    boundaries: tuple[int | float, ...]
    factors: tuple[float, ...]
    unit: Unit = "epochs"

    def __post_init__(self):
        _require(
            len(self.factors) == len(self.boundaries) + 1,
            "there must be one factor more than boundaries",
            self.factors,
        )
        _require(
            all(early < late for early, late in itertools.pairwise((0, *self.boundaries))),
            "boundaries must be positive and rise",
            self.boundaries,
        )

    def multiplier(self, step: Step, steps_per_epoch: int) -> Float[Array, ""]:
        """The factor of the piece that `step` lies in."""
        starts = [in_steps(one, self.unit, steps_per_epoch) for one in self.boundaries]
        piece = sum((jnp.asarray(step) >= start).astype(jnp.int32) for start in starts)
        return jnp.asarray(self.factors, jnp.float32)[piece]


@dataclasses.dataclass(frozen=True)
class Plateau(Schedule):
    """The learning rate is multiplied by `factor` when validation stops improving.

    That happens after more than `patience` validations in a row without a new best. What multiplies
    the learning rate so far, and the count, belong to the state of training: see `next_scale`.

    >>> Plateau(factor=0.5).next_scale(1.0, 0), Plateau(factor=0.5, patience=1).next_scale(1.0, 0)
    ((0.5, 0), (1.0, 1))
    """

    factor: float = 0.5
    patience: int = 0

    def __post_init__(self):
        _require(0 < self.factor < 1, "factor must lie between 0 and 1", self.factor)
        _require(self.patience >= 0, "patience must not be negative", self.patience)

    def multiplier(self, step: Step, steps_per_epoch: int) -> Float[Array, ""]:
        """One: the step alone changes nothing."""
        del step, steps_per_epoch
        return jnp.ones((), jnp.float32)

    def next_scale(self, scale: float, bad_evaluations: int) -> tuple[float, int]:
        """The scale of the learning rate and the count after a validation without improvement.

        After one that improves, the scale stays and the count is 0.
        """
        if bad_evaluations < self.patience:
            return scale, bad_evaluations + 1
        return scale * self.factor, 0


def in_steps(time: int | float, unit: Unit, steps_per_epoch: int) -> int:
    """A time in whole steps, so that boundaries are exact; at most what int32 holds."""
    return min(round(time * steps_per_epoch if unit == "epochs" else time), 2**31 - 1)


def _fraction(steps: Step, length: int) -> Float[Array, ""]:
    return jnp.asarray(steps, jnp.float32) / length


def _require(holds: bool, rule: str, value: object) -> None:
    if not holds:
        raise ConfigError(f"{rule}, not {value!r}")
