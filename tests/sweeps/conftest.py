"""Databases that sweeps are recorded in."""

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

STORAGES = ("sqlite", "postgresql")


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


@pytest.fixture(params=STORAGES)
def url(request: pytest.FixtureRequest) -> str | None:
    """A storage of each kind, as `--storage` names it."""
    return None if request.param == "sqlite" else request.getfixturevalue(request.param)
