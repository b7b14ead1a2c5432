"""Databases that sweeps are recorded in."""

import functools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy

_PATH = f"{os.environ['PATH']}:/usr/sbin"
SERVERS = ("postgresql", "mysql")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a PostgreSQL server that listens on a socket of its own."""
    programs = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    found = shutil.which("initdb")
    folder = Path(found).resolve().parent if found else max(programs, default=None)
    if folder is None:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    directory = Path(tempfile.mkdtemp(prefix="lstm_jax_postgresql_"))
    run = functools.partial(subprocess.run, check=True, capture_output=True, cwd=directory)
    if os.getuid() == 0:  # the server refuses to run as root
        shutil.chown(directory, "postgres")
        run = functools.partial(run, user="postgres")
    data = str(directory / "data")
    control = str(folder / "pg_ctl")
    run([str(folder / "initdb"), "--auth=trust", "--username=sweeps", "--no-sync", data])
    options = f"-c listen_addresses= -c unix_socket_directories={directory} -c fsync=off"
    log = str(directory / "log")
    try:
        run([control, "--pgdata", data, "--options", options, "--log", log, "--wait", "start"])
        yield f"postgresql+psycopg://sweeps@/postgres?host={directory}"
    finally:
        run([control, "--pgdata", data, "--mode=immediate", "stop"])
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def mysql() -> Iterator[str]:
    """The address of a MariaDB server that listens on a socket of its own."""
    programs = {name: shutil.which(name, path=_PATH) for name in ("mariadb-install-db", "mariadbd")}
    if None in programs.values():
        pytest.skip("MariaDB is not installed (Debian's package mariadb-server)")
    directory = Path(tempfile.mkdtemp(prefix="lstm_jax_mysql_"))
    user = "mysql" if os.getuid() == 0 else None
    if user:
        shutil.chown(directory, user)
    run = functools.partial(
        subprocess.run, check=True, capture_output=True, cwd=directory, user=user
    )
    install, server = (str(path) for path in programs.values())
    data, socket = f"--datadir={directory / 'data'}", directory / "socket"
    run([install, "--no-defaults", data, "--auth-root-authentication-method=normal"])
    hasty = ["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--skip-log-bin"]
    options = ["--no-defaults", data, f"--socket={socket}", "--skip-networking", *hasty]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([server, *options], stdout=log, stderr=log, user=user)
        try:
            url = f"mysql+pymysql://root@localhost/test?unix_socket={socket}"
            server_url = url.replace("/test?", "/?")
            engine = sqlalchemy.create_engine(server_url, poolclass=sqlalchemy.NullPool)
            limit = time.monotonic() + 60
            while True:
                try:
                    with engine.connect() as connection:
                        connection.execute(sqlalchemy.text("CREATE DATABASE IF NOT EXISTS test"))
                    break
                except sqlalchemy.exc.OperationalError:
                    assert time.monotonic() < limit, (directory / "log").read_text()
                    time.sleep(0.2)
            yield url
        finally:
            process.terminate()
            process.wait()
            shutil.rmtree(directory)


@pytest.fixture(
    params=["sqlite", *(pytest.param(name, marks=pytest.mark.slow) for name in SERVERS)]
)
def url(request: pytest.FixtureRequest) -> str | None:
    """A storage as `--storage` names it.

    Tests with several workers at once, where databases differ, are marked with `EACH_STORAGE` and
    run on each kind of them; the others do so among the slow proofs.
    """
    return None if request.param == "sqlite" else request.getfixturevalue(request.param)
