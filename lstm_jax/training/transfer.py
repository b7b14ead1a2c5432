"""Starting a model from the parameters of another one, trained on another task."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.data.preprocessing import Preprocessor
from lstm_jax.errors import ConfigError
from lstm_jax.types import Params


class Origin(NamedTuple):
    """The run that a model starts from."""

    name: str
    """Its directory and step."""
    preprocessor: Preprocessor
    params: Params | None
    """None where they are not needed, because the model has been trained since."""


def adopt(params: Params, origin: Origin, own: Collection[str] = ()) -> dict[str, Any]:
    """Parameters of a new model, with those of the origin where both have the same part.

    >>> from lstm_jax.data import TextPreprocessor, Vocabulary
    >>> new = {"embedding": jnp.zeros(2), "stack": jnp.zeros(3), "head": jnp.zeros(1)}
    >>> old = {"embedding": jnp.ones(2), "stack": jnp.ones(3), "softmax": jnp.ones(9)}
    >>> preprocessor = TextPreprocessor(Vocabulary(("a", "<unk>"), "words"))
    >>> adopted = adopt(new, Origin("runs/lm", preprocessor, old))
    >>> adopted["stack"].tolist(), adopted["head"].tolist()
    ([1.0, 1.0, 1.0], [0.0])

    Args:
        params: of the new model, by its parts.
        origin: the run that it starts from.
        own: parts that are about a task and mean nothing to another one.

    Raises:
        ConfigError: there is no such part, or one does not fit.
    """
    source = origin.params or {}
    taken = {name: source[name] for name in _shared(params, origin, own)}
    if not taken:
        raise ConfigError(
            f"task.pretrained: {origin.name} has nothing to start from: its model has "
            f"{', '.join(source)}, this one {', '.join(params)}"
        )
    for name, old in taken.items():
        _compare(dict(_leaves(params[name], name)), dict(_leaves(old, name)), origin.name)
    return {**params, **jax.tree.map(jnp.asarray, taken)}


def describe_adopted(params: Params, origin: Origin, own: Collection[str] = ()) -> str:
    """What `adopt` took, what is new and what was left behind, in one line."""
    shared = _shared(params, origin, own)
    groups = {
        "took": [f"{name} ({_size(params[name]):,} parameters)" for name in shared],
        "new": [f"{name} ({_size(params[name]):,})" for name in params if name not in shared],
        "left behind": [name for name in origin.params or () if name not in shared],
    }
    parts = [f"{title} {', '.join(names)}" for title, names in groups.items() if names]
    return f"started from {origin.name}: {'; '.join(parts)}"


def _shared(params: Params, origin: Origin, own: Collection[str]) -> list[str]:
    old = origin.params or {}
    return [name for name in params if name in old and name not in own]


def _size(tree: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def _leaves(tree: Any, name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The dotted name of each array and its shape."""
    if isinstance(tree, Mapping):
        for part, inner in tree.items():
            yield from _leaves(inner, f"{name}.{part}")
    else:
        yield name, tuple(tree.shape)


def _compare(new: dict[str, tuple[int, ...]], old: dict[str, tuple[int, ...]], origin: str) -> None:
    for name in (*new, *old):
        if new.get(name) != old.get(name):
            there, here = (
                str(list(leaves[name])) if name in leaves else "missing" for leaves in (old, new)
            )
            raise ConfigError(
                f"task.pretrained: {name} is {there} in {origin} and {here} here; give this task "
                "the sizes that it has there"
            )
