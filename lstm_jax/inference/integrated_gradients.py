"""Integrated gradients: what each input contributes to an output, along a straight path."""

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

_MOST_POINTS = 1024
_log = logging.getLogger(__name__)


class Integrated(NamedTuple):
    """What a path adds up to."""

    contributions: Float[np.ndarray, "*inputs"]
    baseline: float
    """The output where the path begins."""
    output: float
    """The output where it ends."""


def integrate(
    at_points: Callable[[np.ndarray, np.ndarray], tuple[Any, Any]],
    rows: int,
    tolerance: float,
    what: str,
) -> Integrated:
    """The integral of the gradients along a path (Sundararajan, Taly and Yan 2017, equation 1).

    It is taken by Gauss-Legendre quadrature, with twice as many points until the sum is near enough
    to the change of the output, and otherwise warns.

    Args:
        at_points: of points [rows] of the path, from 0 to 1, and their weights, the weighted sum of
            the contributions and the outputs [rows].
        rows: points that are computed side by side.
        tolerance: how far the sum may be from the change, relative to it or, if larger, to 1.
        what: the output is called in a warning.
    """
    nothing = np.zeros(rows, np.float32)
    baseline, output = (float(at_points(nothing + end, nothing)[1][0]) for end in (0, 1))
    points, change = rows, output - baseline
    while True:
        nodes, weights = np.polynomial.legendre.leggauss(points)
        total: Any = 0.0
        for begin in range(0, points, rows):
            part = slice(begin, begin + rows)
            at, weight = (nodes[part] + 1) / 2, weights[part] / 2
            given = at.astype(np.float32), weight.astype(np.float32)
            total = total + np.asarray(at_points(*given)[0], np.float64)
        missed = abs(total.sum() - change)
        if missed <= tolerance * max(1.0, abs(change)):
            break
        points *= 2
        if points > _MOST_POINTS:
            _log.warning(
                "the integrated gradients miss the change of the %s by %.2g, which is more than "
                "the tolerance, with as many as %d points",
                what,
                missed,
                _MOST_POINTS,
            )
            break
    return Integrated(total, baseline, output)
