"""Optimizers: any of optax by name and options, with clipping, weight decay and a schedule."""

import dataclasses
import functools
import inspect
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
import optax.contrib
from jaxtyping import Float

from lstm_jax.config.values import FrozenDict, suggestion
from lstm_jax.errors import ConfigError
from lstm_jax.optimization.parameter_groups import by_group
from lstm_jax.optimization.schedules import (
    Constant,
    Decay,
    Piecewise,
    Plateau,
    Schedule,
    SlantedTriangular,
    WarmupCosine,
)
from lstm_jax.types import Array

__all__ = [
    "Constant",
    "Decay",
    "Optimizer",
    "Piecewise",
    "Plateau",
    "Schedule",
    "SlantedTriangular",
    "WarmupCosine",
]

# These read the learning rate as one number; a schedule multiplies what they return instead.
_UNSCHEDULED = ("rprop", "sm3")


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """An optimizer of optax (or `optax.contrib`), what comes before it and what comes after.

    The gradient is clipped by its global norm, goes through the optimizer at the learning rate of
    the step, and weights decay.

    >>> zaremba = Optimizer("sgd", learning_rate=1.0, schedule=Decay(0.5, after=4), clip_norm=5.0)
    >>> zaremba.learning_rate_at(step=450, steps_per_epoch=100)
    0.5
    >>> transformation = zaremba.build(steps_per_epoch=100)

    `rates` and `unfreeze` treat groups of parameters differently, for fine-tuning a pretrained
    model. A group is named by the beginning of the dotted names of its parameters in their nested
    dict: "stack.layers.0" holds "stack.layers.0.recurrent_kernel". Of several that hold a parameter
    the longest counts. As names have dots, such a mapping is overridden as a whole.

    >>> tuned = Optimizer(rates={"embedding": 0.1}, unfreeze={"embedding": 2, "stack.layers.0": 1})

    Raises:
        ConfigError: no such optimizer or option, or a number outside its range.
    """

    name: str = "adam"
    """The function in optax: "sgd", "adam", "adamw", "rmsprop", "lion", ..."""
    learning_rate: float = 1e-3
    schedule: Schedule = dataclasses.field(default_factory=Constant)
    """Multiplies the learning rate."""
    clip_norm: float | None = None
    """Gradients of a larger global norm are scaled down to it (Pascanu et al. 2013)."""
    weight_decay: float | None = None
    """Goes to the optimizer where it has an option of that name, which says what it means there.
    To others decoupled weight decay is added (Loshchilov and Hutter 2019): each step subtracts
    `learning_rate * weight_decay * weight`. None leaves the optimizer's own default."""
    options: Mapping[str, Any] = FrozenDict()
    """Further keyword arguments of the optax function, such as `{"momentum": 0.9}` for "sgd"."""
    rates: Mapping[str, int | float] = FrozenDict()
    """By group: what multiplies its learning rate, and the decay of its weights with it. 1 where
    nothing is said; 0 never trains. With each layer at the rate of the one above divided by 2.6
    this is the discriminative fine-tuning of Howard and Ruder 2018 (equation 2)."""
    unfreeze: Mapping[str, int | float] = FrozenDict()
    """By group: the time in epochs at which it starts to train. Until then its parameters do not
    change, its gradients do not count for `clip_norm`, and its moments and their bias correction
    have not begun; the schedule is that of the whole run. With a layer more each epoch, from the
    last to the first, this is the gradual unfreezing of Howard and Ruder 2018 (section 3.3)."""

    def __post_init__(self):
        for name in ("options", "rates", "unfreeze"):
            object.__setattr__(self, name, FrozenDict(getattr(self, name)))
        functions = _functions()
        if self.name not in functions:
            raise ConfigError(
                f"optax has no optimizer {self.name!r}{suggestion(self.name, functions)}"
            )
        known = [option for option in _parameters(self.name) if not _is_field(option)]
        for option in self.options:
            if _is_field(option):
                raise ConfigError(f"options: {option} is set beside options, not in them")
            if option not in known:
                hint = suggestion(option, known)
                raise ConfigError(f"options: {self.name} has no option {option!r}{hint}")
        _require(0 <= self.learning_rate < math.inf, "learning_rate", self.learning_rate)
        if self.clip_norm is not None:
            _require(self.clip_norm > 0, "clip_norm", self.clip_norm)
        if self.weight_decay is not None:
            _require(0 <= self.weight_decay < math.inf, "weight_decay", self.weight_decay)
        for name in ("rates", "unfreeze"):
            for prefix, value in getattr(self, name).items():
                _require(0 <= value < math.inf, f"{name}: {prefix}", value)

    def build(
        self, steps_per_epoch: int, scale: float | Float[Array, ""] = 1.0
    ) -> optax.GradientTransformationExtraArgs:
        """The optax transformation: `init(params)` and `update(gradients, state, params)`.

        A pure function of its arguments, whose state holds plain arrays only. `scale` multiplies
        the learning rate (see `Plateau`) and may be traced: build inside the jitted step.

        Raises:
            ConfigError: the optimizer needs more than gradients and parameters in an update (a line
                search, the loss), or refuses its options; `init` says that a group of `rates` or
                `unfreeze` holds no parameter.
            ValueError: `steps_per_epoch` is below 1.
        """
        if steps_per_epoch < 1:
            raise ValueError(f"an epoch has at least one step, not {steps_per_epoch}")
        _check(self)
        if not (self.rates or self.unfreeze):
            return self._ungrouped(steps_per_epoch, scale)

        def group(rate: float, start: int) -> optax.GradientTransformation:
            return optax.chain(*self._parts(steps_per_epoch, scale * rate, start))

        return _with_plain_state(
            by_group(group, self.rates, self.unfreeze, steps_per_epoch, self._clipping())
        )

    def learning_rate_at(self, step: int, steps_per_epoch: int, scale: float = 1.0) -> float:
        """The learning rate at a step, counted from 0, of parameters that `rates` does not name."""
        return self.learning_rate * scale * float(self.schedule.multiplier(step, steps_per_epoch))

    def _ungrouped(
        self, steps_per_epoch: int, scale: float | Float[Array, ""]
    ) -> optax.GradientTransformationExtraArgs:
        parts = [*self._clipping(), *self._parts(steps_per_epoch, scale)]
        return _with_plain_state(optax.chain(*parts))

    def _clipping(self) -> list[optax.GradientTransformation]:
        return [] if self.clip_norm is None else [optax.clip_by_global_norm(self.clip_norm)]

    def _parts(
        self, steps_per_epoch: int, scale: float | Float[Array, ""], start: int = 0
    ) -> list[optax.GradientTransformation]:
        """The optimizer and what follows it; optax counts its steps from `start` of the run."""

        def multiplier(step: Any) -> Float[Array, ""]:
            return scale * self.schedule.multiplier(step + start, steps_per_epoch)

        def rate(step: Any) -> Float[Array, ""]:
            return self.learning_rate * multiplier(step)

        parts = []
        function = _functions()[self.name]
        # `muon` has an `adam_weight_decay` too, for the parameters that it leaves to Adam.
        decays = [one for one in _parameters(self.name) if one.endswith("weight_decay")]
        keywords = dict(self.options)
        if self.weight_decay is not None:
            keywords |= dict.fromkeys(decays, self.weight_decay)
        if self.name in _UNSCHEDULED:
            parts.append(function(learning_rate=self.learning_rate, **keywords))
            parts.append(optax.scale_by_schedule(multiplier))
        else:
            parts.append(function(learning_rate=rate, **keywords))

        if self.weight_decay is not None and not decays:
            decay = self.weight_decay
            parts.append(optax.add_decayed_weights(lambda step: -decay * rate(step)))
        return parts


