"""The root of a config."""

import dataclasses
from typing import ClassVar

from lstm_jax.data.base import Data
from lstm_jax.errors import ConfigError
from lstm_jax.optimization.optimizers import Optimizer
from lstm_jax.tasks.base import Task


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What is trained, on what, how, and for how long.

    Raises:
        ConfigError: a number outside its range, or none or two lengths of training.
    """

    MAY_GROW: ClassVar[tuple[str, ...]] = ("epochs", "steps", "patience")
    """Fields that may be larger when a run is resumed."""

    task: Task
    """The model, its loss and its metrics."""
    data: Data
    """What it learns from."""
    optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)
    epochs: int | float | None = None
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
    """Steps between records of training metrics; there is one before every evaluation as well."""
    steps_per_dispatch: int = 1
    """Optimizer steps that run in one call of the compiled program; with more, small models wait
    less for Python. Batches of unlike shapes run one in a call all the same."""
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

    def timetable(self, steps_per_epoch: int) -> "Timetable":
        """At which steps what is due.

        Raises:
            ConfigError: something is due more often than once in a dispatch.
        """
        for name in ("evaluate_every", "log_every", "checkpoint_every"):
            interval = getattr(self, name)
            if interval is not None and interval < self.steps_per_dispatch:
                raise ConfigError(
                    f"steps_per_dispatch is {self.steps_per_dispatch}, which is more than {name} "
                    f"({interval})"
                )
        total = self.steps or max(1, round((self.epochs or 0) * steps_per_epoch))
        return Timetable(self, total, self.evaluate_every or steps_per_epoch)


@dataclasses.dataclass(frozen=True)
class Timetable:
    """At which steps of a run what is due, as a pure function of the step: the steps done so far.

    >>> from lstm_jax.data import TextWindows
    >>> from lstm_jax.tasks import LanguageModeling
    >>> lengths = {"epochs": 2, "log_every": 30, "steps_per_dispatch": 8}
    >>> experiment = Experiment(LanguageModeling(), TextWindows(), **lengths)
    >>> due = experiment.timetable(steps_per_epoch=100)
    >>> due.total, due.evaluation(100), due.log(60), due.dispatch(0), due.dispatch(24)
    (200, True, True, 8, 1)
    """

    experiment: Experiment
    total: int
    """The optimizer steps of the whole run."""
    evaluate_every: int

    def evaluation(self, step: int) -> bool:
        """Whether to evaluate."""
        return step > 0 and step % self.evaluate_every == 0

    def checkpoint(self, step: int) -> bool:
        """Whether to save: after every evaluation, and where a checkpoint is asked for."""
        every = self.experiment.checkpoint_every
        return self.evaluation(step) or (every is not None and step > 0 and step % every == 0)

    def log(self, step: int) -> bool:
        """Whether to log training metrics."""
        return self.evaluation(step) or step % self.experiment.log_every == 0

    def end(self, step: int, evaluations_since_best: int) -> bool:
        """Whether that was the last step, or patience is at its end."""
        patience = self.experiment.patience
        return step >= self.total or (patience is not None and evaluations_since_best >= patience)

    def dispatch(self, step: int) -> int:
        """How many steps to run in the next dispatch: none after one at which something is due.

        Either `steps_per_dispatch` or, where they would be too many, one: two programs are
        compiled, not one for each remainder.
        """
        every = self.experiment
        intervals = [self.evaluate_every, every.log_every, every.checkpoint_every or self.total]
        room = min(self.total - step, *(interval - step % interval for interval in intervals))
        return every.steps_per_dispatch if every.steps_per_dispatch <= room else 1
