"""What a sweep refuses before its first trial, its budget and its objective."""

import dataclasses
import subprocess
import sys

import pytest

from lstm_jax.cells import GRU, LSTM, SimpleRNN
from lstm_jax.errors import ConfigError
from lstm_jax.optimization.schedules import Decay, Plateau
from lstm_jax.sweeps.space import Choice, Integer, LogUniform, Space, Uniform
from lstm_jax.sweeps.sweep import Sweep, check_space
from tests.processes import ROOT
from tests.runs import tiny, tiny_classifier

RATE = {"optimizer.learning_rate": LogUniform(1e-3, 1.0)}
CELLS = [LSTM(hidden=3), GRU(hidden=4)]


@pytest.mark.parametrize(
    "space",
    [
        RATE,
        {"task.dropout": Uniform(0.0, 0.9), "task.layers": Integer(1, 3)},
        {"task.dropout": Uniform(0.0, 1.0, step=0.3)},  # the last is 0.9
        {"epochs": Integer(1, 4)},
        {"task.cell": CELLS, "task.cell.hidden": Integer(2, 8, log=True)},
        {
            "task.cell": [*CELLS, SimpleRNN()],
            "task.cell.forget_bias": Choice([0.0, 1.0], when={"task.cell": LSTM}),
            "task.cell.activation": Choice(["tanh", "relu"], when={"task.cell": SimpleRNN}),
        },
        {
            "task.cell": [LSTM(), (LSTM(),)],
            "task.cell.hidden": Integer(2, 8, when={"task.cell": LSTM}),
            "task.cell.0.hidden": Integer(2, 8, when={"task.cell": lambda it: it != LSTM()}),
        },
        {
            "optimizer.schedule": [Plateau(), Decay(after=2)],
            "optimizer.schedule.after": Integer(0, 9, when={"optimizer.schedule": Decay}),
            "optimizer.clip_norm": [None, 0.5],
        },
        {
            "optimizer": ["Optimizer(name='sgd')", "Optimizer(name='adam')"],
            "optimizer.options": Choice(
                [{"b1": 0.5}, {}], when={"optimizer": lambda text: "adam" in text}
            ),
        },
        {"task.tied": [False, True], "task.embedding": Choice([4], when={"task.tied": True})},
        {"seed": [3, 4, 5]},
    ],
)
def test_a_space_that_fits_passes(space):
    check_space(tiny("here"), Space(space))


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (
            {"optimizer.learning_rat": LogUniform(1e-3, 1.0)},
            "optimizer.learning_rat: Optimizer has no such field; did you mean 'learning_rate'?",
        ),
        ({"task.layers": Uniform(1.0, 2.0)}, "task.layers: expected int, got 1.0"),
        (
            {"task.cell": ["words"]},
            "task.cell: expected Cell | LayerConfig | tuple[",
        ),
        ({"task.cell": [LSTM(), None]}, "task.cell: expected Cell"),
        ({"task.cell": [LSTM(), Decay()]}, "task.cell: no class Decay of type Cell"),
        ({"optimizer.learning_rate": [0.1, "fast"]}, "optimizer.learning_rate: expected float"),
        ({"optimizer.name": ["adam", "adma"]}, "optimizer: optax has no optimizer 'adma'"),
        ({"task.dropout": Uniform(0.0, 1.0)}, "task: dropout lies in [0, 1), not 1.0"),
        ({"task.dropout": Uniform(-0.1, 0.5)}, "task: dropout lies in [0, 1), not -0.1"),
        ({"seed": Integer(0, 2**32)}, "seed lies in [0, 2**32), not 4294967296"),
        ({**RATE, "task.layers": Integer(0, 2)}, "task: "),
        ({"epochs": [1, 2], "steps": [5]}, "give the length of training as epochs or as steps"),
        (
            {"task.cell": CELLS, "task.cell.forget_bias": Uniform(0.0, 1.0)},
            "task.cell.forget_bias: GRU has no such field; there are hidden",
        ),
        (
            {
                "task.cell": CELLS,
                "task.cell.forget_bias": Choice([0.0], when={"task.cell": [LSTM, GRU]}),
            },
            "task.cell.forget_bias: GRU has no such field",
        ),
        (
            {
                "task.cell": CELLS,
                "task.cell.forget_bias": Choice([0.0, "high"], when={"task.cell": LSTM}),
            },
            "task.cell.forget_bias: expected float, got 'high'",
        ),
        (
            {"task.cell": CELLS, "task.cell.hidden": Integer(0, 8)},
            "task.cell: hidden must be a whole number of at least 1, not 0",
        ),
        (
            {  # wrong only with the last choice of what it depends on
                "task.tied": [False, True],
                "task.embedding": Choice([4, 5], when={"task.tied": [False, True]}),
            },
            "task: a tied softmax needs embedding",
        ),
        (
            {
                "task.layers": Integer(1, 3),
                "task.cell": Choice([(LSTM(), LSTM())], when={"task.layers": lambda n: n > 1}),
            },
            "task: ",
        ),
    ],
)
def test_a_space_that_does_not_fit_is_refused_in_one_line(space, message):
    with pytest.raises(ConfigError) as told:
        check_space(tiny("here"), Space(space))
    assert str(told.value).startswith(f"the search space: {message}")
    assert "\n" not in str(told.value)