@functools.cache
def _functions() -> dict[str, Callable[..., Any]]:
    """Every optax function that makes an optimizer from a learning rate; the core goes first."""
    return {
        name: function
        for module in (optax.contrib, optax)
        for name, function in vars(module).items()
        if (inspect.isfunction(function) or isinstance(function, functools.partial))
        and not name.startswith(("_", "scale_by_"))
        and "learning_rate" in inspect.signature(function).parameters
    }


def _parameters(name: str) -> list[str]:
    return list(inspect.signature(_functions()[name]).parameters)


def _is_field(option: str) -> bool:
    return option in ("learning_rate", "weight_decay")


def _require(holds: bool, name: str, value: int | float) -> None:
    if not holds:
        raise ConfigError(f"{name}: {value!r} is out of range")


@functools.lru_cache
def _check(optimizer: Optimizer) -> None:
    """Traces an update on a small model, so that what optax refuses is said here, in one line.

    Optax warns of what it will soon refuse: an error too, for a run that is to be repeated later.
    """
    params = {
        "kernel": jax.ShapeDtypeStruct((4, 3), jnp.float32),
        "bias": jax.ShapeDtypeStruct((3,), jnp.float32),
    }

    def update(params: Any) -> Any:
        transformation = optimizer._ungrouped(1, 1.0)
        return transformation.update(params, transformation.init(params), params)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            updates, _ = jax.eval_shape(update, params)
        if jax.tree.map(jnp.shape, updates) != jax.tree.map(jnp.shape, params):
            raise ValueError("its update has not the shape of the parameters")
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise ConfigError(
            f"optimizer {optimizer.name!r} with options {dict(optimizer.options)} does not make an "
            f"update from gradients and parameters alone: {reason}"
        ) from error


def _with_plain_state(
    inner: optax.GradientTransformationExtraArgs,
) -> optax.GradientTransformationExtraArgs:
    """Keeps the state checkpointable and donatable.

    Random keys (`noisy_sgd`) are held as the integers they are made of. No array of the state is
    one of the parameters (as in `dog`), because a buffer can be donated to a step only once.
    Optax multiplies integer counts by floats, which strict dtype promotion would refuse.
    """
    standard_promotion = functools.partial(jax.numpy_dtype_promotion, "standard")

    def is_key(leaf: Any) -> bool:
        return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)

    def init(params: optax.Params) -> optax.OptState:
        with standard_promotion():
            state = inner.init(params)
        return jax.tree.map(
            lambda leaf: jax.random.key_data(leaf) if is_key(leaf) else jnp.copy(leaf), state
        )

    def update(
        updates: optax.Updates,
        state: optax.OptState,
        params: optax.Params | None = None,
        **extra: Any,
    ) -> tuple[optax.Updates, optax.OptState]:
        with standard_promotion():
            template = jax.eval_shape(inner.init, params)
            state = jax.tree.map(
                lambda leaf, like: jax.random.wrap_key_data(leaf) if is_key(like) else leaf,
                state,
                template,
            )
            updates, state = inner.update(updates, state, params, **extra)
        plain = jax.tree.map(
            lambda leaf: jax.random.key_data(leaf) if is_key(leaf) else leaf, state
        )
        return updates, plain

    return optax.GradientTransformationExtraArgs(init, update)
