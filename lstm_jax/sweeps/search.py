"""Optuna's samplers, so used that any number of workers draws as one would.

Each trial draws with a generator of its own, seeded by the sweep's seed and the trial's number: a
worker that is started again, or a second one, never repeats what another has drawn.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler, TPESampler

from lstm_jax.sweeps.space import (
    Choice,
    Distribution,
    Integer,
    LogUniform,
    Setting,
    Space,
    Uniform,
    extremes,
    plain,
)
from lstm_jax.sweeps.sweep import Sweep


def suggest(trial: optuna.Trial, space: Space) -> Setting:
    """Draws the values of a trial, or reads those which it has already."""
    objects: dict[str, Any] = {}
    for name, one in space.items():
        if space.is_active(name, objects):
            objects[name] = _suggest(trial, name, one)
    return {name: plain(value) for name, value in objects.items()}


def sampler(sweep: Sweep, space: Space, number: int, point: Setting | None) -> BaseSampler:
    """What draws the values of one trial.

    Args:
        sweep: the sweep.
        space: what it searches.
        number: of the trial, from 0 on.
        point: the trial's point of the grid, if a grid is run.
    """
    if point is not None:
        return _Point(point)
    seed = _seed(sweep.seed, number)
    with warnings.catch_warnings():
        # Stable enough for us: a test tells when they change.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if sweep.sampler == "tpe":
            # The group splits a space with conditions into parts that always come together.
            options: dict[str, Any] = {"multivariate": True, "group": True}
            return TPESampler(seed=seed, n_startup_trials=sweep.startup, **options)
        if sweep.sampler == "qmc":
            return _Sobol(sweep.seed, space, number)
    return RandomSampler(seed=seed)


class _Point(BaseSampler):
    """Says the values of one point of a grid.

    Optuna's own GridSampler hands the same point to two workers that ask at once.
    """

    def __init__(self, point: Setting):
        self._point = point

    def infer_relative_search_space(
        self, study: Any, trial: optuna.trial.FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self,
        study: Any,
        trial: optuna.trial.FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self,
        study: Any,
        trial: optuna.trial.FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._point[param_name]


class _Sobol(QMCSampler):
    """Optuna's QMC sampler for one trial, whose number is that of its point in the sequence.

    Optuna's own counts in the storage, where two workers can read the same count, and draws at
    random until a first trial has ended.
    """

    def __init__(self, seed: int, space: Space, number: int):
        independent = RandomSampler(seed=_seed(seed, number))
        options: dict[str, Any] = {"scramble": True, "warn_independent_sampling": False}
        super().__init__(seed=seed, independent_sampler=independent, **options)
        self._number = number
        self._space = {name: one for name, one in optuna_space(space).items() if not one.single()}

    def infer_relative_search_space(
        self, study: Any, trial: optuna.trial.FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return dict(self._space)

    def _find_sample_id(self, study: Any, search_space: Mapping[str, BaseDistribution]) -> int:
        return self._number


def optuna_space(space: Space) -> dict[str, BaseDistribution]:
    """The distributions as Optuna has them."""
    return {name: _distribution(one) for name, one in space.items()}


def _distribution(one: Distribution) -> BaseDistribution:
    match one:
        case Uniform(step=step):
            return FloatDistribution(*extremes(one), step=step)
        case LogUniform(low, high):
            return FloatDistribution(low, high, log=True)
        case Integer(step=step, log=log):
            return IntDistribution(*extremes(one), step=step, log=log)
        case Choice(values):
            return CategoricalDistribution([plain(value) for value in values])
    raise TypeError(f"no distribution: {one!r}")


def _suggest(trial: optuna.Trial, name: str, one: Distribution) -> Any:
    """Draws one value; of a choice the object itself."""
    match one:
        case Uniform(step=step):
            return trial.suggest_float(name, *extremes(one), step=step)
        case LogUniform(low, high):
            return trial.suggest_float(name, low, high, log=True)
        case Integer(step=step, log=log):
            return trial.suggest_int(name, *extremes(one), step=step, log=log)
        case Choice(values):
            by_text = {plain(value): value for value in values}
            return by_text[trial.suggest_categorical(name, list(by_text))]
    raise TypeError(f"no distribution: {one!r}")


def _seed(seed: int, number: int) -> int:
    """Another for each trial, and for searches with other seeds."""
    return (seed * 1_000_003 + number * 7919 + 17) % 2**32
