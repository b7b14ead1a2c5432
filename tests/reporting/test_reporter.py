import contextlib
import io
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lstm_jax.errors import StorageError
from lstm_jax.reporting import reporter as reporting
from lstm_jax.reporting.reporter import Reporter, describe_evaluation, progress_bar
from tests.reporting.test_curves import EMPTY, example
from tests.test_files import largest_file

pytestmark = pytest.mark.usefixtures("pictures")

ROOT = Path(__file__).parents[2]


class Clock:
    """A `time.perf_counter` that goes on only when told."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(reporting.time, "perf_counter", clock)
    return clock


@pytest.fixture
def metrics():
    return example()


def read_events(workdir):
    events = EventAccumulator(str(workdir))
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


# ---- TensorBoard --------------------------------------------------------------------------------


def test_tensorboard_reads_the_events_while_the_run_goes_on(tmp_path):
    with Reporter(tmp_path, total_steps=3) as reporter:
        reporter.scalars(1, "train", {"loss": 4.5, "gradient_norm": np.float32(2.0)})
        reporter.scalars(2, "train", {"loss": math.inf})
        reporter.scalars(2, "validation", {"loss": 3.5})
        # A process killed now has lost nothing.
        assert read_events(tmp_path) == {
            "train/loss": [(1, 4.5), (2, math.inf)],
            "train/gradient_norm": [(1, 2.0)],
            "validation/loss": [(2, 3.5)],
        }
    assert read_events(tmp_path)["validation/loss"] == [(2, 3.5)]


def test_a_resumed_run_replaces_what_came_after_its_checkpoint(tmp_path):
    # The first process dies before its first checkpoint, the others after that of step 4; all start
    # within one second.
    for process, (first, last) in enumerate([(0, 9), (0, 7), (4, 8), (4, 6)]):
        with Reporter(tmp_path, total_steps=10, first_step=first) as reporter:
            for step in range(first + 1, last + 1):
                reporter.scalars(step, "train", {"loss": 100 * process + step})
            reporter.scalars(last, "validation", {"loss": process})
    events = read_events(tmp_path)
    assert events["train/loss"] == [(1, 101), (2, 102), (3, 103), (4, 104), (5, 305), (6, 306)]
    assert events["validation/loss"] == [(6, 3)]


def test_no_tensorflow_is_imported(tmp_path):
    program = f"""
import sys
from pathlib import Path
from lstm_jax.reporting.reporter import Reporter
with Reporter(Path({str(tmp_path)!r}), 1) as reporter:
    reporter.scalars(1, "train", {{"loss": 1.0}})
