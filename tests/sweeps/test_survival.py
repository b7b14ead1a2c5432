"""Sweeps whose workers, or which themselves, are killed at any instant."""

import random
import time
from pathlib import Path

import pytest
from optuna.trial import TrialState

from lstm_jax.storage import checkpoints
from lstm_jax.sweeps.results import SweepRun, load_sweep
from lstm_jax.sweeps.trials import State
from tests.sweeps.sweeping import Sweeping, is_running, kill, write_files

# Nothing that is learned depends on it: all trials must come to the same bits, however often the
# worker of one dies.
_SPACE = "{'keep': Integer(4, 9)}"


@pytest.mark.parametrize(
    ("trials", "workers", "kills", "seconds"),
    [(6, 2, 3, 2.0), (200, 4, 30, 20.0)],
)
@pytest.mark.slow
def test_killed_workers_lose_nothing(
    trials: int, workers: int, kills: int, seconds: float, text: str, tmp_path: Path
) -> None:
    flags = write_files(tmp_path, text, _SPACE, f"sampler='random', trials={trials}")
    chance = random.Random(trials)
    with Sweeping([*flags, f"--workers={workers}", "--heartbeat=2"], tmp_path / "log") as sweeping:
        killed, trials_made = 0, tmp_path / "sweep" / "trials"
        assert sweeping.wait_for(lambda: any(trials_made.glob("*/config.json")))
        while killed < kills and sweeping.process.poll() is None:
            time.sleep(chance.uniform(0, seconds))
            if found := sweeping.workers():
                kill(chance.choice(found))
                killed += 1
        assert sweeping.end(3600) == 0, sweeping.printed()
    assert killed == kills
    assert_whole(load_sweep(tmp_path / "sweep"), trials)


def test_a_killed_sweep_goes_on(text: str, tmp_path: Path) -> None:
    flags = write_files(tmp_path, text, _SPACE, "sampler='random', trials=2")
    workdir = tmp_path / "sweep"
    with Sweeping([*flags, "--workers=1"], tmp_path / "log") as sweeping:
        assert sweeping.wait_for(lambda: "trial 0: complete" in sweeping.printed())
        workers = sweeping.workers()
        kill(sweeping.process.pid)
        sweeping.end()
        # The worker notices, saves and leaves.
        limit = time.monotonic() + 180
        while any(map(is_running, workers)):
            assert time.monotonic() < limit
            time.sleep(0.1)
    before = {trial.number: trial for trial in load_sweep(workdir).trials}
    done = {number for number, one in before.items() if one.state is State.COMPLETE}
    assert done
    assert all(before[number].state is State.WAITING for number in before.keys() - done)
    written = {number: written_at(before[number].workdir) for number in done}
    with Sweeping([*flags, "--workers=1"], tmp_path / "log") as sweeping:
        assert sweeping.end() == 0, sweeping.printed()
    after = load_sweep(workdir)
    assert_whole(after, 2)
    for number in done:
        assert written_at(after[number].workdir) == written[number]
        assert after[number].metric == before[number].metric
        assert after[number].seconds == before[number].seconds


@pytest.mark.slow  # what it rests on is tried on each kind of database in test_desk.py
def test_two_machines_share_a_database(postgresql: str, text: str, tmp_path: Path) -> None:
    """Started at once, before there is any table; one of them is then lost with its worker."""
    flags = write_files(tmp_path, text, _SPACE, "sampler='random', trials=4")
    flags += [f"--storage={postgresql}", f"--study={tmp_path}", "--workers=1"]
    workdir = tmp_path / "sweep"
    with (
        Sweeping(flags, tmp_path / "first") as first,
        Sweeping(flags, tmp_path / "second") as second,
    ):
        assert first.wait_for(lambda: "trial 1: complete" in first.printed())
        workers = second.workers()
        kill(second.process.pid)
        for worker in workers:
            kill(worker)
        assert first.end() == 0, first.printed()
    assert workers
    assert_whole(load_sweep(workdir), 4)
    rows = load_sweep(workdir)._study.get_trials()
    assert len({row.user_attrs["owner"]["process"] for row in rows}) >= 2


def assert_whole(sweep: SweepRun, trials: int) -> None:
    """Every trial is complete, once, with all that a run leaves."""
    assert [trial.number for trial in sweep.trials] == list(range(trials))
    assert {trial.state for trial in sweep.trials} == {State.COMPLETE}
    rows = sweep._study.get_trials()
    assert sum(row.state is TrialState.COMPLETE for row in rows) == trials
    assert {row.state for row in rows} <= {TrialState.COMPLETE, TrialState.FAIL}
    assert len({trial.metric for trial in sweep.trials}) == 1
    for trial in sweep.trials:
        assert trial.metrics["validation"]["step"].tolist() == [6, 12, 18, 24]
        assert list(trial.curve) == [1, 2, 3, 4]
        assert checkpoints.steps(trial.workdir / "checkpoints")[-1] == 24
        assert trial.load().step in (6, 12, 18, 24)


def written_at(workdir: Path) -> dict[str, int]:
    """When each file of a run was last written."""
    return {str(path): path.stat().st_mtime_ns for path in workdir.rglob("*")}
