"""The root of a config."""

import dataclasses
from typing import ClassVar

from lstm_jax.data.base import Data
from lstm_jax.data.windows import TextWindows
from lstm_jax.errors import ConfigError
from lstm_jax.optimizers import Optimizer
from lstm_jax.tasks.base import Task
from lstm_jax.tasks.language_modeling import LanguageModeling


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What is trained, on what, how, and for how long.

    >>> Experiment(epochs=2).total_steps(steps_per_epoch=100)
    200
    """

    MAY_GROW: ClassVar[tuple[str, ...]] = ("epochs", "steps", "patience")
    """Fields that may be larger when a run is resumed."""

    task: Task = dataclasses.field(default_factory=LanguageModeling)
    data: Data = dataclasses.field(default_factory=TextWindows)
    optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)
    epochs: float | None = None
    """How long to train, in passes over the training split ..."""
    steps: int | None = None
    """... or in optimizer steps. One of the two is given."""
    seed: int = 0
    """Of the parameters and all noise."""
    evaluate_every: int | None = None
    """Steps between evaluations on the validation split; an epoch, if not given."""
    checkpoint_every: int | None = None
    """Steps between checkpoints beside those that follow every evaluation."""
    log_every: int = 100
    """Steps between records of training metrics."""
    steps_per_dispatch: int = 1
    """Optimizer steps that run in one call of the compiled program; with more, small models wait
    less for Python."""
    patience: int | None = None
    """Stops after so many evaluations in a row without a better score; never, if not given."""
    keep: int = 2
    """How many of the latest checkpoints stay, beside the best one."""

    def __post_init__(self):
        if (self.epochs is None) == (self.steps is None):
            raise ConfigError("give the length of training as epochs or as steps, one of the two")
        for name in (
            "epochs",
            "steps",
            "evaluate_every",
            "checkpoint_every",
            "log_every",
            "steps_per_dispatch",
            "patience",
            "keep",
        ):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ConfigError(f"{name} must be positive, not {value}")
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"seed lies in [0, 2**32), not {self.seed}")

    def total_steps(self, steps_per_epoch: int) -> int:
        """The number of optimizer steps."""
        if self.steps is not None:
            return self.steps
        return max(1, round((self.epochs or 0) * steps_per_epoch))
