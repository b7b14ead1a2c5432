"""What fills TensorBoard's HParams view: a trial's values beside its metrics."""

import contextlib
import socket
import time
from pathlib import Path
from typing import Any

from tensorboardX.proto import event_pb2
from tensorboardX.record_writer import RecordWriter
from tensorboardX.summary import hparams

from lstm_jax.files import storage_error
from lstm_jax.sweeps.space import Setting

_protocol: Any = event_pb2  # its classes are made at import, where a type checker does not see them
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
    now = time.time_ns()
    name = f"events.out.tfevents.{now // 10**9}.{socket.gethostname()}.{now}{_SUFFIX}"
    values = {name: "none" if value is None else value for name, value in setting.items()}
    # TensorBoard takes the description of a whole experiment from one run, and no run knows the
    # values of the others. Without any it looks at all of them.
    _, start, end = hparams(values, {})
    summaries = (start, end) if succeeded else (start,)
    events = [_protocol.Event(file_version="brain.Event:2")]
    events += [_protocol.Event(summary=summary) for summary in summaries]
    try:
        with contextlib.closing(RecordWriter(str(workdir / name))) as writer:
            for event in events:
                event.wall_time = time.time()
                writer.write(event.SerializeToString())
    except OSError as error:
        raise storage_error(workdir / name, error) from error
