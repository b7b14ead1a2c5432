"""Where trials are recorded: addresses, and directories that several machines make at once."""

import threading
from pathlib import Path

import pytest
import sqlalchemy

from lstm_jax.errors import RunDirectoryError, SweepError
from lstm_jax.sweeps import storage
from lstm_jax.sweeps.storage import Location, hidden, open_directory, patiently, read_location

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
