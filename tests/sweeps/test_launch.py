"""When the launcher starts another worker."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lstm_jax.sweeps import liveness
from lstm_jax.sweeps.launch import _Crew
from lstm_jax.sweeps.trials import State
from tests.sweeps.studies import add, begin

_VALUES = {
    "optimizer.learning_rate": 0.01,
    "task.dropout": 0.25,
    "task.cell": "GRU(hidden=4)",
    "task.layers": 2,
}


def test_a_worker_that_starts_is_not_taken_for_one_that_another_machine_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = begin(tmp_path / "sweep", trials=3)
    with monkeypatch.context() as patch:
        patch.setattr(liveness, "host", lambda: "elsewhere")
        for _ in range(2):
            add(study, _VALUES, state=State.RUNNING)
    add(study, _VALUES, state=State.WAITING)
    crew = _Crew(study, [], workers=2)
    assert crew._has_work()
    starting: Any = SimpleNamespace(pid=1)
    crew.processes[0] = starting
    assert not crew._has_work()
