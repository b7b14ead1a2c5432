"""Full disks, killed processes and other machines."""

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.errors import StorageError
from lstm_jax.storage import checkpoints, step_directories
from lstm_jax.storage.leaves import named_leaves
from tests.compiled import devices
from tests.storage.test_checkpoints import assert_same_bits, files_of, flip, hidden_in, make_state
from tests.test_files import largest_file

ROOT = Path(__file__).parent.parent


def test_prune_killed_while_it_deletes_leaves_no_half_checkpoint(tmp_path, monkeypatch):
    for step in (1, 2, 3):
        checkpoints.save(tmp_path, step, make_state(step), {})

    def killed(path, **arguments):
        if Path(path).exists():
            files_of(Path(path))[0].unlink()
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            checkpoints.prune(tmp_path, keep=[3])
    for step in checkpoints.steps(tmp_path):
        checkpoints.verify(tmp_path, step)
    checkpoints.prune(tmp_path, keep=[3])
    assert os.listdir(tmp_path) == ["3"]


def fail_to_move_into_place(patch, error):
    """Makes the last of the two renames fail that replace a step."""
    rename = Path.rename

    def fail(path, target):
        if path.name.endswith(".writing"):
            raise error
        return rename(path, target)

    patch.setattr(Path, "rename", fail)


@pytest.mark.parametrize("stale", [False, True])
def test_a_replacement_killed_between_its_renames_leaves_the_step_as_it_was(
    tmp_path, monkeypatch, caplog, stale
):
    checkpoints.save(tmp_path, 4, make_state(4), {})
    checkpoints.save(tmp_path, 5, make_state(1), {"try": 1})
    if stale:  # Killed before, just as it was going to delete what it had replaced.
        shutil.copytree(tmp_path / "4", tmp_path / ".5.replaced")
    with monkeypatch.context() as patch:
        fail_to_move_into_place(patch, KeyboardInterrupt())
        patch.setattr(step_directories, "put_back", lambda path: None)  # A kill runs no handler.
        with pytest.raises(KeyboardInterrupt):
            checkpoints.save(tmp_path, 5, make_state(2), {"try": 2})
    assert checkpoints.steps(tmp_path) == [4]
    restored = checkpoints.restore_latest(tmp_path, make_state(0))
    assert restored is not None
    assert (restored.step, restored.metadata) == (5, {"try": 1})
    assert_same_bits(restored.state, make_state(1))
    assert not hidden_in(tmp_path)
    assert not caplog.records


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()], ids=str)
def test_a_replacement_that_fails_leaves_the_step_as_it_was(tmp_path, monkeypatch, error):
    checkpoints.save(tmp_path, 5, make_state(1), {"try": 1})
    with monkeypatch.context() as patch:
        fail_to_move_into_place(patch, error)
        with pytest.raises((StorageError, KeyboardInterrupt)):
            checkpoints.save(tmp_path, 5, make_state(2), {"try": 2})
    assert not hidden_in(tmp_path)
    assert_same_bits(checkpoints.restore(tmp_path, 5, make_state(0)), make_state(1))


def test_what_is_read_back_with_other_bits_replaces_nothing(tmp_path, monkeypatch):
    state = make_state(2, size=300)  # of which a file has more than of anything else
    checkpoints.save(tmp_path, 5, make_state(1), {"try": 1})
    with monkeypatch.context() as patch:
        write = checkpoints._write_arrays

        def damage(path, leaves):
            write(path, leaves)
            largest = max(files_of(path), key=lambda file: file.stat().st_size)
            flip(largest, 4 * largest.stat().st_size)

        patch.setattr(checkpoints, "_write_arrays", damage)
        for step in (5, 6):
            with pytest.raises(
                StorageError, match=r"written to .*: .* read back .*; mend"
            ) as error:
                checkpoints.save(tmp_path, step, state, {})
            assert "\n" not in str(error.value)
    assert os.listdir(tmp_path) == ["5"]
    assert_same_bits(checkpoints.restore(tmp_path, 5, make_state(0)), make_state(1))


def test_what_is_saved_is_read_back_in_pieces(tmp_path, monkeypatch):
    read, restore = [], checkpoints._restore_arrays
    monkeypatch.setattr(checkpoints, "_PIECE", 120)
    monkeypatch.setattr(
        checkpoints,
        "_restore_arrays",
        lambda path, names: read.append(names) or restore(path, names),
    )
    state = make_state(1)
    checkpoints.save(tmp_path, 1, state, {})
    sizes = {name: np.asarray(leaf).nbytes for name, leaf in named_leaves(state).items()}
    assert sorted(itertools.chain(*read)) == sorted(name for name, size in sizes.items() if size)
    assert len(read) > 1
    assert all(sum(map(sizes.get, names)) <= 120 for names in read)


def assert_survives_a_full_disk(directory, caplog):
    """Saves a small step, then one that does not fit."""
    checkpoints.save(directory, 1, make_state(1), {})
    caplog.clear()
    with pytest.raises(StorageError) as error:
        checkpoints.save(directory, 2, make_state(2, size=300_000), {})
    assert f"step 2 could not be written to {directory}: " in str(error.value)
    assert "\n" not in str(error.value)
    assert not caplog.records, "one line is enough"
    assert checkpoints.steps(directory) == [1]
    assert not hidden_in(directory)
    restored = checkpoints.restore_latest(directory, make_state(0))
    assert restored is not None
    assert_same_bits(restored.state, make_state(1))
    return str(error.value)


