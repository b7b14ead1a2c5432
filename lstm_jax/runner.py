"""The training loop."""

import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax import checkpoints, run_directory
from lstm_jax.errors import NonFiniteError
from lstm_jax.experiment import Experiment
from lstm_jax.interruption import Interruption
from lstm_jax.memory import keep_freed_memory
from lstm_jax.reporting import Reporter, describe_evaluation, progress_bar
from lstm_jax.run import Run, open_run
from lstm_jax.training import (
    GRADIENT_NORM,
    all_finite,
    evaluate,
    init_state,
    make_eval_step,
    make_train_steps,
    stack,
    update_progress,
    zeros_like,
)


def train(experiment: Experiment, workdir: str | Path) -> Run:
    """Trains an experiment in a run directory, or goes on with it where it was stopped.

    However often the process is killed and started again, the run ends with the same parameters,
    optimizer state, carry and metrics log, bit for bit, as if nothing had happened (on the same
    machine and versions). On Ctrl-C and SIGTERM it saves a checkpoint first.

    The order of operations, at every step where they are due:
        1. evaluate on the validation split: best score, plateau, early stopping; save
        2. end, if that was the last step or patience is at its end
        3. save and leave, if a signal asks for it
        4. one dispatch of optimizer steps; stop if the loss or a gradient is not finite
        5. log the training metrics since the last record
        6. save, if only a checkpoint is due

    Returns:
        The run, with the checkpoint of the best validation score.

    Raises:
        RunDirectoryError: the directory is in use, or holds another experiment.
        DataError: the data cannot be read.
        NonFiniteError: loss, gradient or parameters became NaN or infinite.
        StorageError: the disk is full.
        KeyboardInterrupt: after Ctrl-C, once a checkpoint is saved.
        SystemExit: after SIGTERM, once a checkpoint is saved.
    """
    keep_freed_memory()
    with run_directory.open_for_writing(workdir, experiment) as directory:
        _Loop(experiment, directory).run()
        return open_run(directory.path, experiment)


