"""What a task must give, looked at when its programs are traced: no step pays for a check."""

import numbers
from collections.abc import Collection, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from lstm_jax.data.base import Data
from lstm_jax.errors import ConfigError
from lstm_jax.tasks.base import Output, Task, Term
from lstm_jax.types import Batch

_LOGGED = ("split", "step", "epoch")
"""What a record of the log says beside the figures."""


def check_data(task: Task, data: Data, batch: Batch, preprocessor: Any) -> None:
    """Makes sure that data give what a task learns from and reads by.

    Raises:
        ConfigError: they give something else, or the task does not say what.
    """
    learner, giver = type(task).__name__, type(data).__name__
    wanted = getattr(task, "BATCH", None)
    if not isinstance(wanted, type):
        raise ConfigError(
            f"{learner} does not say which batches it learns from: give it "
            f"BATCH: ClassVar[type], for these data {type(batch).__name__}"
        )
    if not isinstance(batch, wanted):
        raise ConfigError(
            f"{learner} learns from batches of {wanted.__name__}, and {giver} gives "
            f"{type(batch).__name__}"
        )
    if not isinstance(preprocessor, task.PREPROCESSOR):
        raise ConfigError(
            f"{learner} needs a {task.PREPROCESSOR.__name__}, and {giver} gives "
            f"{type(preprocessor).__name__}"
        )


def checked(task: Task, output: Any, batch: Batch) -> Output:
    """What `task.loss` or `task.observe` made of a batch, once it is what the contract says.

    Raises:
        ConfigError: it is something else; names the task's class.
    """
    name = type(task).__name__
    if not isinstance(output, Output):
        raise ConfigError(
            f"{name} must return an Output(terms, carry, metrics) of a batch, not {_shown(output)}"
        )
    for part, metric in _items(f"{name}: metrics", output.metrics):
        if not (hasattr(metric, "merge") and hasattr(metric, "to_host")):
            raise ConfigError(
                f"{name}: the metric {part!r} must be a Mean or a Sum of lstm_jax.metrics, which "
                f"are merged over batches, not {_shown(metric)}"
            )
    columns = len(batch.place)
    rows = {} if output.rows is None else output.rows
    for part, array in _items(f"{name}: rows", rows):
        if (getattr(array, "shape", ()) or (None,))[0] != columns:
            raise ConfigError(
                f"{name}: the rows {part!r} must be an array [batch, ...] with a row for each of "
                f"the {columns} columns of the batch, not {_shown(array)}"
            )
    return output


def check_terms(task: Task, terms: Any) -> None:
    """Makes sure that there is something to be minimized.

    Raises:
        ConfigError: there is not; names the task's class.
    """
    name = type(task).__name__
    found = _items(f"{name}: terms", terms)
    if not found:
        raise ConfigError(
            f"{name}.loss returns no terms: what is to be minimized is {{'name': Term(total, "
            "count)}"
        )
    for part, term in found:
        _check_term(f"{name}: the term {part!r}", term)


def check_names(task: Task, noiseless: Collection[str], noisy: Collection[str]) -> None:
    """Compares the names of the metrics of a training step with those that it has without noise.

    Raises:
        ConfigError: they are others, and could not be merged; names the task's class.
    """
    if others := sorted({*noiseless} ^ {*noisy}):
        raise ConfigError(
            f"{type(task).__name__}.loss must return the same metrics with a key as without, not "
            f"{', '.join(others)} in one case alone"
        )


def check_same_rows(task: str, name: str, one: tuple[int, ...], other: tuple[int, ...]) -> None:
    """Compares the shapes of the rows of two batches, which are put into one array.

    Raises:
        ConfigError: what is behind the first axis is unequal.
    """
    if one[1:] != other[1:]:
        raise ConfigError(
            f"{task}: the rows {name!r} are {list(one)} of one batch and {list(other)} of another, "
            "and must be equal behind the first axis: keep what does not depend on the batch's "
            "length, or pad to a length of the task's own"
        )


def figures(
    task: Task, sums: dict[str, Any], rows: dict[str, np.ndarray], preprocessor: Any
) -> dict[str, Any]:
    """What `task.summarize` says, as plain numbers.

    Raises:
        ConfigError: it is something else; names the task's class.
    """
    found: Any = task.summarize(sums, rows, preprocessor)
    name = f"{type(task).__name__}.summarize"
    named = _items(f"{name}: what it returns", found)
    return {part: _number(f"{name}: {part!r}", part, one) for part, one in named}


def _check_term(name: str, term: Any) -> None:
    if not isinstance(term, Term):
        raise ConfigError(f"{name} must be a Term(total, count), not {_shown(term)}")
    is_number = getattr(term.total, "shape", None) == ()
    if not is_number or not jnp.issubdtype(term.total.dtype, jnp.floating):
        raise ConfigError(
            f"{name} must have the sum of the batch as its total, one floating number, not "
            f"{_shown(term.total)}"
        )
    if not isinstance(term.count, numbers.Real) and getattr(term.count, "shape", None) != ():
        raise ConfigError(f"{name} must have one number as its count, not {_shown(term.count)}")
    if not isinstance(term.weight, numbers.Real):
        weight = _shown(term.weight)
        raise ConfigError(f"{name} must have a plain number as its weight, not {weight}")


def _items(name: str, found: Any) -> Any:
    """The names of a mapping and what they mean.

    Raises:
        ConfigError: it is no mapping, or something in it has no name.
    """
    if not isinstance(found, Mapping) or not all(isinstance(part, str) for part in found):
        raise ConfigError(f"{name} must be a dict with names as keys, not {_shown(found)}")
    return found.items()


def _number(name: str, part: str, value: Any) -> Any:
    if part in _LOGGED:
        raise ConfigError(f"{name} is a column of the log already: call the figure otherwise")
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    if not isinstance(value, numbers.Real):
        raise ConfigError(f"{name} must be a number, not {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    """What something is, in a word or two."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{value.dtype} {list(value.shape)}"
    if value is None or isinstance(value, str | numbers.Number):
        return repr(value)[:60]
    return f"a {type(value).__name__}"
