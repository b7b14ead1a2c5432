import asyncio
import logging
import shutil
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.errors import CheckpointError
from lstm_jax.storage import checkpoints


class Carry(NamedTuple):
    hidden: object
    cell: object


class Averages(NamedTuple):
    mean: object
    mean_square: object


def make_state(seed, size=7):
    rng = np.random.default_rng(seed)
    return {
        "params": {
            "kernel": jnp.asarray(rng.normal(size=(size, 4)), jnp.float32),
            "half": jnp.asarray(rng.normal(size=(3,)), jnp.bfloat16),
        },
        "carry": [Carry(jnp.full((2, 5), jnp.nan), jnp.asarray([0.0, -0.0, jnp.inf]))],
        "step": np.int32(seed),
        "counts": jnp.arange(4, dtype=jnp.uint32),
        "flags": np.array([True, False]),
        "empty": jnp.zeros((0, 3)),
        "nothing": None,
    }


def assert_same_bits(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        other = np.asarray(other)
        assert type(one) is np.ndarray
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tobytes() == other.tobytes()


def files_of(path):
    return sorted(file for file in path.rglob("*") if file.is_file())


def hidden_in(directory):
    return [path.name for path in directory.iterdir() if path.name.startswith(".")]


def flip(path, bit):
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def test_what_was_saved_comes_back_bit_for_bit(tmp_path, caplog):
    state, metadata = make_state(3), {"best": float("inf"), "bytes": 12, "names": ["a", None]}
    directory = tmp_path / "run" / "checkpoints"

    assert checkpoints.save(directory, 1200, state, metadata) == directory / "1200"

    assert_same_bits(checkpoints.restore(directory, 1200, state), state)
    shapes = jax.eval_shape(lambda: state)
    restored = checkpoints.restore_latest(directory, shapes)
    assert restored is not None
    assert (restored.step, restored.metadata) == (1200, metadata)
    assert_same_bits(restored.state, state)
    assert sum(file.stat().st_size for file in files_of(directory)) < 30_000
    manifest = checkpoints.read_manifest(directory, 1200)
    assert manifest["leaves"]["['params']['half']"] == {"shape": [3], "dtype": "bfloat16"}
    assert not hidden_in(directory)
    assert not caplog.records


def test_steps_are_listed_ascending_and_only_when_complete(tmp_path):
    assert checkpoints.steps(tmp_path / "absent") == []
    assert checkpoints.restore_latest(tmp_path / "absent", {}) is None
    (tmp_path / "empty" / "5").mkdir(parents=True)
    assert checkpoints.restore_latest(tmp_path / "empty", {}) is None
    for step in (10, 9, 0):
        checkpoints.save(tmp_path, step, make_state(step), {})
    (tmp_path / "11").mkdir()
    (tmp_path / ".12.writing").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "13" / "arrays").mkdir(parents=True)
    assert checkpoints.steps(tmp_path) == [0, 9, 10]
    restored = checkpoints.restore_latest(tmp_path, make_state(0))
    assert restored is not None
    assert restored.step == 10


def test_steps_are_listed_while_another_process_prunes(tmp_path, monkeypatch):
    for step in (1, 2):
        checkpoints.save(tmp_path, step, make_state(step), {})
    iterdir = Path.iterdir

    def too_late(path):
        if path.name == "1":
            path.rename(path.with_name(".1.deleted"))
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", too_late)
    assert checkpoints.steps(tmp_path) == [2]


def test_works_where_an_event_loop_runs_as_in_a_notebook(tmp_path):
    async def cell():
        checkpoints.save(tmp_path, 1, make_state(1), {})
        return checkpoints.restore(tmp_path, 1, make_state(0))

    assert_same_bits(asyncio.run(cell()), make_state(1))


def test_saving_a_step_again_replaces_it(tmp_path):
    checkpoints.save(tmp_path, 5, make_state(1), {"try": 1})
    checkpoints.save(tmp_path, 5, make_state(2), {"try": 2})
    restored = checkpoints.restore_latest(tmp_path, make_state(0))
    assert restored is not None
    assert restored.metadata == {"try": 2}
    assert_same_bits(restored.state, make_state(2))
    assert not hidden_in(tmp_path)


def test_nothing_is_written_after_the_manifest(tmp_path):
    """A file that Orbax still wrote in the background would differ from its digest later."""
    for step in range(10):
        path = checkpoints.save(tmp_path, step, make_state(step, size=30_000), {})
        manifest = (path / "manifest.json").stat().st_mtime_ns
        assert all(file.stat().st_mtime_ns <= manifest for file in files_of(path / "arrays"))
        checkpoints.verify(tmp_path, step)


def test_a_failing_save_leaves_nothing_behind(tmp_path):
    checkpoints.save(tmp_path, 5, make_state(1), {"try": 1})
    with pytest.raises(TypeError, match="JSON"):
        checkpoints.save(tmp_path, 5, make_state(2), {"try": object()})
    assert not hidden_in(tmp_path)
    assert_same_bits(checkpoints.restore(tmp_path, 5, make_state(0)), make_state(1))


def test_every_flipped_bit_is_found_and_its_file_is_named(tmp_path):
    path = checkpoints.save(tmp_path, 7, make_state(7), {"best": 1e-05})
    rng = np.random.default_rng(0)
    files = [file for file in files_of(path) if file.stat().st_size]
    assert len(files) >= 5
    for trial in range(60):
        file = files[trial % len(files)]
        bit = int(rng.integers(8 * file.stat().st_size))
        flip(file, bit)
        for use in (checkpoints.verify, checkpoints.restore):
            arguments = (make_state(7),) if use is checkpoints.restore else ()
            with pytest.raises(CheckpointError, match=str(file)):
                use(tmp_path, 7, *arguments)
        flip(file, bit)
    checkpoints.verify(tmp_path, 7)