class _Loop:
    """The operations of the loop and what they share."""

    def __init__(self, experiment: Experiment, directory: run_directory.RunDirectory):
        self.experiment, self.directory = experiment, directory
        self.vocabulary = experiment.data.build_vocabulary()
        directory.save_vocabulary(self.vocabulary)
        self.dataset = experiment.data.open(self.vocabulary)
        self.epoch = self.dataset.steps_per_epoch
        self.total = experiment.total_steps(self.epoch)
        self.evaluate_every = experiment.evaluate_every or self.epoch
        task, optimizer = experiment.task, experiment.optimizer
        graph, self.state = init_state(
            task,
            optimizer,
            self.vocabulary,
            self.dataset.batch(0),
            batch_size=self.dataset.batch_size,
            steps_per_epoch=self.epoch,
            seed=experiment.seed,
        )
        self.train_steps = make_train_steps(
            task, optimizer, graph, steps_per_epoch=self.epoch, seed=experiment.seed
        )
        self.eval_step = make_eval_step(task, graph)
        self.log = directory.open_metrics()
        restored = checkpoints.restore_latest(directory.checkpoints, self.state)
        if restored:
            self.state = jax.tree.map(jnp.array, restored.state)
        self.log.truncate(restored.metadata["metrics_size"] if restored else 0)
        self.step = restored.step if restored else 0
        self.reporter = Reporter(directory.path, self.total, self.step)

    def run(self) -> None:
        """The one visible loop; `train` states its order."""
        every = self.experiment
        with Interruption() as interruption, self.reporter:
            while True:
                if self._is_due(self.evaluate_every):
                    self._evaluate(interruption)
                if self.step == self.total or self._out_of_patience():
                    break
                if interruption:
                    self._save()
                    self.reporter.message(f"saved step {self.step}; the same command goes on")
                    raise interruption.exception()
                self._dispatch()
                if self._is_due(every.log_every):
                    self._log_training()
                if every.checkpoint_every and self._is_due(every.checkpoint_every):
                    self._save()
        self.log.close()

    def _is_due(self, interval: int) -> bool:
        return self.step > 0 and (self.step % interval == 0 or self.step == self.total)

    def _evaluate(self, interruption: Interruption) -> None:
        """Evaluates unless this step was evaluated before; leaves it for later if interrupted."""
        progress = self.state.progress
        if int(progress.evaluated_step) == self.step:
            return
        task = self.experiment.task
        batches = self.dataset.evaluation("validation")
        bar = progress_bar(batches, "validation")
        carry = task.initial_carry(batches[0].inputs.shape[1])
        uninterrupted = itertools.takewhile(lambda _: not interruption, bar)
        sums = evaluate(self.eval_step, self.state.params, carry, uninterrupted)
        if interruption:
            return
        metrics = task.summarize(sums, self.vocabulary)
        self._record("validation", metrics)
        score = metrics[task.score.metric]
        progress = update_progress(
            progress, task.score, self.experiment.optimizer, self.step, score
        )
        self.state = self.state._replace(progress=progress)
        self.reporter.message(describe_evaluation(self.step, self.step / self.epoch, metrics))
        self._save()

    def _out_of_patience(self) -> bool:
        patience = self.experiment.patience
        return patience is not None and self.state.progress.evaluations_since_best >= patience

    def _dispatch(self) -> None:
        """One call of the compiled program, which never runs past a step where something is due."""
        every = self.experiment
        intervals = [self.evaluate_every, every.log_every, every.checkpoint_every or self.total]
        room = min(self.total - self.step, *(n - self.step % n for n in intervals))
        # A partial dispatch is made of single steps, so that only two programs are compiled.
        count = every.steps_per_dispatch if room >= every.steps_per_dispatch else 1
        steps = range(self.step, self.step + count)
        batches = stack([self.dataset.batch(step) for step in steps])
        self.state, report = self.train_steps(self.state, batches)
        for step, loss, norm in zip(steps, *map(np.asarray, report), strict=True):
            if not (np.isfinite(loss) and np.isfinite(norm)):
                raise self._non_finite(f"loss {loss} and gradient norm {norm} at step {step}")
        self.step += count
        self.reporter.step(self.step, self.dataset.items_per_batch * count, loss=report.loss[-1])

    def _log_training(self) -> None:
        sums = {name: mean.to_host() for name, mean in self.state.metrics.items()}
        metrics = self.experiment.task.summarize(sums, self.vocabulary)
        scale = float(self.state.progress.learning_rate_scale)
        rate = self.experiment.optimizer.learning_rate_at(self.step - 1, self.epoch, scale)
        norm = sums[GRADIENT_NORM].compute()
        self._record("train", metrics | {GRADIENT_NORM: norm, "learning_rate": rate})
        self.state = self.state._replace(metrics=zeros_like(self.state.metrics))

    def _record(self, split: str, metrics: dict[str, float]) -> None:
        record = {"step": self.step, "epoch": self.step / self.epoch, **metrics}
        self.log.append({"split": split, **record})
        self.reporter.scalars(self.step, split, metrics)

    def _save(self) -> None:
        if not all_finite((self.state.params, self.state.optimizer_state)):
            raise self._non_finite(f"parameters not finite after step {self.step - 1}")
        self.log.sync()
        best = int(self.state.progress.best_step)
        metadata = {"metrics_size": self.log.size, "best_step": best}
        checkpoints.save(self.directory.checkpoints, self.step, self.state, metadata)
        latest = checkpoints.steps(self.directory.checkpoints)[-self.experiment.keep :]
        checkpoints.prune(self.directory.checkpoints, {best, *latest})
        self.reporter.curves(run_directory.read_metrics(self.directory.path))

    def _non_finite(self, what: str) -> NonFiniteError:
        saved = checkpoints.steps(self.directory.checkpoints)
        newest = f"the newest checkpoint, of step {saved[-1]}, is finite" if saved else "none saved"
        return NonFiniteError(f"{what}; {newest}; try a lower learning rate or clip_norm")
