"""What is searched, by what, for how long: the root of a sweep file."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from lstm_jax.config.saved import check
from lstm_jax.config.tree import override
from lstm_jax.config.values import convert, field_types, suggestion
from lstm_jax.errors import ConfigError
from lstm_jax.experiment import Experiment
from lstm_jax.sweeps.space import (
    Distribution,
    Setting,
    Space,
    candidates,
    extremes,
    plain,
    points,
)

Direction = Literal["min", "max"]

_MANY = 100


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What `get_sweep()` of a file in `configs/sweeps/` returns.

    >>> from lstm_jax.cells import GRU, LSTM
    >>> from lstm_jax.sweeps import LogUniform, Sweep
    >>> cells = [LSTM(hidden=64), GRU(hidden=64)]
    >>> space = {"optimizer.learning_rate": LogUniform(1e-3, 1.0), "task.cell": cells}
    >>> sweep = Sweep(space, trials=20)
    >>> sweep.budget(), sweep.is_grid
    (20, False)

    Raises:
        ConfigError: a number outside its range, no budget, or a grid that is not there.
    """

    space: Mapping[str, Any]
    """Dotted names of the experiment, each with a distribution or a list; see `space.py`."""
    grids: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    """Named grids: the same with values that can be counted, all combinations of which are run.
    Where the space has a name, too, its conditions hold unless a distribution states others."""
    grid: str | None = None
    """The grid to run instead of searching the space."""
    sampler: Literal["tpe", "random", "qmc", "grid"] = "tpe"
    """Optuna's. TPE: tree-structured Parzen estimator (Bergstra et al. 2011), multivariate; QMC:
    scrambled Sobol points (Bergstra and Bengio 2012, section 4); grid: every point of the space."""
    startup: int = 10
    """Random trials before TPE models those done, and before the median prunes."""
    pruner: Literal["median", "successive_halving", "hyperband"] | None = None
    """What ends a trial early, at an evaluation: the median of the others there, asynchronous
    successive halving (Li et al. 2020), or hyperband (Li et al. 2018)."""
    warmup: int = 1
    """Evaluations before a trial may be ended early."""
    reduction: int = 3
    """Successive halving and hyperband keep one of so many at each stage."""
    metric: str | None = None
    """What is compared, as TensorBoard calls it ("validation/perplexity"): the best value that a
    run logs. By default that of the experiment's task."""
    direction: Direction | None = None
    """Whether the smallest or the largest is best; by default what the task says of its metric."""
    trials: int | None = None
    """The budget in settings ..."""
    hours: float | None = None
    """... or in hours in which at least one worker was at work; what is running then is saved. With
    both, what comes first. A sweep that is started again may have more of each."""
    seeds: int = 1
    """Every setting runs with so many: the experiment's own, the next, ... The pruner looks at the
    first."""
    seed: int = 0
    """Of the search itself."""

    def __post_init__(self):
        for name, kind in field_types(Sweep).items():
            if name not in ("space", "grids"):
                object.__setattr__(self, name, convert(getattr(self, name), kind, name))
        for name in ("startup", "warmup", "trials", "hours", "seeds"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ConfigError(f"{name} must be positive, not {value}")
        if self.reduction < 2:
            raise ConfigError(f"reduction must be at least 2, not {self.reduction}")
        if not 0 <= self.seed < 2**31:
            raise ConfigError(f"seed lies in [0, 2**31), not {self.seed}")
        if self.grid is not None and self.grid not in self.grids:
            hint = suggestion(self.grid, self.grids)
            raise ConfigError(f"grid: the sweep has no grid called {self.grid!r}{hint}")
        if self.metric is not None and self.metric.split("/")[0] not in ("train", "validation"):
            raise ConfigError(
                f"metric: expected validation/NAME or train/NAME, got {self.metric!r}; the names "
                "are those of a run's metrics.jsonl"
            )

    @property
    def is_grid(self) -> bool:
        """Whether every point is run instead of some being drawn."""
        return self.grid is not None or self.sampler == "grid"

    def searched(self) -> Space:
        """The space that is searched, or the grid that is run."""
        if self.grid is None:
            return Space(self.space)
        grid = Space(self.grids[self.grid])
        space = Space(self.space) if self.space else {}
        return Space(
            {
                name: dataclasses.replace(
                    one,
                    when={other: when for other, when in space[name].when.items() if other in grid},
                )
                if name in space and not one.when
                else one
                for name, one in grid.items()
            }
        )

    def grid_points(self) -> list[Setting] | None:
        """The points of the grid; None where there is none.

        Raises:
            ConfigError: the space has too many.
        """
        return points(self.searched()) if self.is_grid else None

    def budget(self) -> int | None:
        """How many settings are run at most; None where only the hours count.

        Raises:
            ConfigError: there is no budget.
        """
        given = self.grid_points()
        if given is not None:
            return min(len(given), self.trials or len(given))
        if self.trials is None and self.hours is None:
            raise ConfigError("the sweep would never end: give --trials or --hours")
        return self.trials

    def objective(self, experiment: Experiment) -> tuple[str, Direction]:
        """The metric that is compared, and whether its smallest or largest value is best.

        Raises:
            ConfigError: a metric of which nobody says which way it is better.
        """
        score = experiment.task.score
        own = f"validation/{score.metric}"
        metric = self.metric or own
        if self.direction is None and metric != own:
            raise ConfigError(f"say --direction=min or --direction=max for the metric {metric}")
        return metric, self.direction or score.direction


def check_space(experiment: Experiment, space: Space) -> None:
    """Makes sure that every value of a space has its place in the experiment.

    Every choice and both ends of every interval are tried, with each choice of what it depends on,
    or a dozen of them where there are more than a hundred.

    Raises:
        ConfigError: no such field, or a value outside its type or refused by its class.
    """
    samples = list(_samples(space))
    for name, one in space.items():
        seen = any(name in setting for setting in samples)
        counts = [candidates(space[other]) for other in one.when]
        if not seen and all(values is not None and len(values) <= _MANY for values in counts):
            raise ConfigError(f"the search space: {name}: its condition is never true")
    for setting in samples:
        try:
            check(override(experiment, {name: plain(value) for name, value in setting.items()}))
        except ConfigError as error:
            raise ConfigError(f"the search space: {error}") from error


def _samples(space: Space) -> Iterator[dict[str, Any]]:
    """Settings that hold, for each way of choosing what others depend on, every extreme value."""
    depended = {other for one in space.values() for other in one.when}
    depended |= {other for name in space for other in space if name.startswith(f"{other}.")}
    tried = {name: _tried(one) for name, one in space.items() if name in depended}
    for chosen in itertools.product(*tried.values()):
        fixed = dict(zip(tried, chosen, strict=True))
        base: dict[str, Any] = {}
        for name, one in space.items():
            if space.is_active(name, base):
                base[name] = fixed.get(name, extremes(one)[0])
        yield base
        for name in base.keys() - depended:
            for value in extremes(space[name])[1:]:
                yield base | {name: value}


def _tried(one: Distribution) -> Sequence[Any]:
    values = candidates(one)
    if values is None:
        return extremes(one)
    return values if len(values) <= _MANY else [*values[:: len(values) // 10], values[-1]]