def test_a_condition_on_one_of_very_many_values_is_believed():
    space = {
        "task.cell.hidden": Integer(1, 100_000),
        "task.dropout": Uniform(0.0, 0.5, when={"task.cell.hidden": 77}),
    }
    check_space(tiny("here"), Space(space))


def test_an_object_of_which_no_run_could_be_read_back_is_refused():
    @dataclasses.dataclass(frozen=True)
    class Local(LSTM):
        pass

    with pytest.raises(
        ConfigError, match=r"the search space: task\.cell: define .*Local at the top"
    ):
        check_space(tiny("here"), Space({"task.cell": [LSTM(), Local()]}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"startup": 0}, "startup must be positive, not 0"),
        ({"warmup": 0}, "warmup must be positive, not 0"),
        ({"trials": 0}, "trials must be positive, not 0"),
        ({"trials": -1}, "trials must be positive, not -1"),
        ({"hours": 0.0}, "hours must be positive, not 0.0"),
        ({"hours": float("inf")}, "hours must be positive, not inf"),
        ({"hours": float("nan")}, "hours must be positive, not nan"),
        ({"seeds": 0}, "seeds must be positive, not 0"),
        ({"reduction": 1}, "reduction must be at least 2, not 1"),
        ({"seed": -1}, "seed lies in"),
        ({"seed": 2**31}, "seed lies in"),
        ({"grid": "smal", "grids": {"small": {}}}, "grid: .* 'smal'; did you mean 'small'?"),
        ({"grid": "small"}, "grid: the sweep has no grid called 'small'; there are none"),
        ({"metric": "perplexity"}, "metric: expected validation/NAME or train/NAME"),
        ({"metric": "test/perplexity"}, "metric: expected validation/NAME or train/NAME"),
    ],
)
def test_what_is_no_sweep_is_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        Sweep(space=RATE, **fields)