def test_a_change_of_the_manifest_that_means_the_same_is_found(tmp_path):
    path = checkpoints.save(tmp_path, 7, make_state(7), {"best": 1e-05}) / "manifest.json"
    text = path.read_text()
    assert "1e-05" in text
    path.write_text(text.replace("1e-05", "1E-05"))
    with pytest.raises(CheckpointError, match=r"manifest\.json differs from its digest"):
        checkpoints.verify(tmp_path, 7)


def test_a_missing_or_shortened_file_is_found(tmp_path):
    path = checkpoints.save(tmp_path, 7, make_state(7), {})
    for file in files_of(path / "arrays"):
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2])
        if content:
            with pytest.raises(CheckpointError, match=str(file)):
                checkpoints.verify(tmp_path, 7)
        file.unlink()
        with pytest.raises(CheckpointError, match=f"{file}: No such file"):
            checkpoints.verify(tmp_path, 7)
        file.write_bytes(content)
    checkpoints.verify(tmp_path, 7)


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_is_used(tmp_path, caplog):
    for step in (1, 2, 3):
        checkpoints.save(tmp_path, step, make_state(step), {"at": step})
    largest = max(files_of(tmp_path / "3"), key=lambda file: file.stat().st_size)
    flip(largest, 77)
    (tmp_path / "2" / "manifest.json").unlink()

    restored = checkpoints.restore_latest(tmp_path, make_state(0))
    assert restored is not None
    assert (restored.step, restored.metadata) == (1, {"at": 1})
    assert_same_bits(restored.state, make_state(1))
    warnings = [record.getMessage() for record in caplog.records]
    assert str(largest) in warnings[0]
    assert "step 2" in warnings[1]

    flip(files_of(tmp_path / "1")[0], 3)
    with pytest.raises(CheckpointError, match=r"all 3 checkpoints in .* are damaged"):
        checkpoints.restore_latest(tmp_path, make_state(0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": jnp.zeros((7, 4), jnp.bfloat16)}, r"float32\[7,4\] .* bfloat16\[7,4\] here"),
        ({"kernel": jnp.zeros((7, 5))}, r"\['kernel'\] is float32\[7,4\] .* float32\[7,5\] here"),
        ({"gain": jnp.zeros(())}, r"\['gain'\] is absent in .* and float32\[\] here"),
        ({"half": None}, r"\['half'\] is bfloat16\[3\] in .* and absent here"),
    ],
)
def test_a_state_of_another_shape_is_refused_and_not_taken_for_damage(tmp_path, change, message):
    checkpoints.save(tmp_path, 1, make_state(1), {})
    template = make_state(0)
    template["params"].update(change)
    for restore in (
        lambda: checkpoints.restore(tmp_path, 1, template),
        lambda: checkpoints.restore_latest(tmp_path, template),
    ):
        with pytest.raises(CheckpointError, match=message) as error:
            restore()
        assert "\n" not in str(error.value)


def test_a_part_may_be_restored_alone(tmp_path):
    state = make_state(1) | {"params_average": jnp.zeros(2)}
    checkpoints.save(tmp_path, 1, state, {})
    params = checkpoints.restore(tmp_path, 1, make_state(0)["params"], part="['params']")
    assert_same_bits(params, state["params"])
    with pytest.raises(CheckpointError, match=r"\['params'\]\['half'\] is .* absent here"):
        checkpoints.restore(tmp_path, 1, {"kernel": jnp.zeros((7, 4))}, part="['params']")

    checkpoints.save(tmp_path, 2, Averages(jnp.ones(2), jnp.ones(3)), {})
    assert checkpoints.restore(tmp_path, 2, jnp.ones(2), part=".mean").tolist() == [1, 1]


def test_an_absent_step_is_refused_with_those_that_are_there(tmp_path):
    checkpoints.save(tmp_path, 10, make_state(1), {})
    checkpoints.save(tmp_path, 20, make_state(1), {})
    with pytest.raises(CheckpointError, match=r"no checkpoint of step 15 in .* there: 10, 20"):
        checkpoints.restore(tmp_path, 15, make_state(0))


def test_another_format_is_refused(tmp_path, monkeypatch):
    checkpoints.save(tmp_path, 1, make_state(1), {})
    monkeypatch.setattr(checkpoints, "FORMAT", 2)
    with pytest.raises(CheckpointError, match=r"has format 1 and .* reads format 2"):
        checkpoints.restore_latest(tmp_path, make_state(1))


def test_prune_keeps_what_it_is_told_and_clears_what_killed_writers_left(tmp_path):
    for step in (1, 2, 3, 4):
        checkpoints.save(tmp_path, step, make_state(step), {})
    for stale in (".9.writing", ".8.deleted", ".4.replaced"):
        shutil.copytree(tmp_path / "1", tmp_path / stale)
    (tmp_path / ".mine").mkdir()
    (tmp_path / ".my.replaced").mkdir()
    checkpoints.restore_latest(tmp_path, make_state(0))
    checkpoints.prune(tmp_path, keep=[2, 4, 99])
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [".mine", ".my.replaced", "2", "4"]
    assert_same_bits(checkpoints.restore(tmp_path, 2, make_state(0)), make_state(2))
    checkpoints.prune(tmp_path / "absent", keep=[])


def test_logging_of_others_is_untouched(tmp_path, caplog):
    checkpoints.save(tmp_path, 1, make_state(1), {})
    checkpoints.restore(tmp_path, 1, make_state(1))
    logging.getLogger("absl").error("still heard")
    assert [record.getMessage() for record in caplog.records] == ["still heard"]
