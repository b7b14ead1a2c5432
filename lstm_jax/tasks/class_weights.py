"""What mistakes on each class cost."""

from collections.abc import Mapping

from lstm_jax.config.values import freeze, suggestion
from lstm_jax.errors import ConfigError

Weights = tuple[float, ...] | Mapping[str, float] | None
"""In the order of the classes, by their names, or all alike."""


def checked(weights: Weights) -> Weights:
    """Weights that can be a part of a config.

    Raises:
        ConfigError: one is not positive.
    """
    frozen = freeze(weights)
    values = frozen.values() if isinstance(frozen, Mapping) else frozen or ()
    if not all(0 < value < 1e9 for value in values):
        raise ConfigError(f"class_weights must be positive, not {frozen}")
    return frozen


def in_order_of(classes: tuple[str, ...], weights: Weights) -> tuple[float, ...] | None:
    """The weights of classes in the order of their ids.

    >>> in_order_of(("neg", "pos"), {"pos": 2.0, "neg": 1.0})
    (1.0, 2.0)

    Raises:
        ConfigError: there is not one for each class.
    """
    if weights is None:
        return None
    if isinstance(weights, Mapping):
        for name in weights:
            if name not in classes:
                raise ConfigError(f"class_weights: no class {name!r}{suggestion(name, classes)}")
        if missing := [name for name in classes if name not in weights]:
            raise ConfigError(f"class_weights: no weight for the class {missing[0]!r}")
        return tuple(weights[name] for name in classes)
    if len(weights) != len(classes):
        raise ConfigError(
            f"class_weights has {len(weights)} values for {len(classes)} classes: "
            f"{', '.join(classes)}"
        )
    return weights


def describe_weights(classes: tuple[str, ...], weights: Weights) -> list[str]:
    """Which class has which weight, in a line; nothing where all are alike.

    >>> describe_weights(("neg", "pos"), (1.0, 2.5))
    ['class weights: neg 1, pos 2.5']
    """
    if (ordered := in_order_of(classes, weights)) is None:
        return []
    pairs = zip(classes, ordered, strict=True)
    return ["class weights: " + ", ".join(f"{name} {weight:g}" for name, weight in pairs)]
