"""What only some tasks can do with a trained model: predict, generate, explain.

Such a method is marked with `@capability` and takes a `Use` before all else:

    @capability
    def predict(self, use: Use, given: Any, *, batch_size: int = 64) -> Predictions: ...

A run binds those that its task has: `run.predict(given)`.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from lstm_jax.data.base import Data
from lstm_jax.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "is_capability"


class Use(NamedTuple):
    """What a capability is given of a run."""

    model: Any
    """The trained model."""
    preprocessor: Any
    """What goes into it and comes out; of the class that the task names."""
    data: Data
    """How it read what it was trained on; it reads what is new in the same way."""
    calibration: Mapping[str, Any] | None = None
    """What `Task.calibrate` found for it; None where that was not asked for yet, or is nothing."""

    def calibrated(self, name: str) -> Any:
        """What `Task.calibrate` found under a name.

        Raises:
            ConfigError: the checkpoint is not calibrated, or nothing was found under that name.
        """
        if self.calibration is None:
            raise ConfigError("this checkpoint is not calibrated: call run.calibrate() once")
        if name not in self.calibration:
            known = ", ".join(self.calibration) or "nothing"
            raise ConfigError(f"calibrate found no {name!r} for this checkpoint, but {known}")
        return self.calibration[name]


def capability(method: F) -> F:
    """Marks a method of a task as something that can be done with its runs."""
    setattr(method, _MARK, True)
    return method


def capabilities(task: Any) -> dict[str, Callable[..., Any]]:
    """The marked methods of a task, by their names."""
    names = (name for name in dir(type(task)) if hasattr(getattr(type(task), name, None), _MARK))
    return {name: getattr(task, name) for name in names}


def bind(method: Callable[..., Any], use: Callable[[], Use]) -> Callable[..., Any]:
    """A capability as a run has it: without the first argument, its documentation as it was.

    Args:
        method: a method of a task.
        use: gives what stands for the first argument, when it is called.
    """

    @functools.wraps(method)
    def bound(*arguments: Any, **options: Any) -> Any:
        return method(use(), *arguments, **options)

    signature = inspect.signature(method)
    _, *parameters = signature.parameters.values()
    vars(bound)["__signature__"] = signature.replace(parameters=parameters)
    return bound
