"""Runs that are stopped go on as if nothing had happened. Killed processes: `test_killed.py`."""

import logging
import os
import signal

import pytest
from orbax.checkpoint._src.serialization import ocdbt_utils as orbax

import lstm_jax
from lstm_jax.data.windows import TokenWindows
from lstm_jax.errors import CheckpointError, StorageError
from lstm_jax.reporting.reporter import Reporter
from lstm_jax.storage import checkpoints
from lstm_jax.storage.metrics_log import MetricsLog
from lstm_jax.tasks import evaluation
from lstm_jax.training import loop as runner
from lstm_jax.training import step as training
from tests.cells.table import CELLS
from tests.runs import arrays_of, assert_same_run, evaluations_of, tiny
from tests.test_files import largest_file


@pytest.fixture(scope="module")
def whole(text, tmp_path_factory):
    """A run of the tiny experiment that nothing stopped."""
    workdir = tmp_path_factory.mktemp("runs") / "whole"
    lstm_jax.train(tiny(text), workdir)
    return workdir


class StoppedError(Exception):
    pass


def at_call(patch, owner, name, number, action, after=False):
    """Does something before (or after) call `number`, from 1 on, of a function."""
    original, calls = getattr(owner, name), []

    def wrapper(*arguments, **keywords):
        calls.append(name)
        if len(calls) == number and not after:
            action()
        result = original(*arguments, **keywords)
        if len(calls) == number and after:
            action()
        return result

    patch.setattr(owner, name, wrapper)


def stop():
    raise StoppedError


# ---- exceptions ---------------------------------------------------------------------------------


# One cell of each form of carry; the others', too, among the slow proofs.
CARRIES = ("lstm", "gru", "matrix_memory")


@pytest.mark.parametrize(
    "name",
    [name if name in CARRIES else pytest.param(name, marks=pytest.mark.slow) for name in CELLS],
)
def test_every_cell_goes_on_after_an_exception(name, text, tmp_path, monkeypatch):
    experiment = tiny(text, task__cell=CELLS[name], epochs=1, steps_per_dispatch=1)
    with monkeypatch.context() as patch:
        at_call(patch, TokenWindows, "batch", 10, stop)
        with pytest.raises(StoppedError):
            lstm_jax.train(experiment, tmp_path / "stopped")
    assert checkpoints.steps(tmp_path / "stopped" / "checkpoints") == [5, 6]
    lstm_jax.train(experiment, tmp_path / "stopped")
    lstm_jax.train(experiment, tmp_path / "whole")
    assert_same_run(tmp_path / "stopped", tmp_path / "whole")


@pytest.mark.parametrize(
    ("owner", "name", "number", "after"),
    [
        (evaluation, "evaluate", 2, False),
        (training, "init_state", 1, True),
        (MetricsLog, "append", 5, True),
        (MetricsLog, "sync", 3, True),
        (checkpoints, "save", 1, False),
        (checkpoints, "prune", 8, False),
        (checkpoints, "_write_arrays", 3, True),
        (Reporter, "close", 1, True),
        # Places that lie between the same two writes as one of the above.
        *(
            pytest.param(*place, marks=pytest.mark.slow)
            for place in (
                (evaluation, "evaluate", 2, True),
                (MetricsLog, "truncate", 1, False),
                (checkpoints, "save", 4, True),
                (checkpoints, "prune", 4, True),
                (Reporter, "scalars", 3, True),
                (Reporter, "step", 6, True),
            )
        ),
    ],
)
def test_a_run_goes_on_wherever_it_was_stopped(
    owner, name, number, after, text, whole, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        at_call(patch, owner, name, number, stop, after)
        with pytest.raises(StoppedError):
            lstm_jax.train(tiny(text), tmp_path)
    lstm_jax.train(tiny(text), tmp_path)
    assert_same_run(tmp_path, whole)


# ---- signals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "error", "owner", "name", "call", "step"),
    [
        pytest.param(*kind, *where, id=f"{kind[0].name} {title}", marks=slow)
        for index, (title, where) in enumerate(
            {
                "before the first step": (runner._Loop, "_loop", 1, 0),
                "in a step": (TokenWindows, "batch", 8, 7),
                "evaluating": (evaluation, "evaluate", 2, 12),
                "evaluating the last step": (evaluation, "evaluate", 4, 24),
                "saving": (checkpoints, "save", 3, 10),
            }.items()
        )
        for kind, slow in zip(
            [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)],
            # One of the signals at each place, by turns; the other one among the slow proofs.
            [(), pytest.mark.slow] if index % 2 else [pytest.mark.slow, ()],
            strict=True,
        )
    ],
)
def test_a_signal_saves_and_leaves(
    number, error, owner, name, call, step, text, whole, tmp_path, monkeypatch, capsys
):
    before = signal.getsignal(number)
    experiment = tiny(text, steps_per_dispatch=1)
    with monkeypatch.context() as patch:
        at_call(patch, owner, name, call, lambda: signal.raise_signal(number))
        with pytest.raises(error) as raised:
            lstm_jax.train(experiment, tmp_path)
    if error is SystemExit:
        assert raised.value.code == 143
    assert signal.getsignal(number) == before
    assert checkpoints.steps(tmp_path / "checkpoints")[-1] == step
    assert step not in evaluations_of(tmp_path), "an evaluation is left for later"
    assert f"saved step {step}; the same command goes on" in capsys.readouterr().err
    lstm_jax.train(experiment, tmp_path)
    assert_same_run(tmp_path, whole)


