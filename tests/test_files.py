import contextlib
import errno
import os
import resource
import shutil
import stat
import tempfile
import threading
from pathlib import Path

import pytest

from lstm_jax.errors import StorageError, UserError
from lstm_jax.files import expand_user, replacing, temporary_name, write_atomically

NOBODY = 65534


@contextlib.contextmanager
def largest_file(size):
    """No file may become larger: writing is refused, as it is on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def make_device(path, minor):
    """A device like /dev/null (3) or /dev/full (7)."""
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
    except OSError:
        pytest.skip("only root can make a device, and not in every container")


@contextlib.contextmanager
def a_folder_of_nobody():
    """A folder in which root, whom nothing is forbidden, is a user without rights meanwhile."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    user = os.geteuid()
    if user == 0:
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        os.seteuid(user)
        shutil.rmtree(folder)


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


def test_a_block_that_fails_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "labels.jsonl"
    write_atomically(path, b"old")

    def fail():
        with replacing(path) as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_device_is_written_to_and_not_replaced(tmp_path):
    device, link = tmp_path / "null", tmp_path / "link"
    make_device(device, 3)
    link.symlink_to("null")
    for path in (device, link):
        write_atomically(path, b"gone")
        assert device.is_char_device()
    assert link.is_symlink()
    assert sorted(tmp_path.iterdir()) == [link, device]


def test_a_device_that_is_full_is_one_line(tmp_path):
    device = tmp_path / "full"
    make_device(device, 7)
    with pytest.raises(StorageError) as error:
        write_atomically(device, b"too much")
    assert str(error.value) == f"{device} cannot be written: No space left on device"
    assert device.is_char_device()


def test_a_named_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe, found = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_atomically(pipe, b"through it")
    reader.join(timeout=60)
    assert found == [b"through it"]
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_the_reader_of_a_pipe_may_go_away(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)

    def write():
        with replacing(tmp_path / "pipe") as file:
            os.close(reader)
            file.write(b"for nobody")

    with pytest.raises(BrokenPipeError):
        write()


@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}", "link"])
def test_what_is_open_is_written_to_where_it_stands(tmp_path, name):
    """As /dev/stdout is, whatever it leads to."""
    path = tmp_path / "log"
    with path.open("wb", buffering=0) as file:
        file.write(b"before, ")
        (tmp_path / "link").symlink_to(f"/dev/fd/{file.fileno()}")
        target = tmp_path / name.format(file.fileno())
        if not Path("/dev/fd").exists() or not target.parent.exists():
            pytest.skip(f"there is no {target.parent}")
        write_atomically(target, b"within, ")
        file.write(b"after")
        assert os.fstat(file.fileno()).st_ino == path.stat().st_ino
    assert path.read_bytes() == b"before, within, after"
    with path.open("rb") as file, pytest.raises(StorageError, match="Bad file descriptor"):
        write_atomically(Path(f"/dev/fd/{file.fileno()}"), b"what cannot be written")


def test_a_link_stays_and_the_file_behind_it_is_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    target, first, second = (tmp_path / name for name in ("folder/file", "first", "second"))
    first.symlink_to("second")
    second.symlink_to("folder/file")
    for content in (b"new", b"newer"):  # at first the link leads nowhere
        write_atomically(first, content)
        assert target.read_bytes() == content
        assert not target.is_symlink()
    assert first.readlink() == Path("second")
    assert sorted(tmp_path.rglob("*")) == [first, target.parent, target, second]


def test_links_in_a_circle_are_one_line(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(StorageError, match=r"a cannot be written: Too many levels of symbolic"):
        write_atomically(tmp_path / "a", b"")
    assert (tmp_path / "a").is_symlink()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".", "Is a directory"),
        ("folder", "Is a directory"),
        ("link", "Is a directory"),
        ("gone/file", "No such file or directory"),
        ("file/file", "Not a directory"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_work(tmp_path, name, reason):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("folder")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StorageError) as error, replacing(tmp_path / name):
        pytest.fail("hours of work")
    assert str(error.value) == f"{tmp_path / name} cannot be written: {reason}"
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("closed", ["file", "folder"])
def test_what_the_user_may_not_write_is_refused_before_the_work(closed):
    with a_folder_of_nobody() as folder:
        path = folder / "file"
        path.write_text("old")
        (path if closed == "file" else folder).chmod(0o500)
        denied = pytest.raises(StorageError, match="file cannot be written: Permission denied")
        with denied, replacing(path):
            pytest.fail("hours of work")
        assert path.read_text() == "old"


def test_permissions_stay_as_they_were(tmp_path):
    path = tmp_path / "file"
    path.touch()
    os.chmod(path, 0o640)
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    before = path.stat()
    temporary_name(path).touch(0o666)  # what a killed writer left
    with replacing(path) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o640, "also while it is written"
    after = path.stat()
    assert after.st_ino != before.st_ino
    assert (after.st_mode, after.st_uid) == (before.st_mode, before.st_uid)
    write_atomically(tmp_path / "other", b"")
    (tmp_path / "usual").touch()
    assert (tmp_path / "other").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path, is_shared):
    path = tmp_path / ("\u00e9" * 127)
    write_atomically(path, b"new", is_shared=is_shared)
    assert path.read_bytes() == b"new"
    assert temporary_name(path) != temporary_name(tmp_path / ("\u00e8" * 127))


def test_a_directory_that_is_gone_is_one_line(tmp_path):
    with pytest.raises(StorageError, match=r"curves\.png cannot be written: No such file"):
        write_atomically(tmp_path / "gone" / "curves.png", b"")


def test_a_tilde_is_the_home_of_a_user(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand_user("~/runs") == tmp_path / "runs"
    with pytest.raises(UserError, match="~nobody-at-all/x"):
        expand_user("~nobody-at-all/x")


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EPERM])
def test_a_file_that_may_be_written_and_not_be_replaced(number, tmp_path, monkeypatch):
    """As one that is mounted by itself into a container."""
    path = tmp_path / "file"
    path.write_text("what was there before, and is longer")

    def refuse(self, target):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "replace", refuse)
    before = path.stat().st_ino
    write_atomically(path, b"new")
    assert (path.read_bytes(), path.stat().st_ino) == (b"new", before)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    with pytest.raises(StorageError, match="absent cannot be written"):
        write_atomically(tmp_path / "absent", b"new")
