"""The storage of a sweep's trials: an SQLite file in its directory, or any database of Optuna's."""

import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from sqlalchemy import event
from sqlalchemy.exc import (
    ArgumentError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)

from lstm_jax.errors import RunDirectoryError, SweepError
from lstm_jax.files import expand_user, write_atomically

T = TypeVar("T")

LOCATION = "sweep.json"
DATABASE = "study.db"
_LOCK_TIMEOUT = 60.0
"""Seconds to wait for another process that writes to an SQLite file."""
OUTAGE = 600.0
"""Seconds that a database may be away before a worker gives up."""
READING = 5.0
"""The same for a person who waits for an answer."""
_PASSING = (OperationalError, InterfaceError, InternalError, IntegrityError, ProgrammingError)
"""What waiting may mend; the last two where machines that begin at once make the same tables."""
_QUIET = 2.0
"""Pauses so long (seconds) are not worth a message."""

_log = logging.getLogger(__name__)


class Location(NamedTuple):
    """Where the trials of a sweep are recorded."""

    url: str | None
    """As SQLAlchemy writes it, `$VARIABLE` replaced at use; None is the file in the directory."""
    study: str
    """The name of the sweep in the database."""


def open_directory(workdir: str | Path, url: str | None, study: str | None) -> Location:
    """Makes the directory of a sweep, or finds where its trials are recorded.

    Until a trial has begun that may still be changed, as an address may have been mistyped.

    Raises:
        RunDirectoryError: it holds something else, or a sweep with another storage.
        StorageError: the disk is full or refuses to be written.
    """
    path = expand_user(workdir)
    # A database takes no name that is not text, as the bytes of a path may be.
    name = path.resolve().name.encode(errors="backslashreplace").decode()
    given = Location(url, study or name)
    try:
        path.mkdir(parents=True, exist_ok=True)
        names = {child.name for child in path.iterdir()}
    except OSError as error:
        raise RunDirectoryError(f"{path} cannot hold a sweep: {error.strerror}") from error
    if LOCATION not in names:
        if any(not name.startswith(f".{LOCATION}.") for name in names):
            raise RunDirectoryError(
                f"{path} is not empty and not a sweep (it has no {LOCATION}): choose another "
                "directory"
            )
        _write_location(path, given)
    saved = read_location(path)
    asked = Location(url or saved.url, study or saved.study)
    if asked == saved:
        return saved
    if "trials" in names:
        raise RunDirectoryError(
            f"{path} is the sweep {saved.study!r} in {hidden(saved.url)}; leave out --storage "
            "and --study, or choose another directory; if the database has moved, say so in "
            f"{path / LOCATION}"
        )
    _write_location(path, asked)
    return asked


def _write_location(path: Path, location: Location) -> None:
    content = json.dumps(location._asdict(), indent=2) + "\n"
    write_atomically(path / LOCATION, content.encode(), is_shared=True)


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


def open_storage(
    workdir: Path, location: Location, *, reading: bool = False, patience: float = READING
) -> RDBStorage:
    """Connects to the database, which is waited for if it does not answer.

    Args:
        workdir: the directory of the sweep.
        location: where its trials are recorded.
        reading: change nothing.
        patience: seconds for which the database may be away.

    Raises:
        SweepError: no such database, or it does not answer.
    """
    url = _read_url(location.url) if location.url else f"sqlite:///{DATABASE}"
    address = sqlalchemy.make_url(url)
    is_sqlite = address.get_backend_name() == "sqlite"
    file = Path(address.database or "") if location.url else workdir / DATABASE
    if reading and is_sqlite and not file.exists():
        raise SweepError(f"{file} does not exist: the sweep has not begun")
    # A connection for each action: none is held while a trial trains, none outlives an outage.
    options: dict[str, Any] = {"poolclass": sqlalchemy.NullPool}
    if not location.url:
        # An address cannot hold every path: not one that is no text.
        path = file.absolute()
        options["creator"] = lambda: sqlite3.connect(
            path, timeout=_LOCK_TIMEOUT, check_same_thread=False
        )
    elif is_sqlite:
        options["connect_args"] = {"timeout": _LOCK_TIMEOUT}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        # It also makes the tables, over which machines that begin at once fall out.
        storage = patiently(lambda: RDBStorage(url, engine_kwargs=options), patience)
    except (SweepError, ImportError, RuntimeError) as error:
        why = _short(error.__cause__ if isinstance(error, SweepError) else error)
        where = f"{hidden(url)}, which stands in {workdir / LOCATION}" if location.url else file
        raise SweepError(f"cannot open the storage {where}: {why}") from error
    if is_sqlite and not reading:
        _make_atomic(storage)
    return storage


def hidden(url: str | None) -> str:
    """The address of a database without its password, for messages."""
    if url is None:
        return f"its own {DATABASE}"
    try:
        return sqlalchemy.make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return "whose address cannot be read"


def patiently(action: Callable[[], T], outage: float = OUTAGE) -> T:
    """The result of an action on the database, which may be away for so many seconds.

    Raises:
        SweepError: it has been away for longer, or refuses the action.
    """
    limit = time.monotonic() + outage
    pause = 0.5
    while True:
        try:
            return action()
        except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
            is_passing = isinstance(error, _PASSING) or isinstance(error.__cause__, _PASSING)
            message = f"the storage of the sweep does not answer: {_short(error)}"
            if not is_passing or time.monotonic() + pause > limit:
                raise SweepError(message) from error
            if pause > _QUIET:
                _log.warning("%s; trying again", message)
        time.sleep(pause)
        pause = min(2 * pause, 5.0)  # shorter than any silence after which a worker is dead


def _read_url(text: str) -> str:
    """An address with `$VARIABLE` replaced, in whose password that may hold any character.

    Raises:
        SweepError: it cannot be read as an address.
    """
    try:
        url = sqlalchemy.make_url(text)
    except (ArgumentError, ValueError):  # the whole of it, or its port, may stand in a variable
        try:
            url = sqlalchemy.make_url(os.path.expandvars(text))
        except (ArgumentError, ValueError):
            raise SweepError(
                "--storage cannot be read as an address: expected one such as "
                "postgresql+psycopg://user:$PASSWORD@host/name"
            ) from None
    parts = {name: getattr(url, name) for name in ("username", "password", "host", "database")}
    expanded = {name: os.path.expandvars(part) for name, part in parts.items() if part}
    query = {
        name: os.path.expandvars(value) if isinstance(value, str) else value
        for name, value in url.query.items()
    }
    return url.set(**expanded, query=query).render_as_string(hide_password=False)


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


def _short(error: BaseException | None) -> str:
    """The first line of what a database says."""
    inner = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) else error
    inner = getattr(inner, "orig", None) or inner or error
    lines = str(inner).strip().splitlines() or [type(inner).__name__]
    return lines[0]