assert "tensorflow" not in sys.modules and "matplotlib.pyplot" not in sys.modules
"""
    command = [sys.executable, "-W", "error", "-c", program]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)


# ---- speed --------------------------------------------------------------------------------------


def test_the_speed_counts_training_only(tmp_path, clock):
    with Reporter(tmp_path, total_steps=100) as reporter:
        clock.now += 50  # compiling
        reporter.step(1, 700)
        for step in range(2, 12):
            clock.now += 0.1
            reporter.step(step, 700)
        reporter.scalars(11, "train", {"loss": 1.0})
        clock.now += 1000  # evaluating
        reporter.scalars(11, "validation", {"loss": 1.0})
        clock.now += 7  # drawing and saving
        reporter.message("saved")
        clock.now += 0.2
        reporter.step(12, 700)
        reporter.scalars(12, "train", {"loss": 1.0})
        reporter.scalars(12, "train", {"loss": 1.0})  # nothing was trained in between
    speeds = dict(read_events(tmp_path)["train/tokens_per_second"])
    assert speeds == pytest.approx({11: 7000, 12: 3500})


# ---- the bar ------------------------------------------------------------------------------------


def test_a_log_file_gets_a_line_every_30_seconds(tmp_path, clock, capsys):
    with Reporter(tmp_path, total_steps=4000, first_step=1000) as reporter:
        for step in range(1001, 2001):
            clock.now += 0.1
            reporter.step(step, 700, loss=np.float32(5.4321))
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 3
        assert lines[0].startswith("33% 1301/4000 [00:30<04:29, 10.00step/s, ")
        assert lines[0].endswith(", 7,000 tokens/s, loss=5.432]")
        reporter.message("validation perplexity 120.3")
        assert capsys.readouterr().err == "validation perplexity 120.3\n"
    assert "2000/4000" in capsys.readouterr().err


def test_a_terminal_shows_a_bar_five_times_a_second(tmp_path, clock, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Reporter(tmp_path, total_steps=1000, unit="examples") as reporter:
        for step in range(1, 101):
            clock.now += 0.01
            reporter.step(step, 32, loss=1.0)
        reporter.message("validation perplexity 120.3")
        drawn = terminal.getvalue()
    assert "100/1000" in terminal.getvalue().rsplit("\r", 1)[-1]
    assert "3,200 examples/s, loss=1" in terminal.getvalue()
    assert "\rvalidation perplexity 120.3\n" in drawn
    assert 5 <= drawn.count("examples/s") <= 8


def test_what_is_beside_the_bar_is_converted_only_when_shown(tmp_path, clock, capsys):
    class OnDevice:
        waited = 0

        def __float__(self):
            OnDevice.waited += 1
            return 1.0

    with Reporter(tmp_path, total_steps=1000) as reporter:
        for step in range(1, 100):
            clock.now += 0.1
            reporter.step(step, 1, loss=OnDevice())
        assert OnDevice.waited == 0
    assert OnDevice.waited == 1
    assert "loss=1" in capsys.readouterr().err


def test_a_run_with_nothing_left_to_do_prints_nothing(tmp_path, capsys):
    with Reporter(tmp_path, total_steps=10, first_step=10):
        pass
    assert capsys.readouterr().err == ""


def test_batches_pass_the_progress_bar_unchanged(capsys):
    assert list(progress_bar([1, 2, 3], "validation")) == [1, 2, 3]
    assert capsys.readouterr().err == ""


def test_an_evaluation_is_one_line():
    line = describe_evaluation(4646, 2.0, {"nats_per_token": 4.87123456, "perplexity": 1234.5})
    assert line == "epoch 2, step 4646: validation nats_per_token 4.87123, perplexity 1,234.5"


# ---- the picture --------------------------------------------------------------------------------


@pytest.mark.parametrize("metrics", EMPTY)
def test_there_is_no_picture_of_nothing(tmp_path, metrics):
    with Reporter(tmp_path, total_steps=1) as reporter:
        reporter.curves(metrics)
    assert not (tmp_path / "learning_curves.png").exists()


def test_the_picture_is_replaced_at_most_every_20_seconds_and_at_the_end(tmp_path, clock, metrics):
    picture = tmp_path / "learning_curves.png"
    one_curve = {"train": metrics["train"]}
    with Reporter(tmp_path, total_steps=1) as reporter:
        reporter.curves({})
        reporter.curves(one_curve)
        first = picture.read_bytes()
        assert first.startswith(b"\x89PNG")
        clock.now += 19
        reporter.curves(metrics)
        assert picture.read_bytes() == first
        clock.now += 2
        reporter.curves(metrics)
        second = picture.read_bytes()
        assert second != first
        reporter.curves(one_curve)
    assert picture.read_bytes() == first
    assert {path.suffix for path in tmp_path.iterdir() if "events" not in path.name} == {".png"}


# ---- a full disk --------------------------------------------------------------------------------


def test_a_full_disk_is_an_error_at_once(tmp_path, metrics):
    with pytest.raises(StorageError, match="cannot be written: No such file"):
        Reporter(tmp_path / "gone", total_steps=1)
    with largest_file(4), pytest.raises(StorageError, match=r"events.* cannot be written: File"):
        Reporter(tmp_path, total_steps=1)
    with pytest.raises(StorageError, match=r"events\.out.* cannot be written") as error:
        fill_up(tmp_path)
    assert "\n" not in str(error.value)
    reporter = Reporter(tmp_path, total_steps=1)
    with largest_file(1000), pytest.raises(StorageError, match=r"learning_curves\.png cannot be"):
        reporter.curves(metrics)
    with largest_file(1000), pytest.raises(StorageError, match=r"learning_curves\.png cannot be"):
        reporter.close()


def fill_up(workdir):
    with Reporter(workdir, total_steps=1) as reporter, largest_file(1000):
        for step in range(1000):
            reporter.scalars(step, "train", {"loss": 1.0})


def test_closing_does_not_hide_the_error_that_ended_the_run(tmp_path, metrics, clock):
    with pytest.raises(ArithmeticError, match="not finite"):
        diverge(tmp_path, metrics)


def diverge(workdir, metrics):
    with contextlib.ExitStack() as full_disk, Reporter(workdir, total_steps=1) as reporter:
        reporter.curves(metrics)
        full_disk.enter_context(largest_file(1000))
        reporter.curves(metrics)  # too soon after the last, so drawn when closing
        raise ArithmeticError("not finite")
