"""Groups of parameters that train at a learning rate of their own, or from a later step on.

A parameter's name is the dotted path to it in the nested dict: "stack.layers.0.recurrent_kernel".
A group is named by the beginning of such names, in whole parts: "stack.layers.1" does not hold
"stack.layers.10.bias".
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import jax
import optax

from lstm_jax.config.values import join, suggestion
from lstm_jax.errors import ConfigError
from lstm_jax.optimization.schedules import in_steps

_Make = Callable[[float, int], optax.GradientTransformation]


def by_group(
    optimizer: _Make,
    rates: Mapping[str, int | float],
    unfreeze: Mapping[str, int | float],
    steps_per_epoch: int,
    clipping: Sequence[optax.GradientTransformation],
) -> optax.GradientTransformationExtraArgs:
    """An optimizer of its own, with a state of its own, for parameters that are treated alike.

    Before a group's first step nothing of it changes, neither its parameters nor the state of its
    optimizer, and the clipping sees zeros for its gradients. A group at the rate 0 has no state.

    Args:
        optimizer: makes the optimizer of a group from its rate and its first step.
        rates: what multiplies the learning rate of a group; 1 where nothing is said.
        unfreeze: when a group starts to train, in epochs; at once where nothing is said.
        steps_per_epoch: training batches in an epoch.
        clipping: what the gradients of all groups go through together, first.

    Raises:
        ConfigError: from `init`: a group holds no parameter.
    """
    starts = {name: in_steps(time, "epochs", steps_per_epoch) for name, time in unfreeze.items()}

    def transformation(params: optax.Params) -> optax.GradientTransformationExtraArgs:
        paths = [path for path, _ in jax.tree.leaves_with_path(params)]
        names = [jax.tree_util.keystr(path, simple=True, separator=".") for path in paths]
        _check(rates, names, "rates")
        _check(unfreeze, names, "unfreeze")
        kinds = [(float(_find(rates, name, 1)), int(_find(starts, name, 0))) for name in names]
        labels = jax.tree.unflatten(jax.tree.structure(params), [str(kind) for kind in kinds])
        groups = {str(kind): kind for kind in kinds}

        def by_label(make: _Make) -> optax.GradientTransformation:
            made: dict[Hashable, optax.GradientTransformation] = {
                label: _in_time(make, *kind) for label, kind in groups.items()
            }
            return optax.partition(made, labels)

        freezing = [by_label(lambda rate, start: optax.identity())] if clipping else []
        return optax.chain(*freezing, *clipping, by_label(optimizer))

    def init(params: optax.Params) -> optax.OptState:
        return transformation(params).init(params)

    def update(
        updates: optax.Updates,
        state: optax.OptState,
        params: optax.Params | None = None,
        **extra: Any,
    ) -> tuple[optax.Updates, optax.OptState]:
        return transformation(updates).update(updates, state, params, **extra)

    return optax.GradientTransformationExtraArgs(init, update)


def _in_time(make: _Make, rate: float, start: int) -> optax.GradientTransformation:
    """What `make` makes for a group; before its first step, and at the rate 0, no updates."""

    def started(step: Any, **extra: Any) -> Any:
        del extra
        return step >= start

    if rate == 0:
        return optax.set_to_zero()
    inner = make(rate, start)
    # It counts the steps of the run; what is inside counts those that it takes part in.
    return optax.conditionally_mask(inner, started) if start else inner


def _find(values: Mapping[str, Any], name: str, default: int) -> Any:
    """The value of the longest prefix that holds the parameter."""
    prefixes = [prefix for prefix in values if _holds(prefix, name)]
    return values[max(prefixes, key=len)] if prefixes else default


def _holds(prefix: str, name: str) -> bool:
    return f"{name}.".startswith(f"{prefix}.")


def _check(prefixes: Iterable[str], names: Sequence[str], field: str) -> None:
    """Raises ConfigError unless every prefix holds a parameter."""
    for prefix in prefixes:
        if not any(_holds(prefix, name) for name in names):
            top = ", ".join(sorted({name.partition(".")[0] for name in names}))
            reason = f"{_astray(prefix, names)} (at the top: {top})"
            raise ConfigError(f"{field}: {prefix!r} holds no parameter, for {reason}")


def _astray(prefix: str, names: Sequence[str], parent: str = "") -> str:
    """Where a prefix that holds none of the names below `parent` leaves them.

    >>> _astray("stack.layer.0", ["head.bias", "stack.layers.0.bias", "stack.layers.1.bias"])
    "'stack' has no 'layer'; did you mean 'layers'?"
    """
    part, _, rest = prefix.partition(".")
    here = {name.partition(".")[0] for name in names if name}
    if part not in here:
        return f"{repr(parent) if parent else 'the model'} has no {part!r}{suggestion(part, here)}"
    below = [name.partition(".")[2] for name in names if _holds(part, name)]
    return _astray(rest, below, join(parent, part))
