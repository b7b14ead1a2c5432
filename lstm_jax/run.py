"""A run that was trained: its metrics, its model, and what the model can do."""

import functools
import io
import logging
import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.config.tree import override
from lstm_jax.data.base import SPLITS, Split
from lstm_jax.data.labelled import LabelledTexts
from lstm_jax.data.text.vocabulary import Vocabulary
from lstm_jax.errors import CheckpointError, ConfigError
from lstm_jax.experiment import Experiment
from lstm_jax.files import expand_user
from lstm_jax.inference.explanation import Explanation, explain
from lstm_jax.inference.prediction import Predictions, predict
from lstm_jax.modules import Graph, merge, structure
from lstm_jax.reporting.reporter import progress_bar, say
from lstm_jax.storage import checkpoints, digests, run_directory
from lstm_jax.tasks.base import Score
from lstm_jax.tasks.evaluation import evaluate, make_eval_step
from lstm_jax.types import Params

_log = logging.getLogger(__name__)


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
    ) -> dict[str, Any]:
        """The metrics of a pass over a split: `nats_per_token`, `perplexity`, `tokens`, ...

        For a classifier: `accuracy`, `macro_f1`, `nats`, `calibration_error`, `examples`, `classes`
        and `confusion_matrix`. Beside them the data's own: `unknown_share`, of tokens that the
        vocabulary lacks, and `dropped_tokens`, beyond a classifier's `data.max_length`.

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
        dataset = data.open(self.vocabulary)
        batches = dataset.evaluation(split, batch_size)
        task = self.experiment.task
        eval_step = make_eval_step(task, self._graph)
        found = evaluate(eval_step, self.params, progress_bar(batches, split))
        metrics: dict[str, Any] = task.summarize(*found, self.vocabulary)
        metrics |= dataset.facts(split)
        return metrics | task.details(*found, self.vocabulary)

    def predict(self, texts: Iterable[str], *, batch_size: int = 64) -> Predictions:
        """What a classifier says of texts, any number of them: labels and probabilities.

            run.predict(["a great film", "not my kind of film"]).labels
            run.predict(open("texts.txt"))

        A text is read as in training: `data.max_length` cuts it, and an empty one is a text of no
        words.

        Args:
            texts: the texts, in any iterable that has an order. A file that is open for reading
                gives one for each line, without the line's end.
            batch_size: how many are computed side by side; the result does not depend on it.

        Raises:
            ConfigError: the run is not of a classifier, or `batch_size` is below 1.
        """
        data = self._labelled_texts()
        texts = _as_list(texts)
        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {batch_size}")
        sequences, dropped = data.encode_all(texts, self.vocabulary)
        if dropped:
            say(dropped)
        classes, fill = self.vocabulary.classes, self.vocabulary.start
        options = {"batch_size": batch_size, "shapes": data.groups, "fill": fill}
        return predict(self.model, classes, sequences, **options)

    def generate(self, prompt: str = "", **options: Any) -> str:
        """Continues a text: see the `generate` of the run's task for the options.

        Raises:
            ConfigError: the task cannot generate, or an option is outside its range.
        """
        task = self.experiment.task
        generate = getattr(task, "generate", None)
        if generate is None:
            raise ConfigError(f"{type(task).__name__} is not a task that generates text")
        return generate(self.model, self.vocabulary, prompt, **options)

    def explain(
        self, text: str, label: str | None = None, *, tolerance: float = 0.01
    ) -> Explanation:
        """What each word of a text contributes to its classification; shown in colours.

        By integrated gradients, which add up to what the text changes in the logit, and by leaving
        each word out. Words that `data.max_length` cuts off contribute nothing.

        Args:
            text: the text.
            label: the class to explain; by default the likeliest one.
            tolerance: how far the integrated gradients may be from adding up to the change of the
                logit, relative to it or, if that is larger, to 1.

        Raises:
            ConfigError: the run is not of a classifier, it has no such class, or the tolerance is
                not positive.
        """
        data = self._labelled_texts()
        if not isinstance(text, str):
            raise ConfigError(f"a text must be a string, not {type(text).__name__}")
        return explain(self.model, self.vocabulary, data, text, label, tolerance)

    def _labelled_texts(self) -> LabelledTexts:
        """The config of the data of a classifier."""
        data = self.experiment.data
        if not isinstance(data, LabelledTexts):
            task = type(self.experiment.task).__name__
            raise ConfigError(f"{task} is not a task that classifies texts")
        return data


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
        CheckpointError: no such step, or its checkpoint is damaged. Without a `step` the next best
            is loaded then, with a warning.
    """
    return open_run(expand_user(workdir), run_directory.read_experiment(workdir, trust), step)


def open_run(workdir: Path, experiment: Experiment, step: int | str | None = None) -> Run:
    """The run of an experiment that is known already; see `load`."""
    vocabulary = run_directory.read_vocabulary(workdir)
    directory = workdir / run_directory.CHECKPOINTS
    kept = checkpoints.steps(directory)
    if not kept:
        raise CheckpointError(f"{directory} holds no checkpoint yet: train the run first")
    if step is None:
        candidates = _ranked(kept, run_directory.read_metrics(workdir), experiment.task.score)
    elif step == "latest":
        candidates = [kept[-1]]
    elif step in kept:
        candidates = [int(step)]
    else:
        choice = ", ".join(map(str, kept))
        raise CheckpointError(f"{directory} has no checkpoint of step {step}; it has {choice}")
    noted = checkpoints.read_manifest(directory, candidates[0])["metadata"].get("files", {})
    digests.verify(workdir, noted, experiment.MAY_GROW, candidates[0])
    # Of a fresh model only the structure and the shapes are needed.
    build = functools.partial(experiment.task.build, vocabulary=vocabulary)
    graph, template = structure(build)
    step, params = _restore(directory, candidates, template)
    return Run(workdir, experiment, vocabulary, step, graph, jax.tree.map(jnp.asarray, params))


def _restore(directory: Path, candidates: list[int], template: Params) -> tuple[int, Params]:
    """The first of the steps whose checkpoint is not damaged, and its parameters."""
    *preferred, last = candidates
    for step in preferred:
        try:
            return step, checkpoints.restore(directory, step, template, part=".params")
        except CheckpointError as error:
            _log.warning("%s; using the next best", error)
    return last, checkpoints.restore(directory, last, template, part=".params")


def _as_list(texts: Any) -> list[str]:
    """Texts that are gone through more than once.

    Raises:
        ConfigError: they are something else, or have no order.
    """
    if isinstance(texts, str):
        raise ConfigError("predict takes a list of texts, not one text: predict([text])")
    # Of a mapping or a table, going through it gives the names of the columns.
    is_table = isinstance(texts, Mapping) or getattr(texts, "ndim", 1) != 1
    if is_table or isinstance(texts, set | frozenset) or not isinstance(texts, Iterable):
        hint = "a column of it, for example" if is_table else "in an order"
        raise ConfigError(f"predict takes a list of texts, not a {type(texts).__name__}: {hint}")
    if isinstance(texts, io.TextIOBase):
        texts = (line.removesuffix("\n") for line in texts)
    listed = list(texts)
    if wrong := [text for text in listed if not isinstance(text, str)]:
        raise ConfigError(f"a text must be a string, not {type(wrong[0]).__name__}")
    return listed


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