def test_an_evaluation_is_left_at_its_next_batch(text, tmp_path, monkeypatch):
    seen = []

    def watched(batches, title):
        for batch in batches:
            seen.append(batch)
            if len(seen) == 3:
                signal.raise_signal(signal.SIGTERM)
            yield batch

    monkeypatch.setattr(runner, "progress_bar", watched)
    with pytest.raises(SystemExit):
        lstm_jax.train(tiny(text, data__evaluation_window=1), tmp_path)
    assert len(seen) == 3


def test_a_signal_in_an_evaluation_for_the_log_alone_leaves_it_for_later(
    text, tmp_path, monkeypatch
):
    experiment = tiny(text, steps=8)
    with monkeypatch.context() as patch:
        at_call(patch, evaluation, "evaluate", 2, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            lstm_jax.train(experiment, tmp_path / "stopped")
    assert list(evaluations_of(tmp_path / "stopped")) == [6]
    lstm_jax.train(experiment, tmp_path / "stopped")
    lstm_jax.train(experiment, tmp_path / "whole")
    assert_same_run(tmp_path / "stopped", tmp_path / "whole")


# ---- disks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["checkpoint", "log"])
def test_a_full_disk_is_an_error_at_once_and_the_run_goes_on_later(
    kind, text, whole, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        at_call(patch, TokenWindows, "batch", 10, stop)
        with pytest.raises(StoppedError):
            lstm_jax.train(tiny(text), tmp_path)
    newest = checkpoints.read_manifest(tmp_path / "checkpoints", 6)
    size = newest["metadata"]["metrics_size"] + 10 if kind == "log" else 50_000
    with largest_file(size), pytest.raises(StorageError, match="File too large") as error:
        lstm_jax.train(tiny(text), tmp_path)
    assert "\n" not in str(error.value)
    assert ("checkpoint of step" if kind == "checkpoint" else "metrics.jsonl") in str(error.value)
    assert checkpoints.steps(tmp_path / "checkpoints") == [5, 6]
    arrays_of(tmp_path)  # which verifies the digests
    lstm_jax.train(tiny(text), tmp_path)
    assert_same_run(tmp_path, whole)


def test_a_checkpoint_that_cannot_be_read_back_takes_the_place_of_none(
    text, whole, tmp_path, monkeypatch, capfd
):
    """As when Orbax did not find, in a directory named [a], the files that it had to merge."""

    async def find_nothing(*arguments, **options):
        pass

    name = "merge_ocdbt_per_process_files"
    with monkeypatch.context() as patch:
        at_call(patch, checkpoints, "save", 3, lambda: patch.setattr(orbax, name, find_nothing))
        with pytest.raises(StorageError) as error:
            lstm_jax.train(tiny(text), tmp_path)
    assert str(error.value) == (
        f"checkpoint of step 10 could not be written to {tmp_path / 'checkpoints'}: Orbax left its "
        "files unfinished; mend that and start again from the checkpoint before it, which is intact"
    )
    assert "Traceback" not in capfd.readouterr().err
    assert sorted(os.listdir(tmp_path / "checkpoints")) == ["5", "6"]
    assert lstm_jax.load(tmp_path, "latest").step == 6
    lstm_jax.train(tiny(text), tmp_path)
    assert_same_run(tmp_path, whole)


def damage(checkpoint):
    """Flips a bit in the largest file of a checkpoint."""
    files = [path for path in checkpoint.rglob("*") if path.is_file()]
    largest = max(files, key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    return largest


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(
    text, whole, tmp_path, monkeypatch, caplog
):
    with monkeypatch.context() as patch:
        at_call(patch, TokenWindows, "batch", 17, stop)
        with pytest.raises(StoppedError):
            lstm_jax.train(tiny(text), tmp_path)
    assert checkpoints.steps(tmp_path / "checkpoints") == [12, 15]
    largest = damage(tmp_path / "checkpoints" / "15")
    with caplog.at_level(logging.WARNING):
        lstm_jax.train(tiny(text), tmp_path)
    assert f"checkpoint is damaged: {largest} differs from its digest" in caplog.text
    assert "using the checkpoint before it" in caplog.text
    assert_same_run(tmp_path, whole)


def test_what_is_saved_after_a_damaged_checkpoint_stays(text, tmp_path, monkeypatch, caplog):
    experiment = tiny(text, keep=1, steps_per_dispatch=1)
    directory = tmp_path / "checkpoints"

    def train_until(batch):
        with monkeypatch.context() as patch:
            at_call(patch, TokenWindows, "batch", batch, lambda: signal.raise_signal(signal.SIGINT))
            with pytest.raises(KeyboardInterrupt):
                lstm_jax.train(experiment, tmp_path)

    train_until(11)
    assert checkpoints.steps(directory) == [6, 10]
    damage(directory / "10")
    train_until(3)
    assert checkpoints.steps(directory) == [6, 8]
    # Whoever loads the run gets the next best, with a warning.
    damage(directory / "6")
    assert lstm_jax.load(tmp_path).step == 8
    assert "using the next best" in caplog.text
    with pytest.raises(CheckpointError, match="damaged"):
        lstm_jax.load(tmp_path, step=6)


def test_without_any_whole_checkpoint_the_run_is_not_started_anew(text, tmp_path):
    lstm_jax.train(tiny(text, steps=1), tmp_path)
    (tmp_path / "checkpoints" / "1" / "manifest.json").write_text("{}")
    log = (tmp_path / "metrics.jsonl").read_bytes()
    with pytest.raises(CheckpointError, match=r"all 1 checkpoints in .* are damaged"):
        lstm_jax.train(tiny(text, steps=1), tmp_path)
    assert (tmp_path / "metrics.jsonl").read_bytes() == log
    assert os.listdir(tmp_path / "checkpoints") == ["1"]
