"""A run that was trained: its metrics, its model, and what the model can do."""

import functools
import logging
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.config.tree import override
from lstm_jax.data.base import evaluated_digest
from lstm_jax.data.preprocessing import Preprocessor
from lstm_jax.data.sources import SPLITS, Split
from lstm_jax.errors import CheckpointError, ConfigError, MissingCapabilityError
from lstm_jax.experiment import Experiment
from lstm_jax.files import expand_user
from lstm_jax.modules import Graph, merge, structure
from lstm_jax.reporting.reporter import progress_bar
from lstm_jax.storage import calibration, checkpoints, digests, rivals, run_directory
from lstm_jax.tasks.base import Score, Task
from lstm_jax.tasks.capabilities import Use, bind, capabilities
from lstm_jax.tasks.contract import figures
from lstm_jax.tasks.evaluation import evaluate, make_eval_step
from lstm_jax.types import Params

_log = logging.getLogger(__name__)


class Run:
    """A trained model with its experiment. Made by `load` and by `lstm_jax.train`.

    What its task can do with it are methods of the run as well: `run.predict`, `run.generate`; the
    documentation is that of the task, and `dir(run)` has their names.

    Attributes:
        workdir: the run directory.
        experiment: the config it was trained with.
        preprocessor: what goes into its model and comes out.
        step: the optimizer step of the checkpoint that was loaded.
        params: the parameters, a nested dict of arrays.
    """

    def __init__(
        self,
        workdir: Path,
        experiment: Experiment,
        preprocessor: Preprocessor,
        step: int,
        graph: Graph,
        params: Params,
        checkpoint: str = "",
    ):
        self.workdir = workdir
        self.experiment = experiment
        self.preprocessor = preprocessor
        self.step = step
        self.params = params
        self._graph = graph
        self._checkpoint = (
            checkpoint  # its digest, for the files of a directory may be others later
        )

    def __repr__(self) -> str:
        task = type(self.experiment.task).__name__
        return f"Run({str(self.workdir)!r}, step={self.step}, task={task})"

    @property
    def model(self) -> Any:
        """The model, a Flax NNX module that holds `params`."""
        return merge(self._graph, self.params)

    @property
    def metrics(self) -> dict[str, dict[str, np.ndarray]]:
        """The log as arrays: `run.metrics["validation"]["perplexity"]` over `[...]["step"]`."""
        return run_directory.read_metrics(self.workdir)

    @property
    def steps(self) -> list[int]:
        """The steps whose checkpoints are kept; any can be given to `load`."""
        return checkpoints.steps(self.workdir / run_directory.CHECKPOINTS)

    def evaluate(
        self,
        split: Split = "test",
        *,
        batch_size: int | None = None,
        changes: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The metrics of a pass over a split, which the task names: `perplexity`, `accuracy`, ...

        Beside them stand figures of the data, `dataset.facts`, such as how many steps are dropped.

        Args:
            split: "train", "validation" or "test".
            batch_size: sequences side by side; by default what the config's data says.
            changes: other values for fields of `data`, as in `override`: another text
                (`{"data.source.directory": "..."}`) or another window
                (`{"data.evaluation_window": 1000}`).

        Raises:
            DataError: the data cannot be read.
            ConfigError: no such split, or a change that does not concern the data.
        """
        if split not in SPLITS:
            raise ConfigError(f"split must be one of {', '.join(SPLITS)}, not {split!r}")
        data = override(self.experiment, changes or {}).data
        for name in changes or {}:
            part, _, rest = name.partition(".")
            if part != "data":
                raise ConfigError(f"{name}: an evaluation can only change fields of data")
            old, learned = self.experiment.data, rest.partition(".")[0] in data.FITTED
            if learned or any(getattr(data, x) != getattr(old, x, None) for x in data.FITTED):
                raise ConfigError(f"{name}: what was learned of the data stays: train another run")
        dataset = data.open(self.preprocessor)
        batches = dataset.evaluation(split, batch_size)
        task = self.experiment.task
        eval_step = make_eval_step(task, self._graph, self.experiment.seed)
        found = evaluate(eval_step, self.params, progress_bar(batches, split))
        metrics = figures(task, *found, self.preprocessor)
        metrics |= dataset.facts(split)
        return metrics | task.details(*found, self.preprocessor)

    def rivals(self, split: Split = "test") -> dict[str, dict[str, Any]]:
        """The figures of simple rivals on a split, which `experiments.baseline` has put here.

        Empty where it was not run, or on other data.

        Raises:
            DataError: the data cannot be read.
            RunDirectoryError: what is saved is malformed.
        """
        if not (self.workdir / rivals.FILE).exists():
            return {}
        dataset = self.experiment.data.open(self.preprocessor)
        digest = evaluated_digest(dataset, split)
        return rivals.read(self.workdir, digest, split)

    @functools.cached_property
    def calibration(self) -> dict[str, Any] | None:
        """What the task learned from validation data for this checkpoint; None if nothing yet.

        Raises:
            RunDirectoryError: what is saved is malformed, or belongs to another checkpoint.
        """
        return calibration.read(self.workdir, self.step, self._checkpoint)

    def calibrate(self) -> dict[str, Any] | None:
        """Lets the task learn from validation data what its capabilities need, and saves it.

        Training ends with it; of another step that is kept it can be asked for. None where the task
        learns nothing of the kind.
        """
        use = Use(self.model, self.preprocessor, self.experiment.data)
        if (values := self.experiment.task.calibrate(use)) is not None:
            calibration.save(self.workdir, self.step, self._checkpoint, values)
        vars(self)["calibration"] = calibration.read(self.workdir, self.step, self._checkpoint)
        return self.calibration

    def __getattr__(self, name: str) -> Any:
        """What the task can do with the run: `predict`, `explain`, `generate`, ...

        Raises:
            MissingCapabilityError: it cannot do that; names what it can.
        """
        if name.startswith("_"):  # how Python and notebooks ask what an object is
            raise AttributeError(name)
        task = self.experiment.task
        found = capabilities(task)
        if name not in found:
            if hasattr(self.preprocessor, name):  # as a vocabulary, which the runs of before had
                raise MissingCapabilityError(f"run.{name} is run.preprocessor.{name} now")
            known = ", ".join(found) or "nothing more"
            raise MissingCapabilityError(
                f"{type(task).__name__} has no {name!r}; a run of it can {known}"
            )
        return bind(found[name], lambda: self._use)

    @property
    def _use(self) -> Use:
        return Use(self.model, self.preprocessor, self.experiment.data, self.calibration)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *capabilities(self.experiment.task)})


def load(workdir: str | Path, step: int | str | None = None, trust: Collection[str] = ()) -> Run:
    """Loads a run, on any number of devices, without reading its data.

    Args:
        workdir: the run directory.
        step: a step whose checkpoint is kept, or "latest"; by default the one with the best
            validation score.
        trust: packages, beside `lstm_jax`, whose classes the experiment may use. Nothing else that
            the directory brings along is executed.

    Raises:
        RunDirectoryError: it is not a run directory.
        ConfigError: its config names a class that is not trusted; or without a `step`, the task
            has another score now, which the run has not logged.
        CheckpointError: no such step, or its checkpoint is damaged. Without a `step` the next best
            is loaded then, with a warning.
    """
    experiment = run_directory.read_experiment(workdir, trust)
    return open_run(expand_user(workdir), experiment, step, trust)


def open_run(
    workdir: Path,
    experiment: Experiment,
    step: int | str | None = None,
    trust: Collection[str] = (),
) -> Run:
    """The run of an experiment that is known already; see `load`."""
    preprocessor = run_directory.read_preprocessor(workdir, experiment, trust)
    directory = workdir / run_directory.CHECKPOINTS
    kept = checkpoints.steps(directory)
    if not kept:
        raise CheckpointError(f"{directory} holds no checkpoint yet: train the run first")
    if step is None:
        metrics = run_directory.read_metrics(workdir)
        _check_logged(workdir, experiment.task, metrics, kept)
        candidates = _ranked(kept, metrics, experiment.task.score)
    elif step == "latest":
        candidates = [kept[-1]]
    elif step in kept:
        candidates = [int(step)]
    else:
        choice = ", ".join(map(str, kept))
        raise CheckpointError(f"{directory} has no checkpoint of step {step}; it has {choice}")
    # Of a fresh model only the structure and the shapes are needed.
    build = functools.partial(experiment.task.build, preprocessor=preprocessor)
    graph, template = structure(build)
    step, params = _restore(directory, candidates, template)
    digest = calibration.checkpoint_digest(workdir, step)
    arrays = jax.tree.map(jnp.asarray, params)
    return Run(workdir, experiment, preprocessor, step, graph, arrays, digest)


def _restore(directory: Path, candidates: list[int], template: Params) -> tuple[int, Params]:
    """The first of the steps whose checkpoint is not damaged, and its parameters."""
    *preferred, last = candidates
    for step in preferred:
        try:
            return step, _restore_one(directory, step, template)
        except CheckpointError as error:
            _log.warning("%s; using the next best", error)
    return last, _restore_one(directory, last, template)


def _restore_one(directory: Path, step: int, template: Params) -> Params:
    """The parameters of a step, once the files that give them a meaning are those of before."""
    metadata = checkpoints.read_manifest(directory, step)["metadata"]
    digests.verify(directory.parent, metadata.get("files", {}), step)
    return checkpoints.restore(directory, step, template, part=".params")


def _check_logged(
    workdir: Path, task: Task, metrics: dict[str, dict[str, np.ndarray]], kept: list[int]
) -> None:
    """Makes sure that checkpoints can be compared by what the task is scored by today.

    Raises:
        ConfigError: the validation was logged without it.
    """
    columns, metric = metrics.get("validation"), task.score.metric
    if columns is not None and metric not in columns:
        logged = ", ".join(name for name in columns if name not in ("step", "epoch"))
        raise ConfigError(
            f"{type(task).__name__}.score is {metric!r}, which {workdir} has not logged of its "
            f"validation, but {logged}: undo the change, or name a step to load, one of "
            f"{', '.join(map(str, kept))}"
        )


def _ranked(kept: list[int], metrics: dict[str, dict[str, np.ndarray]], score: Score) -> list[int]:
    """The steps that are kept, the best validation first; those without one last, newest first.

    Scores are compared as the loop compares them, in float32, and of equal ones the earlier is
    better.
    """
    columns = metrics.get("validation", {"step": np.array([]), score.metric: np.array([])})
    values = columns[score.metric].astype(np.float32).tolist()
    scores = dict(zip(columns["step"].tolist(), values, strict=True))
    sign = 1 if score.direction == "min" else -1

    def rank(step: int) -> tuple[float, int]:
        value = scores.get(step, math.nan)
        if not score.improves(value, score.worst):
            return math.inf, -step
        return sign * value, step

    return sorted(kept, key=rank)