def test_a_full_disk_is_an_error_at_once_and_the_step_before_is_intact(tmp_path, caplog):
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(tmp_path)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    try:
        message = assert_survives_a_full_disk(tmp_path, caplog)
        assert "No space left on device" in message
        # Full to the last byte: not even the first file can be written.
        with contextlib.suppress(OSError), (tmp_path / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
        with pytest.raises(StorageError, match="No space left on device"):
            checkpoints.save(tmp_path, 3, make_state(3), {})
        assert not hidden_in(tmp_path)
        checkpoints.verify(tmp_path, 1)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_file_that_may_not_grow_is_an_error_at_once(tmp_path, caplog):
    with largest_file(1_000_000):
        assert "File too large" in assert_survives_a_full_disk(tmp_path, caplog)


def test_a_disk_that_fills_up_during_the_save_is_an_error_too(tmp_path, caplog, monkeypatch):
    # As if another process took the space just after it was asked for.
    monkeypatch.setattr(checkpoints, "_require_space", lambda *arguments: None)
    state = {"kernel": jnp.ones((300, 300))}
    manifest = checkpoints.save(tmp_path, 1, state, {}) / "manifest.json"
    # In Orbax's description of the tree, in the array, in the manifest.
    for size in (0, 100, 100_000, manifest.stat().st_size - 1):
        with largest_file(size), pytest.raises(StorageError, match="File too large"):
            checkpoints.save(tmp_path, 2, state, {})
        assert not hidden_in(tmp_path)
        assert not caplog.records
    assert checkpoints.steps(tmp_path) == [1]
    checkpoints.verify(tmp_path, 1)


def run_python(program, *arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# One process imports everything and forks the writers that are to be killed, since importing takes
# seconds. It starts no thread and no JAX backend before it forks.
KILLER = """
import os, random, signal, sys, time
from pathlib import Path
import numpy as np
from lstm_jax.storage import checkpoints

for attempt in range(int(sys.argv[2])):
    directory = Path(sys.argv[1]) / str(attempt)
    writer = os.fork()
    if not writer:
        signal.alarm(120)  # should this process be killed before it kills
        step = 1
        while True:
            state = {"a": np.full((300, 100), step, np.float32), "b": np.full(9, step)}
            for _ in range(2):  # the second time in place of the first
                checkpoints.save(directory, step, state, {"at": step})
            checkpoints.prune(directory, keep=[step, step - 1])
            step += 1
    while not checkpoints.steps(directory):
        time.sleep(0.001)
    time.sleep(random.Random(attempt).uniform(0, 0.2))
    print(max(checkpoints.steps(directory), default=0))
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
"""


def test_killed_at_any_instant_the_newest_whole_step_is_restored(tmp_path, caplog):
    seen = [int(step) for step in run_python(KILLER, tmp_path, 12).split()]
    assert len(seen) == 12
    template = {"a": np.zeros((300, 100), np.float32), "b": np.zeros(9, int)}
    interrupted = 0
    for directory in tmp_path.iterdir():
        newest = seen[int(directory.name)]
        interrupted += bool(hidden_in(directory))
        for step in checkpoints.steps(directory):
            checkpoints.verify(directory, step)
        restored = checkpoints.restore_latest(directory, template)
        assert restored is not None
        assert restored.metadata == {"at": restored.step}
        assert restored.step >= newest, "a checkpoint was lost"
        assert (restored.state["a"] == restored.step).all()
        assert (restored.state["b"] == restored.step).all()
        checkpoints.prune(directory, keep=[restored.step])
        assert os.listdir(directory) == [str(restored.step)]
    assert interrupted >= 3, "the kills did not hit the saves"
    assert not caplog.records


OTHER_DEVICES = """
import sys
from pathlib import Path
import jax, numpy as np
from lstm_jax.storage import checkpoints

assert jax.device_count() == 4
directory = Path(sys.argv[1])
template = {"w": jax.ShapeDtypeStruct((8, 3), np.float32), "n": jax.ShapeDtypeStruct((), np.int32)}
state = checkpoints.restore(directory, 1, template)
mesh = jax.make_mesh((4,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
shards = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
state = {"w": jax.device_put(state["w"], shards), "n": jax.device_put(state["n"])}
assert len(state["w"].sharding.device_set) == 4
checkpoints.save(directory, 2, jax.tree.map(lambda x: x + 1, state), {})
"""


def test_the_number_of_devices_may_change_either_way(tmp_path):
    assert jax.device_count() != 4
    state = {"w": jnp.arange(24.0).reshape(8, 3), "n": jnp.int32(5)}
    checkpoints.save(tmp_path, 1, state, {})
    run_python(OTHER_DEVICES, tmp_path, **devices(4))
    expected = jax.tree.map(lambda x: x + 1, state)
    assert_same_bits(checkpoints.restore(tmp_path, 2, state), expected)
