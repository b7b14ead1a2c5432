"""The storage of a sweep's trials: an SQLite file in its directory, or any database of Optuna's."""

import json
import logging
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from lstm_jax.errors import RunDirectoryError, SweepError
from lstm_jax.files import expand_user, write_atomically

T = TypeVar("T")

LOCATION = "sweep.json"
DATABASE = "study.db"
_LOCK_TIMEOUT = 60.0
"""Seconds to wait for another process that writes to an SQLite file."""
_OUTAGE = 600.0
"""Seconds that a database may be away before a worker gives up."""
GRACE = 6
"""A trial whose worker has been silent for so many heartbeats is given to another."""

_log = logging.getLogger(__name__)


class Location(NamedTuple):
    """Where the trials of a sweep are recorded."""

    url: str | None
    """As SQLAlchemy writes it, `$VARIABLE` replaced at use; None is the file in the directory."""
    study: str
    """The name of the sweep in the database."""


def open_directory(workdir: str | Path, url: str | None, study: str | None) -> Location:
    """Makes the directory of a sweep, or finds where its trials are recorded.

    Raises:
        RunDirectoryError: it holds something else, or a sweep with another storage.
        StorageError: the disk is full or refuses to be written.
    """
    path = expand_user(workdir)
    given = Location(url, study or path.resolve().name)
    try:
        path.mkdir(parents=True, exist_ok=True)
        names = {child.name for child in path.iterdir()}
    except OSError as error:
        raise RunDirectoryError(f"{path} cannot hold a sweep: {error.strerror}") from error
    if LOCATION in names:
        saved = read_location(path)
        asked = Location(url or saved.url, study or saved.study)
        if asked != saved:
            raise RunDirectoryError(
                f"{path} is the sweep {saved.study!r} in {hidden(saved.url)}; leave out --storage "
                "and --study, or choose another directory"
            )
        return saved
    if names - {f".{LOCATION}.writing"}:
        raise RunDirectoryError(
            f"{path} is not empty and not a sweep (it has no {LOCATION}): choose another directory"
        )
    write_atomically(path / LOCATION, (json.dumps(given._asdict(), indent=2) + "\n").encode())
    return given


def read_location(workdir: str | Path) -> Location:
    """Where the trials of the sweep in a directory are recorded.

    Raises:
        RunDirectoryError: there is no sweep.
    """
    path = expand_user(workdir) / LOCATION
    try:
        return Location(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        hint = "; it is a run: use lstm_jax.load" if (path.parent / "config.json").exists() else ""
        where = f"{path.parent} has no {LOCATION}" if path.parent.exists() else "no such directory"
        raise RunDirectoryError(f"{path.parent} is not a sweep: {where}{hint}") from None
    except (OSError, ValueError, TypeError) as error:
        raise RunDirectoryError(f"{path} cannot be read: {error}") from error


def open_storage(workdir: Path, location: Location, heartbeat: float | None = None) -> RDBStorage:
    """Connects to the database.

    Args:
        workdir: the directory of the sweep.
        location: where its trials are recorded.
        heartbeat: seconds between signs of life of a worker; None only reads.

    Raises:
        SweepError: no such database, or it does not answer.
    """
    url = os.path.expandvars(location.url) if location.url else f"sqlite:///{workdir / DATABASE}"
    is_sqlite = url.startswith("sqlite")
    if heartbeat is None and is_sqlite and not Path(url.removeprefix("sqlite:///")).exists():
        raise SweepError(
            f"{url.removeprefix('sqlite:///')} does not exist: the sweep has not begun"
        )
    # A connection for each action: none is held while a trial trains, none outlives an outage.
    options: dict[str, Any] = {"poolclass": sqlalchemy.NullPool}
    if is_sqlite:
        options["connect_args"] = {"timeout": _LOCK_TIMEOUT}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    beats: dict[str, Any] = {}
    if heartbeat is not None:
        whole = max(1, round(heartbeat))
        beats = {"heartbeat_interval": whole, "grace_period": GRACE * whole}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            storage = RDBStorage(url, engine_kwargs=options, **beats)
    except (SQLAlchemyError, ImportError, optuna.exceptions.OptunaError) as error:
        raise SweepError(f"cannot open the storage {hidden(url)}: {_short(error)}") from error
    if is_sqlite and heartbeat is not None:
        _make_atomic(storage)
    return storage


def hidden(url: str | None) -> str:
    """The address of a database without its password."""
    if url is None:
        return f"its own {DATABASE}"
    try:
        return sqlalchemy.make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url


def patiently(action: Callable[[], T]) -> T:
    """The result of an action on the database, which may be away for some minutes.

    Raises:
        SweepError: it has been away for too long.
    """
    limit = time.monotonic() + _OUTAGE
    pause = 0.5
    while True:
        try:
            return action()
        except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
            if time.monotonic() + pause > limit:
                raise SweepError(f"the storage of the sweep is away: {_short(error)}") from error
            _log.warning(
                "the storage of the sweep does not answer (%s); trying again", _short(error)
            )
        time.sleep(pause)
        pause = min(2 * pause, 30.0)


def _make_atomic(storage: RDBStorage) -> None:
    """Lets each transaction on an SQLite file lock it from its start.

    Otherwise two workers can both read that a trial is free, and both take it: SQLite knows no
    `SELECT ... FOR UPDATE`, by which Optuna does it on other databases.
    """

    @event.listens_for(storage.engine, "connect")
    def _(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # Python's own, late BEGIN

    @event.listens_for(storage.engine, "begin")
    def _(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _short(error: BaseException) -> str:
    """The first line of what a database says."""
    inner = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) else error
    inner = getattr(inner, "orig", None) or inner or error
    lines = str(inner).strip().splitlines() or [type(inner).__name__]
    return lines[0]
