"""The directory of a run: its one writer, its config, its preprocessor and its log of metrics.

A directory `runs/ptb` holds

    config.json  preprocessor.json  metrics.jsonl  learning_curves.png  events.out.tfevents.*
    checkpoints/1200/...  calibration/1200.json  lock

and belongs to one experiment. Runs of before have a vocabulary.json instead of a preprocessor.
"""

import difflib
import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from lstm_jax.config.saved import as_begun, check, from_json, packages, to_json
from lstm_jax.config.tree import difference
from lstm_jax.data.preprocessing import Preprocessor
from lstm_jax.errors import (
    ConfigError,
    DataError,
    RunDirectoryError,
    UserError,
)
from lstm_jax.files import expand_user, storage_error, temporary_name, write_atomically
from lstm_jax.storage import digests
from lstm_jax.storage.digests import CONFIG, PREPROCESSOR
from lstm_jax.storage.lock import LOCK, acquire
from lstm_jax.storage.metrics_log import MetricsLog, read_log

METRICS = "metrics.jsonl"
CHECKPOINTS = "checkpoints"
_VOCABULARY = "vocabulary.json"
"""What runs of before have instead of a preprocessor."""


class RunDirectory:
    """A run directory open for writing, by nobody else. Made by `open_for_writing`.

    Its `experiment` is the one it was opened for, with what an earlier version began it with.
    """

    def __init__(self, path: Path, lock: IO[bytes], experiment: Any):
        self.path = path
        self.experiment = experiment
        self._lock = lock

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints lie; not made before the first one is saved."""
        return self.path / CHECKPOINTS

    def open_metrics(self) -> MetricsLog:
        """The log of metrics, at whose end records are added."""
        return MetricsLog(self.path / METRICS)

    def compare_data(self, saved: str, digest: str) -> None:
        """Compares the digest of the data with that which a checkpoint was trained on.

        Raises:
            RunDirectoryError: the data changed.
        """
        if digest != saved:
            raise RunDirectoryError(
                f"the data changed since {self.path} was trained on them: put the old ones back "
                "or choose another directory"
            )

    def digests(self) -> dict[str, Any]:
        """Those of the files that a checkpoint depends on; see `lstm_jax.storage.digests`."""
        return digests.digests(self.path, self.experiment.MAY_GROW)

    def compare_files(self, saved: Mapping[str, Any], step: int) -> None:
        """Compares the files with what the checkpoint of a step has noted.

        Raises:
            RunDirectoryError: one was changed.
        """
        digests.verify(self.path, saved, step)

    def save_preprocessor(self, preprocessor: Preprocessor) -> None:
        """Saves the preprocessor, or makes sure that it is the one with which the run started.

        Raises:
            RunDirectoryError: the run started with another one.
        """
        path, text = self.path / PREPROCESSOR, to_json(preprocessor)
        if any((self.path / name).exists() for name in (PREPROCESSOR, _VOCABULARY)):
            saved = read_preprocessor(self.path, self.experiment, packages(json.loads(text)))
            if saved.digest != preprocessor.digest:
                raise RunDirectoryError(
                    f"the data changed: {self.path} began with {saved.describe()}, the data now "
                    f"give {preprocessor.describe()} (digest {saved.digest[:8]} there, "
                    f"{preprocessor.digest[:8]} now); bring the data back or choose another "
                    "directory"
                )
        if not path.exists():
            write_atomically(path, text.encode())

    def close(self) -> None:
        """Lets another writer in."""
        self._lock.close()

    def __enter__(self) -> "RunDirectory":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def open_for_writing(workdir: str | Path, experiment: Any) -> RunDirectory:
    """Starts or resumes the run of `experiment` in `workdir`, as its only writer.

    The kernel frees the lock when the process ends, however it ends. A run is resumed only with the
    experiment it started with, except that numbers in the fields which `experiment.MAY_GROW` names
    may have become larger; None is "no limit" there, the largest of all. A run
    that was stopped before it had a preprocessor, by a mistake in its config perhaps, starts anew.

    Use it in a `with` statement.

    Raises:
        RunDirectoryError: another process (or this one) is writing the run, the directory holds
            another experiment, or something that is not a run.
        ConfigError: the experiment holds a value of a wrong type, or a class that could not be
            found again.
        StorageError: the disk is full or refuses to be written.
    """
    check(experiment)
    path = expand_user(workdir)
    try:
        path.mkdir(parents=True, exist_ok=True)
        names = {child.name for child in path.iterdir()}
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise RunDirectoryError(f"{path} cannot be a run directory: {error.strerror}") from error
    except OSError as error:
        raise storage_error(path, error) from error
    # A run killed right at its start leaves no more than these.
    if CONFIG not in names and names - {LOCK, temporary_name(path / CONFIG).name}:
        raise RunDirectoryError(
            f"{path} is not empty and not a run directory (it has no {CONFIG}): "
            "choose another directory"
        )
    lock = acquire(path)
    try:
        return RunDirectory(path, lock, _save_config(path / CONFIG, experiment))
    except BaseException:
        lock.close()
        raise


def read_experiment(workdir: str | Path, trust: Collection[str] = ()) -> Any:
    """The experiment of a run.

    Args:
        workdir: the run directory.
        trust: packages, beside `lstm_jax`, whose classes the experiment may use.

    Raises:
        RunDirectoryError: there is no such directory, or it is not a run directory.
        ConfigError: its config cannot be read.
    """
    path = expand_user(workdir)
    text = _read_text(path, CONFIG)
    try:
        return from_json(text, trust)
    except ConfigError as error:
        raise ConfigError(f"{path / CONFIG}: {error}") from error


def read_preprocessor(
    workdir: str | Path, experiment: Any, trust: Collection[str] = ()
) -> Preprocessor:
    """The preprocessor of a run.

    Args:
        workdir: the run directory.
        experiment: that of the run, whose data read what runs of before have.
        trust: packages, beside `lstm_jax`, whose classes it may be of.

    Raises:
        RunDirectoryError: there is no such run, or it has no preprocessor (yet).
        DataError: the file is malformed, or of a class that is not trusted.
    """
    path = expand_user(workdir)
    of_before = not (path / PREPROCESSOR).exists() and (path / _VOCABULARY).exists()
    name = _VOCABULARY if of_before else PREPROCESSOR
    text = _read_text(path, name)
    try:
        if of_before:
            return experiment.data.restore(text)
        found = from_json(text, trust)
    except UserError as error:
        raise DataError(f"{path / name}: {error}") from error
    if not isinstance(found, Preprocessor):
        raise DataError(f"{path / name}: a {type(found).__name__} is no preprocessor")
    return found


def read_metrics(workdir: str | Path) -> dict[str, dict[str, np.ndarray]]:
    """The metrics log of a run as arrays, ready to plot; empty if nothing was logged yet.

    Returns:
        For each split its columns, all of one length: `metrics["validation"]["perplexity"]` over
        `metrics["validation"]["step"]`. Counts are int64, the rest float64; NaN where a value is
        missing.

    Raises:
        RunDirectoryError: there is no such run, or a line of the log is malformed.
    """
    path = expand_user(workdir)
    _read_text(path, CONFIG)
    return read_log(path / METRICS)


def _save_config(path: Path, experiment: Any) -> Any:
    """Writes the config of a new run; compares it with that of a run to be resumed."""
    text = to_json(experiment)
    marks = PREPROCESSOR, _VOCABULARY, CHECKPOINTS
    begun = any(path.with_name(name).exists() for name in marks)
    if not begun or not path.exists():
        write_atomically(path, text.encode())
        return experiment
    try:
        # Classes come from packages that the caller's own experiment already uses.
        begun_with = path.read_text(encoding="utf-8")
        saved = from_json(begun_with, packages(json.loads(text)))
        experiment = as_begun(experiment, begun_with)
    except (ConfigError, UnicodeDecodeError) as error:
        raise RunDirectoryError(
            f"{path} cannot be compared with the experiment: {error}; choose another directory"
        ) from error
    changes = difference(saved, experiment)
    if refused := [
        f"{name or 'the class'} was {old!r} and is now {new!r}"
        + (" (it may only grow)" if name in experiment.MAY_GROW else "")
        for name, (old, new) in changes.items()
        if name not in experiment.MAY_GROW or not _grows(old, new)
    ]:
        raise RunDirectoryError(
            f"{path.parent} holds another experiment: {'; '.join(refused)}; "
            "undo the change or choose another directory"
        )
    if changes:
        # These fields alone: checkpoints have noted the rest as it was written.
        grown = json.loads(begun_with)
        for name, (_, new) in changes.items():
            holder, last = digests.holder_of(grown, name)
            holder[last] = new
        write_atomically(path, (json.dumps(grown, indent=2) + "\n").encode())
    return experiment


def _grows(old: Any, new: Any) -> bool:
    try:
        return (math.inf if new is None else new) > (math.inf if old is None else old)
    except TypeError:
        return False


def _read_text(path: Path, name: str) -> str:
    """A file of a run directory, or an error that says what is missing and what may be meant."""
    try:
        return (path / name).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, UnicodeDecodeError) as error:
        raise RunDirectoryError(f"{path / name} cannot be read: {error}") from error
    if (path / CONFIG).exists():
        if (path / CHECKPOINTS).exists():
            raise RunDirectoryError(
                f"{path / name} is missing, without which the run cannot be read: put it back"
            )
        raise RunDirectoryError(f"{path} has no {name}: the run stopped before it was written")
    if path.is_dir():
        runs = sorted(str(child.parent) for child in path.glob(f"*/{CONFIG}"))
        hint = f"; it holds the runs {', '.join(runs)}" if runs else ""
        raise RunDirectoryError(f"{path} is not a run directory: it has no {CONFIG}{hint}")
    siblings = [str(child.parent) for child in path.parent.glob(f"*/{CONFIG}")]
    near = difflib.get_close_matches(str(path), siblings, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise RunDirectoryError(f"{path}: no such directory{hint}")
