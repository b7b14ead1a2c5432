"""Where trials are recorded: addresses, and directories that several machines make at once."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import optuna
import pytest
import sqlalchemy

from lstm_jax.errors import RunDirectoryError, SweepError
from lstm_jax.sweeps import storage
from lstm_jax.sweeps.storage import (
    Location,
    hidden,
    open_directory,
    open_storage,
    patiently,
    read_location,
)

_ADDRESS = "postgresql+psycopg://me:{}@host:5432/sweeps"


@pytest.mark.parametrize(
    ("given", "password", "port"),
    [
        (_ADDRESS.format("word"), "word", 5432),
        (_ADDRESS.format("$PASSWORD"), "p@ss/w:rd%$", 5432),
        (_ADDRESS.format("${ENCODED}").replace("5432", "$PORT"), "p@ss", 99),
        ("$ADDRESS", "p%40ss", 1),
    ],
)
def test_variables_in_an_address(
    given: str, password: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", "p@ss/w:rd%$")
    monkeypatch.setenv("PORT", "99")
    monkeypatch.setenv("ENCODED", "p%40ss")  # for with its port an address is replaced as a whole
    monkeypatch.setenv("ADDRESS", "postgresql+psycopg://me:p%2540ss@host:1/sweeps")
    url = sqlalchemy.make_url(storage._read_url(given))
    assert (url.username, url.password, url.host, url.port) == ("me", password, "host", port)
    assert url.database == "sweeps"


def test_variables_in_the_options_of_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOCKETS", "/run/a b")
    url = sqlalchemy.make_url(storage._read_url("postgresql+psycopg://me@/sweeps?host=$SOCKETS"))
    assert url.query == {"host": "/run/a b"}


@pytest.mark.parametrize(
    "address",
    [
        "postgresql+psycopg://me:secret@host/x",
        "postgresql+psycopg://me:secret@host:port/x",
        "postgresql+psycopg//me:secret@host/x",
        "secret",
    ],
)
def test_no_message_shows_a_password(address: str) -> None:
    assert "secret" not in hidden(address)


def test_a_directory_is_made_by_one_of_many_at_once(tmp_path: Path) -> None:
    failures: list[BaseException] = []
    barrier = threading.Barrier(8)

    def make() -> None:
        barrier.wait()
        try:
            assert open_directory(tmp_path / "sweep", None, "name") == Location(None, "name")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert read_location(tmp_path / "sweep") == Location(None, "name")
    assert [path.name for path in (tmp_path / "sweep").iterdir()] == ["sweep.json"]


def test_what_a_killed_process_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".sweep.json.0123.writing").touch()
    open_directory(tmp_path, None, None)
    (tmp_path / "sweep.json").unlink()
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(RunDirectoryError, match="is not empty and not a sweep"):
        open_directory(tmp_path, None, None)


def test_what_no_waiting_mends_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("it waited"))

    def refused() -> None:
        raise sqlalchemy.exc.DatabaseError("SELECT 1", None, Exception("file is not a database"))

    with pytest.raises(SweepError, match="does not answer: file is not a database"):
        patiently(refused)


def test_a_database_that_is_away_for_a_moment_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    lost = sqlalchemy.exc.OperationalError("SELECT 1", None, Exception("gone"))

    def answer() -> str:
        if len(pauses) < 2:
            raise optuna.exceptions.StorageInternalError from lost
        return "rows"

    assert patiently(answer) == "rows"
    assert pauses == [0.5, 1.0]


def test_machines_that_begin_at_once_make_one_database(url: str | None, tmp_path: Path) -> None:
    if url is not None:  # a database without any table
        name = f"at_once_{os.getpid()}"
        engine = sqlalchemy.create_engine(
            url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool
        )
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
        url = sqlalchemy.make_url(url).set(database=name).render_as_string()
    code = (
        "import multiprocessing\n"
        "from pathlib import Path\n"
        "from lstm_jax.sweeps.storage import open_directory, open_storage\n"
        "def begin(barrier):\n"
        "    barrier.wait()\n"
        f"    location = open_directory({str(tmp_path / 'new')!r}, {url!r}, 'new')\n"
        f"    open_storage(Path({str(tmp_path / 'new')!r}), location, patience=60.0)\n"
        "forks = multiprocessing.get_context('fork')  # as importing takes seconds\n"
        "barrier = forks.Barrier(4)\n"
        "machines = [forks.Process(target=begin, args=(barrier,)) for _ in range(4)]\n"
        "for machine in machines: machine.start()\n"
        "for machine in machines: machine.join()\n"
        "assert [machine.exitcode for machine in machines] == [0] * 4\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names == {"sweep.json"} | ({"study.db"} if url is None else set())


def test_an_address_may_be_corrected_until_a_trial_has_begun(tmp_path: Path) -> None:
    open_directory(tmp_path, "postgresql+psycopg://me@hots/x", None)
    (tmp_path / "logs").mkdir()
    right = Location("postgresql+psycopg://me@host/x", tmp_path.name)
    assert open_directory(tmp_path, right.url, None) == right
    assert open_directory(tmp_path, None, None) == read_location(tmp_path) == right
    (tmp_path / "trials").mkdir()
    with pytest.raises(RunDirectoryError, match=r"has moved, say so in .*/sweep\.json"):
        open_directory(tmp_path, "postgresql+psycopg://me@other/x", None)
    assert read_location(tmp_path) == right


@pytest.mark.parametrize("name", ["{x} {", "a?b=c", "100%", "%41#", "é"])
def test_a_directory_of_any_name_holds_its_database(name: str, tmp_path: Path) -> None:
    workdir = tmp_path / name
    location = open_directory(workdir, None, None)
    with pytest.raises(SweepError, match=r"study\.db does not exist: the sweep has not begun"):
        open_storage(workdir, location, reading=True)
    open_storage(workdir, location).create_new_study([optuna.study.StudyDirection.MINIMIZE], "it")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (workdir / "study.db").stat().st_size > 0
    found = open_storage(workdir, location, reading=True)
    assert [study.study_name for study in found.get_all_studies()] == ["it"]


def test_an_sqlite_file_of_any_address_is_found(tmp_path: Path) -> None:
    location = Location(f"sqlite+pysqlite:///{tmp_path}/x.db", "it")
    with pytest.raises(SweepError, match=r"x\.db does not exist: the sweep has not begun"):
        open_storage(tmp_path, location, reading=True)
    open_storage(tmp_path, location)
    open_storage(tmp_path, location, reading=True)
