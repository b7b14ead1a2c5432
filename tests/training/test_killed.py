"""Real processes, killed or asked to leave, and started again with the same command."""

import concurrent.futures
import random
import re
import signal
import time

import pytest

import lstm_jax
from lstm_jax.storage import checkpoints
from tests.cells.table import CELLS
from tests.processes import Training, write_config
from tests.runs import assert_same_run, evaluations_of, tiny, write_text

KILLS = 20
CHAINS = 2
"""Runs that are killed side by side, as there may be two cores."""


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return write_text(tmp_path_factory.mktemp("data") / "text", validation=1500)


def start_and_kill(config, workdir):
    """Kills the run at a random instant; False if it came to its end before.

    Half of the instants are counted from the very beginning, where a process reads, restores and
    compiles, and half from its first new record, where it trains, evaluates and saves.
    """
    with Training(config, workdir) as training:
        lines, seconds = training.lines_logged(), random.uniform(0, 3)
        training.wait_for(training.has_begun)
        if random.random() < 0.5:
            training.wait_for(lambda: training.lines_logged() > lines)
        time.sleep(seconds)
        training.process.kill()
        code, printed = training.end()
    assert code in (0, -signal.SIGKILL), printed
    return code != 0


def leave(config, workdir, number, happened):
    """Sends a signal once something has happened; the program leaves in good order."""
    with Training(config, workdir) as training:
        assert training.wait_for(lambda: happened(training)), training.end()
        training.process.send_signal(number)
        asked = time.monotonic()
        code, printed = training.end()
        assert time.monotonic() - asked < 60
    assert code == 128 + number, printed
    assert "Traceback" not in printed
    return re.findall(r"^saved step \d+; the same command goes on from there$", printed, re.M)


def test_a_run_that_is_killed_again_and_again_ends_as_if_nothing_had_happened(text, tmp_path):
    changes = {
        "optimizer__name": "sgd",
        "optimizer__options": {"momentum": 0.9},
        "steps": 24,
        "log_every": 6,
        # One token at a time, so that an evaluation lasts long enough to be met.
        "data__evaluation_window": 1,
        "data__batch_size": 1,
    }
    config = write_config(tmp_path / "config.py", text, "lstm", **changes)
    workdir = tmp_path / "run"

    # Before the first step, when there is nothing to save yet.
    leave(config, workdir, signal.SIGINT, Training.has_begun)
    # While it saves.
    with Training(config, workdir) as training:
        assert training.wait_for(training.is_saving), training.end()
        training.process.kill()
    # While it evaluates: the training record of step 6 is written right before.
    said = leave(config, workdir, signal.SIGTERM, lambda training: training.lines_logged() == 1)
    assert said == ["saved step 6; the same command goes on from there"]
    assert checkpoints.steps(workdir / "checkpoints")[-1] == 6
    assert evaluations_of(workdir) == {}
    # While it trains, evaluates and saves.
    with Training(config, workdir) as training:
        assert training.wait_for(lambda: training.lines_logged() > 1), training.end()
        time.sleep(random.uniform(0, 0.5))
        training.process.kill()
    with Training(config, workdir) as training:
        code, printed = training.end()
    assert code == 0, printed
    lstm_jax.train(tiny(text, task__cell=CELLS["lstm"], **changes), tmp_path / "whole")
    assert_same_run(workdir, tmp_path / "whole")
    assert not [path for path in (workdir / "checkpoints").iterdir() if path.name[0] == "."]


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
def test_every_cell_survives_twenty_random_kills(name, text, tmp_path, capsys):
    changes = {"epochs": 20}
    config = write_config(tmp_path / "config.py", text, name, **changes)
    lstm_jax.train(tiny(text, task__cell=CELLS[name], **changes), tmp_path / "whole")

    def chain(number):
        """A run killed again and again; when it comes to its end, another one."""
        survived = runs = 0
        while survived < KILLS // CHAINS:
            workdir, kills, runs = tmp_path / f"{number}-{runs}", 0, runs + 1
            while survived + kills < KILLS // CHAINS:
                if not start_and_kill(config, workdir):
                    break
                kills += 1
            with Training(config, workdir) as last:
                code, printed = last.end()
            assert code == 0, printed
            assert_same_run(workdir, tmp_path / "whole")
            survived += kills
        return survived

    with concurrent.futures.ThreadPoolExecutor(CHAINS) as pool:
        survived = sum(pool.map(chain, range(CHAINS)))
    with capsys.disabled():
        print(f"\n{name}: {survived} of {KILLS} kills survived, bit for bit")
    assert survived == KILLS
