"""The text of a value is read back, by `parse` and by `override`."""

import dataclasses
import importlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstm_jax.cells import GRU, LSTM, Cell, SimpleRNN
from lstm_jax.config.literals import parse, write
from lstm_jax.config.tree import override
from lstm_jax.config.values import FrozenDict
from lstm_jax.optimization.optimizers import Optimizer
from lstm_jax.optimization.schedules import Constant, Decay, Plateau, Schedule, WarmupCosine

CONFIGS = Path(__file__).parents[2] / "configs"
NAMES = sorted(path.stem for path in CONFIGS.glob("*.py") if path.stem != "__init__")


@dataclasses.dataclass(frozen=True)
class Note:
    text: str
    mark: str = "none"


@dataclasses.dataclass(frozen=True)
class Holder:
    cell: Cell | tuple[Cell, ...] = dataclasses.field(default_factory=LSTM)
    schedule: Schedule | None = None
    optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)
    flag: bool | None = None
    number: int | float | None = None
    numbers: tuple[float, ...] = ()
    nested: tuple[tuple[int, ...], ...] = ()
    words: tuple[str | None, ...] = ()
    options: Mapping[str, Any] = FrozenDict()
    note: Note | None = None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cell", LSTM()),
        ("cell", LSTM(hidden=3, forget_bias=0.0, peepholes=True)),
        ("cell", SimpleRNN(hidden=3, activation="relu")),
        ("cell", (GRU(hidden=3),)),
        ("cell", (LSTM(hidden=3), GRU(), SimpleRNN(activation="relu"))),
        ("schedule", Decay(factor=0.25, after=1.5, unit="steps", staircase=False)),
        ("schedule", WarmupCosine(1, 10)),
        ("schedule", None),
        ("optimizer", Optimizer("sgd", schedule=Decay(), clip_norm=math.inf)),
        ("optimizer", Optimizer("adam", options={"b1": 0.5}, rates={"stack.layers": 0.1})),
        ("flag", True),
        ("flag", False),
        ("flag", None),
        ("number", 0),
        ("number", -3),
        ("number", 10**30),
        ("number", 5e-324),
        ("number", 0.1 + 0.2),
        ("number", -1.5e300),
        ("number", math.inf),
        ("number", -math.inf),
        ("number", None),
        ("numbers", ()),
        ("numbers", (1.0,)),
        ("numbers", (-0.5, math.inf, -math.inf)),
        ("nested", ((),)),
        ("nested", ((1, -2), (), (3,))),
        ("words", ("it's", 'a "word"', "both ' and \"", "back\\slash", "two\nlines", "ünïcode")),
        ("words", ("", " ", "none", None, "3", "true", "(1, 2)", "LSTM()", "{'a': 1}", "inf")),
        ("options", {}),
        ("options", {"a": 1, "it's": (True, None, -0.5), "c": {"d": ("x", ()), "e.f": {}}}),
        ("note", Note("GRU(hidden=3)", mark="it's")),
        ("note", Note("none")),
    ],
)
def test_a_written_value_is_read_back(field, value):
    back = getattr(override(Holder(), {field: write(value)}), field)
    assert back == value
    assert type(back) is type(value) or isinstance(back, FrozenDict)
    assert isinstance(write(value), str)
    assert "\n" not in write(value)


@pytest.mark.parametrize(
    "value",
    ["", "word", "it's", '"', "\\'\"\n\t", "none", "true", "nan", "1e-3", "-inf", "[", "LSTM(3)"],
)
def test_a_string_stays_a_string(value):
    assert parse(write(value)) == value
    assert parse(write((value,))) == (value,)
    assert parse(write({value: {value: value}})) == {value: {value: value}}


def test_types_are_kept():
    values = (True, 1, 1.0, None, "1", (1,), -0.0, 0)
    back = parse(write(values))
    assert [type(one) for one in back] == [type(one) for one in values]
    assert math.copysign(1.0, back[6]) == -1.0
    assert math.isnan(parse(write(math.nan)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (LSTM(), "LSTM()"),
        (LSTM(hidden=128), "LSTM()"),
        (LSTM(hidden=3), "LSTM(hidden=3)"),
        (Optimizer(schedule=Constant()), "Optimizer()"),
        (
            Optimizer("sgd", 1.0, Plateau(patience=2)),
            "Optimizer(name='sgd', learning_rate=1.0, schedule=Plateau(patience=2))",
        ),
        ([1, [2]], "(1, (2,))"),
        (FrozenDict({"a": LSTM()}), "{'a': LSTM()}"),
    ],
)
def test_only_what_differs_from_its_default_is_written(value, text):
    assert write(value) == text


def test_fields_that_no_constructor_takes_are_not_written():
    @dataclasses.dataclass
    class Derived:
        side: int
        area: int = dataclasses.field(init=False)

        def __post_init__(self):
            self.area = self.side**2

    assert write(Derived(3)) == "Derived(side=3)"


def test_a_float_of_numpy_is_written_as_one_of_python():
    cell = LSTM(forget_bias=np.float64(0.25))  # as a list of np.linspace has them
    assert write((cell, np.float64(0.5))) == "(LSTM(forget_bias=0.25), 0.5)"
    assert override(Holder(), {"cell": write(cell)}).cell == cell


@pytest.mark.parametrize("name", NAMES)
def test_every_part_of_every_config_is_read_back(name):
    experiment = importlib.import_module(f"configs.{name}").get_config()
    for part in ("task", "data", "optimizer"):
        assert override(experiment, {part: write(getattr(experiment, part))}) == experiment
