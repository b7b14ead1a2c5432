"""What fills TensorBoard's HParams view: a trial's values beside its metrics."""

import contextlib
from pathlib import Path

from tensorboardX.summary import hparams

from lstm_jax.reporting.events import EventFile
from lstm_jax.sweeps.space import Setting

_SUFFIX = ".hparams"


def write_hparams(workdir: Path, setting: Setting, *, succeeded: bool) -> None:
    """Writes an event file into the directory of a run that has ended; once.

    Not earlier: TensorBoard reads the files of a run by name, and never an older one again after it
    has come to the next.

    Args:
        workdir: the run directory.
        setting: the values of the trial.
        succeeded: whether the trial has a result.

    Raises:
        StorageError: the disk is full or refuses to be written.
    """
    if any(workdir.glob(f"*{_SUFFIX}")):
        return
    values = {name: "none" if value is None else value for name, value in setting.items()}
    # TensorBoard takes the description of a whole experiment from one run, and no run knows the
    # values of the others. Without any it looks at all of them.
    _, start, end = hparams(values, {})
    with contextlib.closing(EventFile(workdir, _SUFFIX)) as file:
        for summary in (start, end) if succeeded else (start,):
            file.summary(summary)
