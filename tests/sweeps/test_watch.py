"""The live table, and when another worker would find something to do."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from lstm_jax.sweeps.study import Study
from lstm_jax.sweeps.trials import Standing, State, read_trials
from lstm_jax.sweeps.watch import Watch
from tests.sweeps.studies import add, begin

_VALUES = {
    "optimizer.learning_rate": 0.01,
    "task.dropout": 0.25,
    "task.cell": "GRU(hidden=4)",
    "task.layers": 2,
}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Two trials that are done, one that runs, one that waits, one that diverged."""
    study = begin(tmp_path / "sweep")
    add(study, _VALUES, 2.5)
    add(study, _VALUES, 2.25)
    add(study, _VALUES, state=State.RUNNING)
    add(study, _VALUES, state=State.WAITING)
    add(study, _VALUES, state=State.DIVERGED, error="NaN")
    return study


def standing(study: Study, budget: int | None = 10, hours: float | None = None) -> Standing:
    return Standing(read_trials(study.desk.rows()), 3600.0, budget, hours)


def test_a_terminal_has_a_table(study: Study) -> None:
    printed = io.StringIO()
    watch = Watch(study)
    watch._console = Console(file=printed, width=140)
    watch._console.print(watch._render(standing(study)))
    lines = printed.getvalue().splitlines()
    assert lines[1].split()[:4] == ["trial", "learning_rate", "dropout", "cell"]
    (best,) = [line for line in lines if "best so far" in line]
    assert best.split()[0] == "1"
    assert "2.25" in best
    assert any("running" in line for line in lines)
    assert "3/10 trials done, 1 running" in lines[0]
    assert "best validation/nats_per_token 2.25 (trial 1)" in lines[0]
    assert "3 trials/h" in lines[0]
    assert "2:20:00 left" in lines[0]  # seven trials of twenty minutes


def test_a_table_keeps_to_the_height_of_the_terminal(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(30):
        add(study, _VALUES, 3.0)
        add(study, _VALUES, state=State.RUNNING)
    printed = io.StringIO()
    monkeypatch.setenv("TERM", "xterm")
    watch = Watch(study)
    watch._console = Console(file=printed, width=140, height=20, force_terminal=True)
    watch._live.console = watch._console
    with watch:
        watch.show(standing(study, 99))
        shown = printed.getvalue().splitlines()
    assert 15 < len(shown) < 20
    assert "33/99 trials done, 31 running" in shown[0]
    assert "... and 18 more running" in shown[-1]
    assert any("best so far" in line for line in shown)


def test_elsewhere_each_end_is_a_line_told_once(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = Watch(study)
    with watch:
        watch.show(standing(study))
        watch.show(standing(study))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[1].startswith("trial 1: complete 2.25 (optimizer.learning_rate=0.01")
    assert lines[1].endswith(")")
    assert lines[2].startswith("trial 4: diverged -")
    assert lines[2].endswith("): NaN")


@pytest.mark.parametrize(
    ("budget", "starting", "is_open"),
    [
        (10, 0, True),
        (10, 5, True),  # five that have not begun, and one that waits
        (10, 6, False),
        (5, 0, True),
        (5, 1, False),
        (4, 0, True),  # the budget shrank, but the trial that waits is within it
        (3, 0, False),
        (None, 99, True),
    ],
)
def test_another_worker_would_find_a_trial(
    budget: int | None, starting: int, is_open: bool, study: Study
) -> None:
    assert standing(study, budget).is_open(starting) == is_open


def test_hours_end_before_trials(study: Study) -> None:
    assert not standing(study, hours=1.01).is_late
    assert standing(study, hours=1.0).is_late
    assert not standing(study).is_late
    assert Watch(study)._left(standing(study, hours=1.5)) == pytest.approx(1800.0)
