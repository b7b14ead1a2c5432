"""How a sweep describes itself, and what it refuses before its first trial."""

import functools
import os
import subprocess
import sys

import optuna
import pytest

from lstm_jax.cells import GRU, LSTM, SimpleRNN
from lstm_jax.errors import ConfigError, SweepError
from lstm_jax.recurrence import backend
from lstm_jax.sweeps.space import Choice, Integer, LogUniform, Uniform
from lstm_jax.sweeps.storage import open_directory, open_storage
from lstm_jax.sweeps.study import Definition, _describe, define
from lstm_jax.sweeps.sweep import Sweep
from tests.processes import ROOT
from tests.runs import tiny
from tests.sweeps.studies import begin

RATE = {"optimizer.learning_rate": LogUniform(1e-3, 1.0)}
CELLS = [LSTM(hidden=3), GRU(hidden=4)]


def wide(cell: object) -> bool:
    return getattr(cell, "hidden", 0) > 3


NAMES = ["sgd", "adam", "adamw", "lion", "rmsprop", "adagrad"]
DESCRIBED = [
    (Choice(CELLS), "Choice(values=(LSTM(hidden=3), GRU(hidden=4)))"),
    (Uniform(0.0, 1.0, when={"a": LSTM}), "Uniform(low=0.0, high=1.0) when a is a LSTM"),
    (
        Integer(2, 8, step=2, when={"a": LSTM(hidden=3)}),
        "Integer(low=2, high=8, step=2) when a is LSTM(hidden=3)",
    ),
    (
        LogUniform(0.5, 1.0, when={"a": [LSTM, wide], "b": (1, None)}),
        "LogUniform(low=0.5, high=1.0) when a is a LSTM or satisfies wide and b is 1 or is None",
    ),
    (
        Choice(["x"], when={"a": lambda cell: True, "b": functools.partial(isinstance)}),
        "Choice(values=('x',)) when a satisfies <lambda> and b satisfies partial",
    ),
    (Choice(NAMES, when={"a": "word"}), f"Choice(values={tuple(NAMES)}) when a is 'word'"),
    # Of sets the order is another in every process.
    (Choice([1], when={"a": set(NAMES)}), None),
    (Choice([1], when={"a": frozenset({LSTM, GRU, SimpleRNN, LSTM(), GRU(), wide})}), None),
]


@pytest.mark.parametrize(("distribution", "text"), DESCRIBED[:-2])
def test_a_distribution_is_described(distribution, text):
    assert _describe(distribution) == text


def test_a_distribution_is_described_alike_in_every_process():
    code = (
        "from tests.sweeps import test_study as it\n"
        "for one, _ in it.DESCRIBED: print(it._describe(one))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONHASHSEED": "3"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.splitlines() == [_describe(one) for one, _ in DESCRIBED]
    assert "0x" not in done.stdout


def test_a_definition_describes_its_space():
    space = {"task.cell": CELLS, "task.cell.hidden": Integer(2, 8, when={"task.cell": wide})}
    assert define(Sweep(space=space, trials=1), tiny("here")).space == {
        "task.cell": "Choice(values=(LSTM(hidden=3), GRU(hidden=4)))",
        "task.cell.hidden": "Integer(low=2, high=8) when task.cell satisfies wide",
    }


def test_a_definition_is_read_back():
    changes = {"task.layers": "2"}
    written = define(Sweep(space=RATE, trials=3, seeds=2), tiny("here"), "configs/a.py", changes)
    assert written.experiment == tiny("here")
    assert (written.config, written.changes) == ("configs/a.py", changes)
    assert (written.metric, written.direction, written.seeds) == (
        "validation/nats_per_token",
        "min",
        2,
    )
    assert Definition.from_json(written.to_json(), ()) == written


def test_a_definition_is_of_the_grid_that_is_run():
    sweep = Sweep(space=RATE, grids={"small": {"seed": [1, 2]}}, grid="small")
    assert define(sweep, tiny("here")).space == {"seed": "Choice(values=(1, 2))"}


@pytest.mark.parametrize(
    ("fields", "changes", "message"),
    [
        ({}, {}, "the sweep would never end"),
        ({"trials": 1, "space": {}}, {}, "the search space is empty"),
        ({"trials": 1, "space": {"task.drop": [0.1]}}, {}, "the search space: task.drop"),
        ({"trials": 1, "space": {"seed": [1, 2]}, "seeds": 2}, {}, "seed stands in the search"),
        ({"trials": 1, "seeds": 2}, {"seed": 2**32 - 1}, "seed: 2 seeds from 4294967295 on"),
        ({"trials": 1, "metric": "train/loss"}, {}, "say --direction"),
        ({"sampler": "grid"}, {}, "optimizer.learning_rate: a grid needs"),
    ],
)
def test_a_sweep_that_could_not_run_is_refused_when_it_is_defined(fields, changes, message):
    with pytest.raises(ConfigError, match=message):
        define(Sweep(**({"space": RATE} | fields)), tiny("here", **changes))


def test_the_last_seeds_that_there_are_may_be_used():
    define(Sweep(space=RATE, trials=1, seeds=2), tiny("here", seed=2**32 - 2))


def test_a_grid_keeps_its_order(tmp_path):
    """The number of a trial says its point: in another order points were run twice or never."""
    grid = {"task.layers": [1, 2], "task.dropout": [0.0, 0.25]}
    turned = dict(reversed(grid.items()))
    begin(tmp_path / "grid", grid, sampler="grid")
    begin(tmp_path / "grid", grid, sampler="grid")
    with pytest.raises(SweepError, match=r"the order of the space was .* and is now"):
        begin(tmp_path / "grid", turned, sampler="grid")
    begin(tmp_path / "random", grid, sampler="random")
    begin(tmp_path / "random", turned, sampler="tpe")
    with pytest.raises(SweepError, match="is_grid was False and is now True"):
        begin(tmp_path / "random", grid, sampler="grid")


def test_a_grid_keeps_its_points(tmp_path):
    """A condition's function is known by its name, which says nothing of what it does."""

    def grid(least):
        cells = {"task.cell": CELLS}
        wide = {"task.cell": lambda cell: cell.hidden >= least}
        return cells | {"task.layers": Choice([1, 2], when=wide)}

    begin(tmp_path / "grid", grid(4), sampler="grid")
    begin(tmp_path / "grid", grid(4), sampler="grid")
    with pytest.raises(
        SweepError, match=r"of the grid's points, which a condition's function decides, was"
    ):
        begin(tmp_path / "grid", grid(3), sampler="grid")


def test_a_study_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "sweep").mkdir()
    location = open_directory(tmp_path / "sweep", None, None)
    storage = open_storage(tmp_path / "sweep", location)
    optuna.create_study(storage=storage, study_name="sweep").add_trial(
        optuna.trial.create_trial(value=1.0)
    )
    with pytest.raises(SweepError, match=r"the sweep 'sweep' in .* was not made by lstm_jax"):
        begin(tmp_path / "sweep")


def test_a_wrong_backend_is_refused_when_a_sweep_is_defined():
    with backend._chosen("scn"), pytest.raises(ConfigError, match="LSTM_JAX_BACKEND is one of"):
        define(Sweep(space=RATE, trials=1), tiny("here"))
