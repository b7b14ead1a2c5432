"""The training loop."""

import json
from collections.abc import Callable
from pathlib import Path

from lstm_jax.config.saved import packages, to_json
from lstm_jax.errors import ConfigError
from lstm_jax.experiment import Experiment
from lstm_jax.recurrence import backend
from lstm_jax.reporting.reporter import Reporter, describe_evaluation, progress_bar
from lstm_jax.run import Run, open_run
from lstm_jax.runtime.interruption import Interruption
from lstm_jax.runtime.memory import keep_freed_memory
from lstm_jax.storage import calibration, checkpoints, run_directory
from lstm_jax.storage.run_directory import RunDirectory
from lstm_jax.tasks import evaluation
from lstm_jax.tasks.capabilities import capabilities
from lstm_jax.tasks.contract import figures
from lstm_jax.training.finite import check_state, dispatch
from lstm_jax.training.origin import open_origin
from lstm_jax.training.progress import check_same_score, check_score, update_progress
from lstm_jax.training.step import own, prepare, summarize, zeros_like


def train(
    experiment: Experiment, workdir: str | Path, should_stop: Callable[[], bool] = bool
) -> Run:
    """Trains an experiment in a run directory, or goes on with it where it was stopped.

    However often the process is killed and started again, the run ends with the same parameters,
    optimizer state, carry and metrics log, bit for bit (same machine and versions, on CPUs).

    The order of operations, at every step where they are due:
        1. evaluate on the validation split: best score, plateau, early stopping
        2. save: after an evaluation, every `checkpoint_every` steps, before the end
        3. end, if a signal asks for it, that was the last step, patience is at its end, or
           `should_stop()`, which is asked after every evaluation, is true
        4. one dispatch of optimizer steps; stop if a loss or a gradient is not finite
        5. log the training metrics since the last record: every `log_every` steps, and before 1
    An end between two evaluations is evaluated, too, but after the last save: if steps or epochs
    grow, the run goes on as if it had never ended. Returned are the best parameters, by validation,
    for which `task.calibrate` has learned what it needs.

    Raises:
        RunDirectoryError: the directory is in use, or holds another experiment or other data.
        ConfigError: the task gives something else than it must, or is scored otherwise than before.
        DataError, CheckpointError: the data cannot be read, or every checkpoint is damaged.
        NonFiniteError: a loss, a gradient or a parameter became NaN or infinite.
        StorageError: the disk is full.
        KeyboardInterrupt, SystemExit: after Ctrl-C or SIGTERM, once a checkpoint is saved.
    """
    keep_freed_memory()
    for name in capabilities(experiment.task):
        if hasattr(Run, name):
            what = f"{type(experiment.task).__name__}.{name}"
            raise ConfigError(f"{what}: a run has its own {name!r}: call the capability otherwise")
    with run_directory.open_for_writing(workdir, experiment) as directory:
        _Loop(directory, should_stop).run()
        # The caller has built the experiment, and what is learned is of its packages.
        trust = packages(json.loads(to_json(directory.experiment)))
        run = open_run(directory.path, directory.experiment, trust=trust)
        run.calibrate()
        calibration.prune(directory.path, run.steps)
        return run


