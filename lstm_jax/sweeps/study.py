"""A sweep as its storage knows it: what is searched is settled when it begins."""

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna

from lstm_jax.config.literals import write
from lstm_jax.config.saved import as_begun, check, from_json, packages, to_json
from lstm_jax.config.tree import difference
from lstm_jax.config.values import freeze
from lstm_jax.errors import ConfigError, SweepError
from lstm_jax.experiment import Experiment
from lstm_jax.recurrence import backend as backends
from lstm_jax.sweeps.desk import Desk
from lstm_jax.sweeps.pruners import evaluations, pruner
from lstm_jax.sweeps.space import Choice, Setting, Space
from lstm_jax.sweeps.storage import READING, Location, hidden, open_storage, patiently
from lstm_jax.sweeps.sweep import Direction, Sweep, check_space
from lstm_jax.tasks.base import Score

_DEFINITION = "sweep"
SEARCHES = "searches"


@dataclasses.dataclass(frozen=True)
class Definition:
    """What a sweep is of. It stays as it was when the sweep began."""

    experiment: Experiment
    config: str
    """The file of the experiment, as given."""
    changes: Mapping[str, str]
    """What the command line changed in it."""
    space: Mapping[str, str]
    """Each name with its distribution and conditions, in the order in which they are drawn."""
    is_grid: bool
    points_digest: str | None
    """The SHA-256 of the grid's points, whose places are the numbers of the trials."""
    metric: str
    direction: Direction
    seeds: int
    backend: str | None = None
    """What the flag `--backend` said."""

    @property
    def split(self) -> str:
        """Of what the metric is, as `metrics.jsonl` calls it: train or validation."""
        return self.metric.partition("/")[0]

    @property
    def score(self) -> Score:
        """The metric, as `metrics.jsonl` calls it, and its direction."""
        return Score(self.metric.partition("/")[2], self.direction)

    def to_json(self) -> str:
        """For the storage."""
        fields = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        return json.dumps(fields | {"experiment": json.loads(to_json(self.experiment))})

    @classmethod
    def from_json(cls, text: str, trust: Collection[str]) -> "Definition":
        """What `to_json` wrote; classes come only from `lstm_jax` and the trusted packages."""
        plain = json.loads(text)
        experiment = from_json(json.dumps(plain.pop("experiment")), trust)
        if plain.keys() != {one.name for one in dataclasses.fields(cls)} - {"experiment"}:
            raise SweepError("the sweep was begun by another version of lstm_jax")
        return cls(experiment=experiment, **plain)


@dataclasses.dataclass(frozen=True)
class Study:
    """A sweep that workers can work on. Made by `open_study`."""

    workdir: Path
    sweep: Sweep
    definition: Definition
    space: Space
    points: list[Setting] | None
    optuna: optuna.Study
    desk: Desk

    @property
    def packages(self) -> set[str]:
        """Those whose classes the trials are made of: they are imported, so they are trusted."""
        choices = [one.values for one in self.space.values() if isinstance(one, Choice)]
        values = freeze([*itertools.chain.from_iterable(choices)])
        parts = to_json(self.definition.experiment), to_json(values)
        return set().union(*(packages(json.loads(part)) for part in parts))


def define(
    sweep: Sweep,
    experiment: Experiment,
    config: str = "",
    changes: Mapping[str, str] | None = None,
    backend: str | None = None,
) -> Definition:
    """Checks a sweep before its first trial, and says what it is of.

    Args:
        sweep: what is searched.
        experiment: what each trial is a variant of, already changed.
        config: the file that it comes from, as given.
        changes: what the command line changed in it.
        backend: what the command line said of it.

    Raises:
        ConfigError: the space does not fit the experiment, or the sweep has no end.
    """
    backends.chosen()  # a wrong one would fail every trial
    check(experiment)
    space = sweep.searched()
    check_space(experiment, space)
    if experiment.seed + sweep.seeds > 2**32:
        raise ConfigError(f"seed: {sweep.seeds} seeds from {experiment.seed} on are too large")
    if "seed" in space and sweep.seeds > 1:
        raise ConfigError("seed stands in the search space and seeds is more than 1: choose one")
    sweep.budget()
    points = sweep.grid_points()
    digest = hashlib.sha256(json.dumps(points).encode()).hexdigest() if points else None
    metric, direction = sweep.objective(experiment)
    described = {name: _describe(one) for name, one in space.items()}
    what = experiment, config, dict(changes or {}), described, sweep.is_grid, digest
    return Definition(*what, metric, direction, sweep.seeds, backend)


