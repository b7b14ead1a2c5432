"""Where training ends and validation and test begin."""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Int

from lstm_jax.errors import ConfigError, DataError

Part = int | float | str


@dataclasses.dataclass(frozen=True)
class TimeSplit:
    """Parts of each series by time: first training, then validation, last test.

    Targets lie within their part; what a window looks back on may lie before it, never behind. Each
    part is a number of steps, a share of the series (below 1), or the date at which it begins.

    >>> TimeSplit(validation=2, test=0.2).bounds(np.array([10]), no_dates)
    array([[ 6,  8, 10]])

    Raises:
        ConfigError: a number that is neither; a share of 1 or more.
    """

    validation: Part = 0.1
    test: Part = 0.1
    end: int | str | None = None
    """Steps of each series that are used at all, or the date at which that ends; all of them."""

    def __post_init__(self):
        for name in ("validation", "test"):
            part = getattr(self, name)
            if isinstance(part, bool):
                raise ConfigError(f"{name} is a share, a number of steps, or a date: {part}")
            if isinstance(part, float) and not 0 <= part < 1:
                raise ConfigError(
                    f"{name} is a share below 1, a number of steps, or a date: {part}"
                )
            if isinstance(part, int) and part < 0:
                raise ConfigError(f"{name} must not be negative: {part}")
        if isinstance(self.end, int) and self.end < 1:
            raise ConfigError(f"end must be at least one step: {self.end}")

    def bounds(
        self,
        lengths: Int[np.ndarray, " items"],
        steps_until: Callable[[str], Int[np.ndarray, " items"]],
    ) -> Int[np.ndarray, "items 3"]:
        """How many steps of each series lie before the end of training, validation, test.

        Args:
            lengths: steps of each series.
            steps_until: of a date, how many steps of each series lie before it.

        Raises:
            DataError: no series has anything to train on.
        """
        end = lengths
        if isinstance(self.end, str):
            end = np.clip(steps_until(self.end), 0, lengths)
        elif self.end is not None:
            end = np.minimum(lengths, self.end)
        middle = self._begin("test", end, end, steps_until)
        first = self._begin("validation", middle, end, steps_until)
        if not (first > 0).any():
            raise DataError(
                f"nothing is left to train on before validation={self.validation!r} and "
                f"test={self.test!r} of series of at most {int(end.max(initial=0))} steps"
            )
        return np.stack([first, middle, end], axis=1)

    def _begin(
        self,
        name: str,
        until: Int[np.ndarray, " items"],
        end: Int[np.ndarray, " items"],
        steps_until: Callable[[str], Int[np.ndarray, " items"]],
    ) -> Int[np.ndarray, " items"]:
        part = getattr(self, name)
        if isinstance(part, str):
            return np.clip(steps_until(part), 0, until)
        steps = np.round(part * end).astype(int) if isinstance(part, float) else part
        return np.maximum(until - steps, 0)


def no_dates(date: str) -> Int[np.ndarray, " items"]:
    """For series whose steps have no dates.

    Raises:
        ConfigError: always.
    """
    raise ConfigError(f"these series have no dates: split them by steps or shares, not at {date!r}")
