"""Starts the workers of one machine, and stays until no trial is left."""

import contextlib
import importlib.metadata
import importlib.util
import os
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from lstm_jax.errors import SweepError
from lstm_jax.files import storage_error
from lstm_jax.runtime.interruption import Interruption
from lstm_jax.sweeps.liveness import host
from lstm_jax.sweeps.study import Study
from lstm_jax.sweeps.trials import OWNER, Standing, State
from lstm_jax.sweeps.watch import Watch

_PAUSE = 0.5
"""Seconds between two looks at the workers."""
_LOOK = 2.0
"""Seconds between two looks at the storage."""
_STILLBORN = 20
"""The sweep stops when so many workers in a row are killed and no trial ends but by failing."""
_THREADS = ("LSTM_JAX_NUM_THREADS", "NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What bounds the threads of the native kernel, of XLA's CPU client, and of NumPy's libraries."""


def default_workers() -> int:
    """How many workers are started where nobody says: one for each core, or one on an accelerator.

    A small recurrent network gains little from a second thread, less than from another trial beside
    it: docs/results.md has the measurement. The first process on an accelerator takes most of its
    memory. Where JAX has a plugin for one, it is taken to be there, unless JAX_PLATFORMS is "cpu".
    """
    platforms = os.environ.get("JAX_PLATFORMS", "")
    plugins = importlib.metadata.entry_points(group="jax_plugins")
    has_plugin = len(plugins) > 0 or importlib.util.find_spec("libtpu") is not None
    return 1 if has_plugin and platforms != "cpu" else cores()


def cores() -> int:
    """The cores that this process may use, a container's limit on CPU time considered."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        count = os.cpu_count() or 1
    return max(1, min(count, round(_quota())))


def _quota(groups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float:
    """How many cores' time the control groups (version 2) of this process have together."""
    least = float(1 << 16)
    try:
        (name,) = (line[3:] for line in own.read_text().splitlines() if line.startswith("0::"))
    except (OSError, ValueError):
        return least
    folder = groups / name.lstrip("/")
    for group in (folder, *folder.parents[: len(folder.parts) - len(groups.parts)]):
        with contextlib.suppress(OSError, ValueError):
            limit, period = (group / "cpu.max").read_text().split()
            least = min(least, int(limit) / int(period))  # "max" is no number
    return least


def launch(study: Study, command: Sequence[str], workers: int) -> None:
    """Keeps workers at work until the trials or the hours are used up.

    A worker that is killed is replaced, and its trial gone on with. After Ctrl-C or SIGTERM all
    workers save their runs and leave; if this process is killed, they do as well.

    Args:
        study: the sweep.
        command: starts a worker; it works on one trial after another, and ends when its standard
            input does.
        workers: how many at a time.

    Raises:
        SweepError: a worker met something that has to be mended first.
        KeyboardInterrupt, SystemExit: after a signal, once the workers have left.
    """
    with _Crew(study, command, workers) as crew, Interruption() as interruption:
        crew.run(interruption)
    if interruption:
        raise interruption.exception()


class _Crew:
    """The workers of this machine."""

    def __init__(self, study: Study, command: Sequence[str], workers: int):
        self.study, self.command, self.workers = study, list(command), workers
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.logs = study.workdir / "logs"
        try:
            self.logs.mkdir(exist_ok=True)
        except OSError as error:
            raise storage_error(self.logs, error) from error
        threads = max(1, cores() // workers)
        self.environment = dict(os.environ) | {name: str(threads) for name in _THREADS}
        self.killed, self.done, self.looked = 0, 0, 0.0
        self.standing = self._look()

    def run(self, interruption: Interruption) -> None:
        """Starts, watches and replaces workers until there is nothing left to do."""
        with Watch(self.study) as watch:
            while True:
                self._reap()
                if time.monotonic() - self.looked > _LOOK:
                    self.standing = self._look()
                    watch.show(self.standing)
                if interruption or self.standing.is_late:
                    break
                if self._has_work():
                    self._start()
                elif not self.processes and not self.standing.held:
                    break
                time.sleep(_PAUSE)
            self._dismiss()
            watch.show(self._look())

    def _look(self) -> Standing:
        """How the sweep stands; ends the attempts of workers that are known to be dead."""
        self.study.desk.release_dead()
        self.study.desk.stop_if_all_fail()
        self.looked = time.monotonic()
        return self.study.desk.standing()

    def _has_work(self) -> bool:
        """Whether another worker would find a trial."""
        mine = {process.pid for process in self.processes.values()}
        owners = [trial.last.user_attrs[OWNER] for trial in self.standing.running]
        held = sum(one["host"] == host() and one["process"] in mine for one in owners)
        starting = len(mine) - held
        return self.standing.is_open(max(0, starting))

    def _start(self) -> None:
        """Fills the places of this machine."""
        for place in range(self.workers):
            if place not in self.processes and self._has_work():
                log = self.logs / f"{socket.gethostname()}-{place}.log"
                try:
                    file = log.open("ab")
                except OSError as error:
                    raise storage_error(log, error) from error
                with file:
                    self.processes[place] = subprocess.Popen(
                        self.command,
                        stdin=subprocess.PIPE,
                        stdout=file,
                        stderr=subprocess.STDOUT,
                        env=self.environment,
                        # Ctrl-C is for this process, which then tells them.
                        start_new_session=True,
                    )

    def _reap(self) -> None:
        """Takes notice of workers that ended.

        Raises:
            SweepError: with an error that another worker would meet, too.
        """
        for place, process in list(self.processes.items()):
            code = process.poll()
            if code is None:
                continue
            del self.processes[place]
            _close(process)
            self.looked = 0.0  # the storage knows more now
            if 0 < code < 128:
                raise SweepError(self._last_error(place))
            done = sum(one.state is not State.FAILED for one in self.standing.final)
            self.killed = 0 if code == 0 or done > self.done else self.killed + 1
            self.done = done
            if self.killed >= _STILLBORN:
                raise SweepError(
                    f"{self.killed} workers in a row were killed, the last with exit code {code}: "
                    f"see {self.logs}; with too little memory, say fewer --workers"
                )

    def _last_error(self, place: int) -> str:
        """What a worker said at its end."""
        path = self.logs / f"{socket.gethostname()}-{place}.log"
        lines = path.read_text(errors="replace").splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        if errors and errors[-1] == lines[-1]:
            return errors[-1].removeprefix("error: ")
        return f"a worker failed: {lines[-1] if lines else 'no message'}; see {path}"

    def _dismiss(self) -> None:
        """Lets all workers save and leave."""
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for process in self.processes.values():
            process.wait()
            _close(process)
        self.processes.clear()

    def __enter__(self) -> "_Crew":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Nobody stays behind, also after a second Ctrl-C."""
        if isinstance(error, SweepError):
            self._dismiss()
        for process in self.processes.values():
            process.kill()
            process.wait()
            _close(process)


def _close(process: subprocess.Popen[bytes]) -> None:
    """Closes this end of the pipe to a worker that is gone."""
    if process.stdin is not None:
        process.stdin.close()
