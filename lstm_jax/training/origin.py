"""The run that another one starts from: loaded once, and remembered."""

import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from lstm_jax.config.saved import packages, to_json
from lstm_jax.data.files import expand
from lstm_jax.errors import RunDirectoryError, UserError
from lstm_jax.experiment import Experiment
from lstm_jax.files import write_atomically
from lstm_jax.run import load
from lstm_jax.storage import checkpoints, run_directory
from lstm_jax.training.transfer import Origin

ORIGIN = "origin.json"
"""The file of a run directory that says what the run started from."""


def open_origin(experiment: Experiment, workdir: Path) -> Origin | None:
    """What the model of an experiment starts from: its `task.pretrained`, if it names a run.

    The step that is loaded first is written into `workdir`, and a run that is killed before its
    first checkpoint starts from the same one again. Once it has a checkpoint only the
    preprocessor is needed, which it has as well.

    Raises:
        UserError: that run cannot be loaded, or is not the same any more.
    """
    name = experiment.task.pretrained
    if name is None:
        return None
    trust = packages(json.loads(to_json(experiment)))
    if checkpoints.steps(workdir / run_directory.CHECKPOINTS):
        return Origin(name, run_directory.read_preprocessor(workdir, experiment, trust), None)
    saved = _read(workdir / ORIGIN, name)
    try:
        run = load(expand(name), saved.get("step"), trust)
    except UserError as error:
        raise type(error)(f"task.pretrained: {error}") from error
    record = {"run": name, "step": run.step, "parameters": _digest(run.params)}
    if saved and saved != record:
        raise RunDirectoryError(
            f"task.pretrained: {name} was trained anew since {workdir} started from it: choose "
            "another directory"
        )
    write_atomically(workdir / ORIGIN, (json.dumps(record, indent=2) + "\n").encode())
    return Origin(f"{name}, step {run.step}", run.preprocessor, run.params)


def _read(path: Path, name: str) -> dict[str, Any]:
    """What was written about the run `name`, if anything was."""
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return saved if isinstance(saved, dict) and saved.get("run") == name else {}


def _digest(params: Any) -> str:
    """SHA-256 of all parameters."""
    hashed = hashlib.sha256()
    for path, leaf in jax.tree.leaves_with_path(params):
        hashed.update(jax.tree_util.keystr(path).encode())
        hashed.update(np.asarray(leaf).tobytes())
    return hashed.hexdigest()
