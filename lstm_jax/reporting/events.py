"""What TensorBoard reads."""

import contextlib
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboardX.proto import event_pb2
from tensorboardX.record_writer import RecordWriter

from lstm_jax.files import storage_error

# Protocol buffers make their classes at import, where a type checker does not see them.
_protocol: Any = event_pb2


class EventFile:
    """An event file, written in the thread of its caller.

    tensorboardX's own `SummaryWriter` writes in a thread of its own, which dies at a full disk; the
    training would then wait for it for ever.
    """

    def __init__(self, workdir: Path, suffix: str = ""):
        """Opens a new file in a run directory, whose name ends with `suffix`.

        Raises:
            StorageError: here as below, the disk is full or refuses to be written.
        """
        # TensorBoard reads the files of a run in the order of their names.
        now = time.time_ns()
        name = f"events.out.tfevents.{now // 10**9}.{socket.gethostname()}.{now}{suffix}"
        self._path = workdir / name
        try:
            self._writer = RecordWriter(str(self._path))
        except OSError as error:
            raise storage_error(self._path, error) from error
        self._write(_protocol.Event(file_version="brain.Event:2"))

    def start(self, step: int) -> None:
        """Says that what earlier files have from this step on does not count any more."""
        start = _protocol.SessionLog(status=_protocol.SessionLog.START)
        self._write(_protocol.Event(step=step, session_log=start))

    def scalars(self, step: int, tags: Mapping[str, float]) -> None:
        """Writes numbers by their names."""
        event = _protocol.Event(step=step)
        for tag, value in tags.items():
            event.summary.value.add(tag=tag, simple_value=value)
        self._write(event)

    def summary(self, summary: Any) -> None:
        """Writes a summary that tensorboardX has made."""
        self._write(_protocol.Event(summary=summary))

    def close(self) -> None:
        """Closes the file."""
        self._writer.close()

    def _write(self, event: Any) -> None:
        event.wall_time = time.time()
        try:
            self._writer.write(event.SerializeToString())
            self._writer.flush()
        except OSError as error:
            with contextlib.suppress(OSError):
                self.close()
            raise storage_error(self._path, error) from error