def open_study(
    workdir: Path,
    location: Location,
    sweep: Sweep,
    definition: Definition,
    heartbeat: float,
    patience: float = READING,
) -> Study:
    """Begins a sweep, or goes on with it.

    Args:
        workdir: its directory.
        location: where its trials are recorded.
        sweep: what is searched, for how long.
        definition: what `define` made of it.
        heartbeat: seconds between signs of life of this worker.
        patience: seconds for which the database may be away before the sweep is there.

    Raises:
        SweepError: the storage does not answer, or holds another sweep under this name.
    """
    storage = open_storage(workdir, location, patience=patience)
    study = patiently(
        lambda: optuna.create_study(
            storage=storage,
            study_name=location.study,
            direction="minimize" if definition.direction == "min" else "maximize",
            load_if_exists=True,
            pruner=pruner(sweep, evaluations(definition.experiment)),
        ),
        patience,
    )
    # In this order, as another machine may begin now: there is a definition before any trial.
    trials = patiently(lambda: study.get_trials(deepcopy=False), patience)
    attributes = patiently(lambda: study.user_attrs, patience)
    name = f"the sweep {location.study!r} in {hidden(location.url)}"
    if _DEFINITION not in attributes:
        if trials:
            raise SweepError(f"{name} was not made by lstm_jax: choose another --study")
        patiently(lambda: study.set_user_attr(_DEFINITION, definition.to_json()), patience)
        attributes = patiently(lambda: study.user_attrs, patience)  # another may have been faster
    definition = _compare(attributes[_DEFINITION], definition, name)
    searches = attributes.get(SEARCHES, [])
    if (search := _describe_search(sweep)) not in searches:
        patiently(lambda: study.set_user_attr(SEARCHES, [*searches, search]), patience)
    desk = Desk(study, storage, sweep.budget(), sweep.hours, heartbeat)
    space, points = sweep.searched(), sweep.grid_points()
    return Study(workdir, sweep, definition, space, points, study, desk)


def load_study(
    workdir: Path, location: Location, trust: Collection[str] = ()
) -> tuple[Definition, optuna.Study]:
    """Reads a sweep without changing anything.

    Raises:
        SweepError: the storage does not answer or does not hold it.
        ConfigError: its experiment names a class that is not trusted.
    """
    storage = open_storage(workdir, location, reading=True)
    name = location.study
    try:
        study = patiently(lambda: optuna.load_study(study_name=name, storage=storage), READING)
        attributes = patiently(lambda: study.user_attrs, READING)
        return Definition.from_json(attributes[_DEFINITION], trust), study
    except KeyError:
        raise SweepError(
            f"{hidden(location.url)} holds no sweep {location.study!r}: it has not begun"
        ) from None


def _compare(saved: str, now: Definition, name: str) -> Definition:
    """Makes sure that a sweep is still what it was when it began; returns what it is."""
    plain = json.loads(now.to_json())
    try:
        was = Definition.from_json(saved, packages(plain["experiment"]))
        begun_with = json.dumps(json.loads(saved)["experiment"])
        now = dataclasses.replace(now, experiment=as_begun(now.experiment, begun_with))
    except ConfigError as error:
        raise SweepError(f"{name} cannot be compared: {error}; choose another directory") from error
    changes: dict[str, tuple[Any, Any]] = {
        f"the experiment's {part}": pair
        for part, pair in difference(was.experiment, now.experiment).items()
    }
    changes |= {
        f"the space's {part}": (was.space.get(part), now.space.get(part))
        for part in {*was.space, *now.space}
        if was.space.get(part) != now.space.get(part)
    }
    if now.is_grid and [*was.space] != [*now.space]:  # a trial's number says its point
        changes.setdefault("the order of the space", ([*was.space], [*now.space]))
    elif was.space == now.space and was.points_digest != now.points_digest:
        part = "the SHA-256 of the grid's points, which a condition's function decides,"
        changes[part] = was.points_digest, now.points_digest
    changes |= {
        part: (getattr(was, part), getattr(now, part))
        for part in ("is_grid", "metric", "direction", "seeds")
        if getattr(was, part) != getattr(now, part)
    }
    if changes:
        told = [f"{part} was {old!r} and is now {new!r}" for part, (old, new) in changes.items()]
        hint = "undo the change or choose another directory"
        raise SweepError(f"{name} is another one: {'; '.join(told)}; {hint}")
    return now


def _describe_search(sweep: Sweep) -> str:
    """How it is searched, which may change between two starts."""
    if sweep.is_grid:
        told = ["every point of the grid"]
    else:
        startup = f", startup {sweep.startup}" if sweep.sampler == "tpe" else ""
        told = [f"sampler {sweep.sampler} (seed {sweep.seed}{startup})"]
    if sweep.pruner == "median":
        told.append(f"pruner median (startup {sweep.startup}, warmup {sweep.warmup})")
    elif sweep.pruner is not None:
        told.append(f"pruner {sweep.pruner} (warmup {sweep.warmup}, reduction {sweep.reduction})")
    return ", ".join(told)


def _describe(distribution: Any) -> str:
    """A distribution and its conditions, the same in every process."""
    bare = write(dataclasses.replace(distribution, when={}))
    conditions = [f"{name} {_describe_condition(one)}" for name, one in distribution.when.items()]
    return f"{bare} when {' and '.join(conditions)}" if conditions else bare


def _describe_condition(wanted: Any) -> str:
    if isinstance(wanted, type):
        return f"is a {wanted.__name__}"
    if isinstance(wanted, Sequence | set | frozenset) and not isinstance(wanted, str):
        parts = map(_describe_condition, wanted)
        return " or ".join(parts if isinstance(wanted, Sequence) else sorted(parts))
    if callable(wanted) and not dataclasses.is_dataclass(wanted):
        return f"satisfies {getattr(wanted, '__qualname__', type(wanted).__name__)}"
    return f"is {write(wanted)}"
