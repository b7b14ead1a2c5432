import contextlib
import resource
import stat

import pytest

from lstm_jax.errors import StorageError, UserError
from lstm_jax.files import expand_user, temporary_name, write_atomically


@contextlib.contextmanager
def largest_file(size):
    """No file may become larger: writing is refused, as it is on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "config.json"
    write_atomically(path, b"old, and longer")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) & stat.S_IRUSR


def test_what_a_killed_writer_left_is_overwritten(tmp_path):
    path = tmp_path / "config.json"
    temporary_name(path).write_bytes(b"half of a much longer co")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "config.json"
    write_atomically(path, b"old")
    with largest_file(100), pytest.raises(StorageError) as error:
        write_atomically(path, bytes(10_000))
    assert str(error.value) == f"{path} cannot be written: File too large"
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_that_is_gone_is_one_line(tmp_path):
    with pytest.raises(StorageError, match=r"curves\.png cannot be written: No such file"):
        write_atomically(tmp_path / "gone" / "curves.png", b"")


def test_a_tilde_is_the_home_of_a_user(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand_user("~/runs") == tmp_path / "runs"
    with pytest.raises(UserError, match="~nobody-at-all/x"):
        expand_user("~nobody-at-all/x")
