"""How values are scaled, learned from the training part alone."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from lstm_jax.errors import DataError

Kind = Literal["none", "standard", "robust", "min_max", "mean_absolute"]
Per = Literal["channel", "item", "all"]
Array = Float[np.ndarray, "groups channels"]


def _standard(values: np.ndarray) -> tuple[float, float]:
    return values.mean(), values.std()


def _robust(values: np.ndarray) -> tuple[float, float]:
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return middle, high - low


def _min_max(values: np.ndarray) -> tuple[float, float]:
    return values.min(), np.ptp(values)


def _mean_absolute(values: np.ndarray) -> tuple[float, float]:
    return 0.0, np.abs(values).mean()


_KINDS: dict[str, Callable[[np.ndarray], tuple[float, float]]] = {
    "standard": _standard,
    "robust": _robust,
    "min_max": _min_max,
    "mean_absolute": _mean_absolute,
}


@dataclasses.dataclass(frozen=True)
class Scaling:
    """`scaled = (value - center) / scale`, of the value or of its logarithm.

    standard       the mean, and the standard deviation
    robust         the median, and the distance between the quartiles
    min_max        the least value, and the range: training values lie in [0, 1]
    mean_absolute  0, and the mean absolute value (Salinas et al. 2020, section 3.3)
    none           0 and 1

    Where all values are equal the scale is 1. What is learned from the window itself is a matter of
    the model: `Forecasting.normalization`.

    >>> center, scale = Scaling("min_max").fit([np.array([[1.0], [3.0]]), np.array([[5.0]])])
    >>> center.tolist(), scale.tolist()
    ([[1.0]], [[4.0]])
    """

    kind: Kind = "standard"
    per: Per = "channel"
    """Whether each channel has a scaling over all items, each item and channel has its own, or all
    values have one."""
    log: bool = False
    """Whether logarithms of values are scaled, which must be positive then."""

    def fit(self, parts: Sequence[Float[np.ndarray, "_ channels"]]) -> tuple[Array, Array]:
        """Center and scale, float64 [groups, channels]: a group, or one for each item.

        Args:
            parts: the training values of each item; NaN where there is none.
        """
        channels = parts[0].shape[1]
        groups = [[part] for part in parts] if self.per == "item" else [parts]
        center, scale = np.zeros((len(groups), channels)), np.ones((len(groups), channels))
        if self.kind == "none":
            return center, scale
        for place, group in enumerate(groups):
            if self.per == "all":
                center[place], scale[place] = self._of([part.reshape(-1) for part in group])
                continue
            for channel in range(channels):  # one at a time: a copy of all would be another table
                found = self._of([part[:, channel] for part in group])
                center[place, channel], scale[place, channel] = found
        return center, scale

    def _of(self, parts: Sequence[Float[np.ndarray, " _"]]) -> tuple[float, float]:
        values = np.concatenate(parts).astype(np.float64, copy=False)
        values = values[np.isfinite(values)]
        if not len(values):
            return 0.0, 1.0
        center, scale = _KINDS[self.kind](self.transformed(values))
        # What is left of a constant by rounding is no deviation.
        return float(center), float(scale) if scale > 1e-12 * max(abs(center), 1e-300) else 1.0

    def transformed(self, values: np.ndarray) -> np.ndarray:
        """Values, or their logarithms; NaN stays."""
        return np.log(values) if self.log else values

    def check(self, values: Float[np.ndarray, "steps channels"], place: str) -> None:
        """Makes sure that values have logarithms where these are scaled.

        Raises:
            DataError: one is not positive; names the first.
        """
        if not self.log:
            return
        with np.errstate(invalid="ignore"):
            wrong = np.argwhere(values <= 0)
        if len(wrong):
            step, channel = wrong[0]
            raise DataError(
                f"{place}: step {step} is {values[step, channel]:g}, and scaling.log needs positive"
                " values: set log=False"
            )


_BITS = 8
"""That must be left of float32's 24 for what a series varies by."""


def check_resolution(
    values: Float[np.ndarray, "steps channels"],
    center: Float[np.ndarray, " channels"],
    place: str,
) -> None:
    """Makes sure that float32 can tell the scaled values of a series apart.

    Where one scaling is of series whose values differ by many orders of magnitude, the smallest
    become one and the same number.

    Args:
        values: of a series, or their logarithms; NaN where there is none.
        center: of the scaling.
        place: where the series stands.

    Raises:
        DataError: it cannot.
    """
    for channel in range(values.shape[1]):
        known = values[:, channel].astype(np.float64, copy=False)
        known = known[np.isfinite(known)]
        if not len(known):
            continue
        deviation, size = known.std(), np.abs(known).max()
        farthest = np.abs(known - center[channel]).max()
        is_constant = deviation <= 1e-12 * size
        if not is_constant and deviation < farthest * 2.0 ** (_BITS - 24):
            raise DataError(
                f"{place}: values vary by {deviation:.3g} and lie {farthest:.3g} from the center "
                f"{center[channel]:.6g} of the scaling, so that float32 cannot tell them apart: set"
                " data.scaling.per=item and data.scaling.kind=standard"
            )


def naive_errors(
    parts: Sequence[Float[np.ndarray, "_ channels"]], season: int
) -> Float[np.ndarray, "items channels"]:
    """The mean absolute difference of values a season apart (Hyndman and Koehler 2006).

    What the errors of MASE are divided by: of the training part; 0 where it has no such pair.

    >>> naive_errors([np.array([[1.0], [3.0], [2.0]])], season=1)
    array([[1.5]])
    """
    found = np.zeros((len(parts), parts[0].shape[1]))
    for row, part in zip(found, parts, strict=True):
        for channel in range(part.shape[1]):
            values = part[:, channel].astype(np.float64, copy=False)
            differences = np.abs(values[season:] - values[:-season])
            differences = differences[np.isfinite(differences)]
            row[channel] = differences.mean() if len(differences) else 0.0
    return found