def test_words_of_others_are_refused_in_a_sweep_file():
    """In a process of its own: types are checked in every call of this one."""
    code = """
from lstm_jax.sweeps import Sweep
fields = {"direction": "minimize", "sampler": "TPE", "pruner": "halving", "trials": 2.5}
for name, value in fields.items():
    try:
        Sweep({"seed": [1, 2]}, **{name: value})
    except ValueError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "direction: expected Literal['min', 'max'] | None, got 'minimize'",
        "sampler: expected Literal['tpe', 'random', 'qmc', 'grid'], got 'TPE'",
        "pruner: expected Literal['median', 'successive_halving', 'hyperband'] | None, "
        "got 'halving'",
        "trials: expected int | None, got 2.5",
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"trials": 7}, 7),
        ({"hours": 0.5}, None),
        ({"trials": 7, "hours": 0.5}, 7),
        ({"sampler": "grid"}, 6),
        ({"sampler": "grid", "trials": 4}, 4),
        ({"sampler": "grid", "trials": 9}, 6),
        ({"sampler": "grid", "hours": 1.0}, 6),
        ({"grid": "small"}, 2),
        ({"grid": "small", "sampler": "random", "trials": 1}, 1),
        ({"sampler": "qmc", "trials": 9}, 9),
    ],
)
def test_the_budget_in_settings(fields, expected):
    space = {"task.layers": Integer(1, 3), "task.tied": [False, True]}
    sweep = Sweep(space=space, grids={"small": {"task.layers": [1, 2]}}, **fields)
    assert sweep.budget() == expected
    assert sweep.is_grid == ("grid" in fields or fields.get("sampler") == "grid")
    assert (sweep.grid_points() is None) == (not sweep.is_grid)


def test_a_search_without_an_end_is_refused():
    with pytest.raises(ConfigError, match="would never end: give --trials or --hours"):
        Sweep(space=RATE).budget()


def test_a_space_that_is_no_grid_is_refused_as_one():
    with pytest.raises(ConfigError, match=r"optimizer\.learning_rate: a grid needs values"):
        Sweep(space=RATE, sampler="grid").budget()
    with pytest.raises(ConfigError, match=r"optimizer\.learning_rate: a grid needs values"):
        Sweep(space={"seed": [1]}, grids={"fine": RATE}, grid="fine").budget()


def test_a_grid_inherits_the_conditions_of_the_space():
    sweep = Sweep(
        space={
            "task.cell": CELLS,
            "task.cell.forget_bias": Uniform(0.0, 1.0, when={"task.cell": LSTM}),
            "task.tied": Choice([True], when={"task.dropout": 0.0, "task.cell": GRU}),
            "task.dropout": [0.0, 0.5],
        },
        grids={
            "small": {
                "task.cell.forget_bias": [0.0, 1.0],
                "task.cell": [*CELLS, SimpleRNN()],
                "task.tied": [False, True],
            },
            "own": {
                "task.cell": CELLS,
                "task.cell.forget_bias": Choice([2.0], when={"task.cell": lambda cell: True}),
                "seed": [1],
            },
        },
    )
    points = {
        name: Sweep(sweep.space, sweep.grids, name).grid_points() for name in ("small", "own")
    }
    assert points["small"] == [
        {"task.cell": "LSTM(hidden=3)", "task.cell.forget_bias": 0.0},
        {"task.cell": "LSTM(hidden=3)", "task.cell.forget_bias": 1.0},
        # Its condition on a name that the grid does not have is gone.
        {"task.cell": "GRU(hidden=4)", "task.tied": False},
        {"task.cell": "GRU(hidden=4)", "task.tied": True},
        {"task.cell": "SimpleRNN()"},
    ]
    assert points["own"] == [
        {"task.cell": text, "task.cell.forget_bias": 2.0, "seed": 1}
        for text in ("LSTM(hidden=3)", "GRU(hidden=4)")
    ]
    assert dict(sweep.searched()) == dict(Space(sweep.space))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ("validation/nats_per_token", "min")),
        ({"metric": "validation/nats_per_token"}, ("validation/nats_per_token", "min")),
        ({"direction": "max"}, ("validation/nats_per_token", "max")),
        ({"metric": "train/loss", "direction": "min"}, ("train/loss", "min")),
        ({"metric": "validation/perplexity", "direction": "min"}, ("validation/perplexity", "min")),
    ],
)
def test_the_objective(fields, expected):
    assert Sweep(space=RATE, **fields).objective(tiny("here")) == expected


def test_the_objective_is_that_of_the_task():
    found = Sweep(space=RATE).objective(tiny_classifier("here"))
    assert found == ("validation/accuracy", "max")


@pytest.mark.parametrize("metric", ["validation/perplexity", "train/nats_per_token"])
def test_a_metric_of_which_nobody_knows_the_direction_is_refused(metric):
    with pytest.raises(ConfigError, match=f"say --direction=min or --direction=max .* {metric}"):
        Sweep(space=RATE, metric=metric).objective(tiny("here"))