class _Loop:
    """The operations of the loop and what they share."""

    def __init__(self, directory: RunDirectory, asked: Callable[[], bool]):
        experiment: Experiment = directory.experiment
        self.task, self.optimizer = experiment.task, experiment.optimizer
        self.directory, self.keep, self.should_stop = directory, experiment.keep, asked
        what = self.task, experiment.data, self.optimizer, experiment.seed
        prepared = prepare(*what, open_origin(experiment, directory.path))
        self.preprocessor, self.dataset, self.state = prepared[:3]
        self.train_steps, self.eval_step, self.backend, self.notes = prepared[3:]
        self.validation, self.digest = self.dataset.evaluation("validation"), self.dataset.digest
        self.epoch = self.dataset.steps_per_epoch
        self.due = experiment.timetable(self.epoch)

    def run(self) -> None:
        """Restores, opens what must be closed, and goes through the loop."""
        if not checkpoints.steps(self.directory.checkpoints):
            parts = self.eval_step, self.state.params, self.validation[:1]
            check_score(self.task, *parts, self.preprocessor)
        # Nothing was wrong with the experiment: from here on the directory takes no other.
        self.directory.save_preprocessor(self.preprocessor)
        # Now, for what somebody writes there while the run goes on is not what it was trained by.
        self.files = self.directory.digests()
        restored = checkpoints.restore_latest(self.directory.checkpoints, self.state)
        if restored:
            self.directory.compare_data(restored.metadata["data"], self.digest)
            self.directory.compare_files(restored.metadata.get("files", {}), restored.step)
            logged = run_directory.read_metrics(self.directory.path)
            check_same_score(self.task, restored.state.progress, logged)
            self.notes += backend.describe_change(restored.metadata.get("backend"), self.backend)
        else:
            self.notes = "\n".join([self.notes, *self.task.warn(self.dataset)])
        self.state = own(restored.state) if restored else self.state
        self.step, self.is_saved = int(self.state.step), restored is not None
        shown = self.directory.path, self.due.total, self.step, self.dataset.items
        with (
            self.directory.open_metrics() as self.log,
            Reporter(*shown) as self.reporter,
            Interruption() as self.interruption,
        ):
            self.reporter.message(self.notes)
            self.log.truncate(restored.metadata["metrics_size"] if restored else 0)
            self._loop()

    def _loop(self) -> None:
        """The one visible loop; `train` states its order."""
        ended = False
        while not (ended or self.interruption):
            if evaluated := self.due.evaluation(self.step):
                self._evaluate()
            ended = self.due.end(self.step, int(self.state.progress.evaluations_since_best))
            ended = ended or (evaluated and not self.interruption and self.should_stop())
            if self.due.checkpoint(self.step):
                self._save()
            if not (ended or self.interruption):
                self._dispatch(self.due.dispatch(self.step))
                if self.due.log(self.step):
                    self._log_training()
        self._save()
        if not self.interruption:
            self._log_training()
            self._evaluate()
        if self.interruption:
            self.reporter.message(f"saved step {self.step}; the same command goes on from there")
            raise self.interruption.exception()

    def _evaluate(self) -> None:
        """Evaluates, unless that is done already or a signal asks to leave."""
        progress, score = self.state.progress, self.task.score
        if int(progress.evaluated_step) == self.step:
            return
        batches = self.interruption.ends(progress_bar(self.validation, "validation"))
        found = evaluation.evaluate(self.eval_step, self.state.params, batches)
        if self.interruption:
            return
        metrics = figures(self.task, *found, self.preprocessor)
        self._record("validation", metrics)
        value = metrics[score.metric]
        progress = update_progress(progress, score, self.optimizer, self.step, value)
        self.state, self.is_saved = self.state._replace(progress=progress), False
        shown = metrics | dict(self.dataset.facts("validation"))
        self.reporter.message(describe_evaluation(self.step, self.step / self.epoch, shown))
        self.reporter.curves(run_directory.read_metrics(self.directory.path))

    def _save(self) -> None:
        path = self.directory.checkpoints
        if not self.is_saved:
            check_state(self.state)
            self.log.sync()
            metadata = {"metrics_size": self.log.size, "data": self.digest, "backend": self.backend}
            metadata["files"] = self.files
            checkpoints.save(path, self.step, self.state, metadata)
            self.is_saved = True
        # Saved before, too: a kill may have come between. Later steps are damaged ones.
        latest = [step for step in checkpoints.steps(path) if step <= self.step][-self.keep :]
        checkpoints.prune(path, {int(self.state.progress.best_step), *latest})

    def _dispatch(self, count: int) -> None:
        batches = [self.dataset.batch(self.step + i) for i in range(count)]
        self.state, loss = dispatch(self.train_steps, self.state, batches)
        self.step, self.is_saved = self.step + count, False
        self.reporter.step(self.step, self.dataset.items_per_batch * count, loss=loss)

    def _log_training(self) -> None:
        """Logs the means since the last record, if there was a step since, and begins new ones."""
        parts = self.task, self.optimizer, self.preprocessor, self.epoch
        if metrics := summarize(self.state, *parts):
            self._record("train", metrics)
            self.state = self.state._replace(metrics=zeros_like(self.state.metrics))

    def _record(self, split: str, metrics: dict[str, float]) -> None:
        where = {"step": self.step, "epoch": self.step / self.epoch}
        self.log.append({"split": split, **where, **metrics})
        self.reporter.scalars(self.step, split, metrics)
