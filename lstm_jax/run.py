"""A run that was trained: its metrics, its model, and what the model can do."""

import functools
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax import checkpoints, run_directory
from lstm_jax.config import override
from lstm_jax.data.base import SPLITS, Split
from lstm_jax.data.vocabulary import Vocabulary
from lstm_jax.errors import CheckpointError, ConfigError
from lstm_jax.experiment import Experiment
from lstm_jax.modules import Graph, initialize, merge
from lstm_jax.reporting import progress_bar
from lstm_jax.training import evaluate, make_eval_step
from lstm_jax.types import Params


class Run:
    """A trained model with its experiment. Made by `load` and by `lstm_jax.train`.

    Attributes:
        workdir: the run directory.
        experiment: the config it was trained with.
        vocabulary: what its tokens mean.
        step: the optimizer step of the checkpoint that was loaded.
        params: the parameters, a nested dict of arrays.
    """

    def __init__(
        self,
        workdir: Path,
        experiment: Experiment,
        vocabulary: Vocabulary,
        step: int,
        graph: Graph,
        params: Params,
    ):
        self.workdir = workdir
        self.experiment = experiment
        self.vocabulary = vocabulary
        self.step = step
        self.params = params
        self._graph = graph

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
    ) -> dict[str, float]:
        """The metrics of a pass over a split: `nats_per_token`, `perplexity`, `tokens`, ...

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
        for name in changes or {}:
            if not name.startswith("data."):
                raise ConfigError(f"{name}: an evaluation can only change fields of data")
        data = override(self.experiment, changes or {}).data
        batches = data.open(self.vocabulary).evaluation(split, batch_size)
        task = self.experiment.task
        carry = task.initial_carry(batches[0].inputs.shape[1])
        eval_step = make_eval_step(task, self._graph)
        metrics = evaluate(eval_step, self.params, carry, progress_bar(batches, split))
        return task.summarize(metrics, self.vocabulary)

    def generate(self, prompt: str = "", **options: Any) -> str:
        """Continues a text: see the `generate` of the run's task for the options.

        Raises:
            ConfigError: the task cannot generate, or an option is outside its range.
        """
        task = self.experiment.task
        if not hasattr(task, "generate"):
            raise ConfigError(f"{type(task).__name__} is not a task that generates text")
        return task.generate(self.model, self.vocabulary, prompt, **options)


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
        ConfigError: its config names a class that is not trusted.
        CheckpointError: no such step, or its checkpoint is damaged.
    """
    return open_run(Path(workdir), run_directory.read_experiment(workdir, trust), step)


def open_run(workdir: Path, experiment: Experiment, step: int | str | None = None) -> Run:
    """The run of an experiment that is known already; see `load`."""
    vocabulary = run_directory.read_vocabulary(workdir)
    directory = workdir / run_directory.CHECKPOINTS
    step = _find_step(directory, step)
    # Of a fresh model only the structure and the shapes are needed.
    build = functools.partial(experiment.task.build, vocabulary=vocabulary)
    graph, template = initialize(build, jax.random.key(0))
    params = checkpoints.restore(directory, step, template, part=".params")
    return Run(workdir, experiment, vocabulary, step, graph, jax.tree.map(jnp.asarray, params))


def _find_step(directory: Path, step: int | str | None) -> int:
    kept = checkpoints.steps(directory)
    if not kept:
        raise CheckpointError(f"{directory} holds no checkpoint yet: train the run first")
    if step == "latest":
        return kept[-1]
    if step is None:
        best = checkpoints.read_manifest(directory, kept[-1])["metadata"]["best_step"]
        return best or kept[-1]
    if step not in kept:
        choice = ", ".join(map(str, kept))
        raise CheckpointError(f"{directory} has no checkpoint of step {step}; it has {choice}")
    return int(step)
