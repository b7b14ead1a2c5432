"""A forecast head for variances and other positive values whose logarithms are scaled."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp

from lstm_jax.modules.heads import PointHead
from lstm_jax.types import Array

_LONGEST = 10.0
"""Logarithm of value over forecast from which on the cost goes on as a straight line."""


@dataclasses.dataclass(frozen=True)
class Qlike(PointHead):
    """The mean of values whose logarithms are scaled, by the quasi-likelihood of variances.

    The cost of a value y and its forecast f is

        y / f - log(y / f) - 1,    log(y / f) = scale (target - raw)

    Its expectation is least where f is the mean of y, although what is forecast is a logarithm; it
    is 0 for f = y, and in no unit. A forecast that is too low costs more than one that is as many
    times too high. The ranking of forecasts of a variance is the same where y is a noisy proxy
    whose mean is that variance.

    Where y is more than exp(10) times f the cost is continued by its tangent, so that no gradient
    overflows: 22,000 times is beyond what the method is for.

    `data.scaling.log` has to be set. The point is the logarithm of the mean, scaled, so that in the
    units of the data it is the mean.

    Source: Patton 2011, "Volatility forecast comparison using imperfect volatility proxies"
    (section 2).

    >>> head, target = Qlike(), jnp.log(jnp.array([1.0, 3.0]))
    >>> [round(float(cost), 3) for cost in head.cost(jnp.zeros((2, 1)), target, jnp.ones(2))]
    [0.0, 0.901]
    """

    power: ClassVar[int] = 0

    def _cost(self, raw: Array, target: Array, scale: Array) -> Array:
        ratio = scale * (target - raw[..., 0])
        inside = jnp.minimum(ratio, _LONGEST)
        slope = jnp.expm1(jnp.asarray(_LONGEST, raw.dtype))
        return jnp.expm1(inside) - inside + slope * jnp.maximum(ratio - _LONGEST, 0)
