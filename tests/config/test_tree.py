"""Overrides and their errors, descriptions and differences."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pytest

from lstm_jax.config.tree import describe, difference, override
from lstm_jax.config.values import FrozenDict
from lstm_jax.errors import ConfigError
from lstm_jax.optimization.optimizers import Decay, Optimizer, Plateau


@dataclasses.dataclass(frozen=True)
class Layer:
    hidden: int = 8

    def __post_init__(self):
        if self.hidden < 1:
            raise ValueError(f"hidden must be positive,\nnot {self.hidden}")


@dataclasses.dataclass(frozen=True)
class Gated(Layer):
    bias: float = 1.0
    init: tuple[float, float] = (-0.1, 0.1)


@dataclasses.dataclass(frozen=True)
class Model:
    layers: Layer | tuple[Layer, ...] = (Layer(), Gated())
    tokens: Literal["words", "characters"] = "words"
    path: str = "here"
    limit: int | None = None
    note: str | None = None
    tied: bool = False
    widths: tuple[int, ...] = ()
    rates: Mapping[str, float] = FrozenDict()
    optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)
    anything: Any = None
    level: Literal[1, 2] = 1
    number: float | int = 0


@pytest.mark.parametrize(
    ("name", "given", "held"),
    [
        ("limit", 3, 3),
        ("limit", "3", 3),
        ("limit", "none", None),
        ("limit", "None", None),
        ("limit", np.int64(3), 3),
        ("note", "none", None),
        ("note", "3", "3"),
        ("path", "none", "none"),
        ("path", "(1, 2)", "(1, 2)"),
        ("tied", "true", True),
        ("tied", "False", False),
        ("tied", True, True),
        ("tokens", "characters", "characters"),
        ("widths", "(3, 4)", (3, 4)),
        ("widths", "[3]", (3,)),
        ("widths", "()", ()),
        ("widths", [3, 4], (3, 4)),
        ("rates", "{'a': 1}", {"a": 1.0}),
        ("rates.a", 2, {"a": 2.0}),
        ("optimizer.learning_rate", 1, 1.0),
        ("optimizer.learning_rate", "1", 1.0),
        ("optimizer.learning_rate", "5e-4", 5e-4),
        ("optimizer.learning_rate", np.float32(0.5), 0.5),
        ("optimizer.clip_norm", "inf", math.inf),
        ("optimizer.options.b1", "0.5", {"b1": 0.5}),
        ("optimizer.schedule", "Decay(after=6, factor=1)", Decay(after=6, factor=1.0)),
        ("optimizer.schedule", Plateau(), Plateau()),
        ("layers", "Gated(hidden=3)", Gated(hidden=3)),
        ("layers", "Gated(3, 0.5, init=(-1, 1))", Gated(3, 0.5, (-1.0, 1.0))),
        ("layers", "(Layer(hidden=3), Gated(init=(-1, 1)))", (Layer(3), Gated(init=(-1.0, 1.0)))),
        ("layers.1", "Layer()", (Layer(), Layer())),
        ("layers.1.hidden", 5, (Layer(), Gated(hidden=5))),
        ("layers.1.init.0", "-3", (Layer(), Gated(init=(-3.0, 0.1)))),
        ("level", "2", 2),
        ("number", "1", 1),
        ("number", 1.0, 1.0),
        ("anything", "0.5", 0.5),
        ("anything", "word", "word"),
        ("anything", "two words", "two words"),
        ("anything", "Layer(hidden=3)", "Layer(hidden=3)"),
        ("anything", {"a": [1]}, {"a": (1,)}),
    ],
)
def test_override(name, given, held):
    config = override(Model(), {name: given})
    # A name of several parts is compared at the first attribute that holds the change whole.
    for part in name.split("."):
        if isinstance(config, (tuple, Mapping)):
            break
        config = getattr(config, part)
    assert config == held
    assert type(config) is type(held) or isinstance(config, FrozenDict)


def test_override_leaves_the_original_and_hashes():
    original = Model()
    changed = override(original, {"rates": {"a": [1.0]}} | {"rates": {"a": 1.0}, "limit": 1})
    assert original == Model()
    assert hash(changed) == hash(override(Model(), {"limit": 1, "rates.a": 1}))


def test_objects_are_replaced_before_the_fields_inside_them():
    config = override(Model(), {"layers.0.hidden": 3, "layers": "(Gated(),)"})
    assert config.layers == (Gated(hidden=3),)


def test_fields_of_one_object_change_together():
    config = override(Optimizer("adam", options={"b1": 0.5}), {"name": "sgd", "options": {}})
    assert config.name == "sgd"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"optimizer.learning_rat": 0.5},
            "optimizer.learning_rat: Optimizer has no such field; did you mean 'learning_rate'?",
        ),
        (
            {"optimizer.learning_rate": "fast"},
            "optimizer.learning_rate: expected float, got 'fast'",
        ),
        ({"optimizer.learning_rate": True}, "optimizer.learning_rate: expected float, got True"),
        ({"limit": True}, "limit: expected int | None, got True"),
        ({"limit": 1.0}, "limit: expected int | None, got 1.0"),
        ({"limit": "1e3"}, "limit: expected int | None, got '1e3'"),
        ({"tied": 1}, "tied: expected bool, got 1"),
        ({"path": 3}, "path: expected str, got 3"),
        ({"path": None}, "path: expected str, got None"),
        ({"tokens": "word"}, "tokens: expected Literal['words', 'characters'], got 'word'"),
        ({"level": True}, "level: expected Literal[1, 2], got True"),
        ({"widths": "3"}, "widths: expected tuple[int, ...], got '3'"),
        ({"widths": (1, "a")}, "widths: expected tuple[int, ...], got (1, 'a')"),
        ({"layers.1.init": (1.0,)}, "layers.1.init: expected tuple[float, float], got (1.0,)"),
        ({"rates": {"a": "b"}}, "rates: expected Mapping[str, float], got {'a': 'b'}"),
        ({"layers.2": Layer()}, "layers.2: layers holds 2 values, from 0 on"),
        ({"layers.1": "3"}, "layers.1: expected Layer, got '3'"),
        ({"layers.-1.hidden": 3}, "layers.-1: layers holds 2 values, from 0 on"),
        ({"path.name": "x"}, "path.name: path is 'here', which has no fields"),
        ({"layers.0.hidden": 0}, "layers.0: hidden must be positive, not 0"),
        ({"layers.0": "Layer(hidden=0)"}, "layers.0: hidden must be positive, not 0"),
        (
            {"layers.0": "Layer(hiden=3)"},
            "layers.0.hiden: Layer has no such field; did you mean 'hidden'?",
        ),
        ({"layers.0": "Layer(hidden=a)"}, "layers.0.hidden: expected int, got 'a'"),
        ({"layers.0": "Layer(3, 4)"}, "layers.0: Layer has 1 fields, not 2"),
        ({"layers.0": "Layer(3, hidden=4)"}, "layers.0: Layer was given 'hidden' twice"),
        ({"layers.0": "Layer(**a)"}, "layers.0: expected Layer, got 'Layer(**a)'"),
        (
            {"layers.0": "Gatd()"},
            "layers.0: no class Gatd of type Layer is imported; did you mean 'Gated'?",
        ),
        (
            {"layers": "(Layer(), Gatd())"},
            "layers: no class Gatd of type Layer | tuple[Layer, ...] is imported; "
            "did you mean 'Gated'?",
        ),
        ({"optimizer": "Layer()"}, "optimizer: no class Layer of type Optimizer is imported;"),
        (
            {"optimizer.name": "adm"},
            "optimizer: optax has no optimizer 'adm'; did you mean 'adam'?",
        ),
        (
            {"optimizer.options.b11": 0.1},
            "optimizer: options: adam has no option 'b11'; did you mean 'b1'?",
        ),
    ],
)
def test_mistakes_are_told_in_one_line(changes, message):
    with pytest.raises(ConfigError) as told:
        override(Model(), changes)
    assert str(told.value).startswith(message)
    assert "\n" not in str(told.value)


def test_text_is_never_executed():
    for text in (
        "__import__('os').abort()",
        "Layer(hidden=__import__('os').abort())",
        "1 if 1 else 2",
    ):
        with pytest.raises(ConfigError, match="expected"):
            override(Model(), {"layers": text})


def test_two_classes_of_one_name_are_told_apart():
    @dataclasses.dataclass(frozen=True)
    class Base:
        pass

    bases = [dataclasses.make_dataclass("Same", [], bases=(Base,), frozen=True) for _ in range(2)]
    holder = dataclasses.make_dataclass("Holder", [("it", Base, Base())], frozen=True)
    with pytest.raises(ConfigError, match="it: several classes are called Same"):
        override(holder(), {"it": "Same()"})
    assert len(bases) == 2


def test_describe():
    assert describe(Model(limit=3, note="a")).splitlines() == [
        "layers.0: Layer",
        "layers.0.hidden: int = 8",
        "layers.1: Gated",
        "layers.1.hidden: int = 8",
        "layers.1.bias: float = 1.0",
        "layers.1.init: tuple[float, float] = (-0.1, 0.1)",
        "tokens: Literal['words', 'characters'] = 'words'",
        "path: str = 'here'",
        "limit: int | None = 3",
        "note: str | None = 'a'",
        "tied: bool = False",
        "widths: tuple[int, ...] = ()",
        "rates: Mapping[str, float] = {}",
        "optimizer: Optimizer",
        "optimizer.name: str = 'adam'",
        "optimizer.learning_rate: float = 0.001",
        "optimizer.schedule: Constant",
        "optimizer.clip_norm: float | None = None",
        "optimizer.weight_decay: float | None = None",
        "optimizer.options: Mapping[str, Any] = {}",
        "optimizer.rates: Mapping[str, int | float] = {}",
        "optimizer.unfreeze: Mapping[str, int | float] = {}",
        "anything: Any = None",
        "level: Literal[1, 2] = 1",
        "number: float | int = 0",
    ]


@pytest.mark.parametrize(
    "config", [Optimizer("sgd", 1.0, Decay(), 5.0), Model(limit=3, widths=(1,))]
)
def test_every_described_value_can_be_written_on_the_command_line(config):
    lines = [line for line in describe(config).splitlines() if " = " in line]
    texts = {line.split(": ")[0]: line.split(" = ", 1)[1] for line in lines}
    for name, text in texts.items():
        if not text.startswith(("'", '"')):  # strings are written without quotes
            assert override(config, {name: text}) == config
    assert len(lines) >= 5


def test_difference():
    old = Model()
    changes = {"optimizer.schedule": "Decay()", "layers.1.hidden": 3, "widths": (1,), "limit": 2}
    assert difference(old, override(old, changes)) == {
        "layers.1.hidden": (8, 3),
        "limit": (None, 2),
        "widths": ((), (1,)),
        "optimizer.schedule": (old.optimizer.schedule, Decay()),
    }
    assert difference(old, override(old, {"layers.0": "Gated()"})) == {
        "layers.0": (Layer(), Gated())
    }
    assert difference(Layer(), Gated()) == {"": (Layer(), Gated())}


def test_a_frozen_dict_cannot_change():
    frozen = FrozenDict({"a": [1, {"b": 2}]})
    assert frozen == {"a": (1, {"b": 2})}
    assert hash(frozen) == hash(FrozenDict({"a": (1, {"b": 2})}))
    with pytest.raises(TypeError):
        frozen["a"] = 1


def test_a_name_with_a_dot_in_a_mapping():
    with pytest.raises(ConfigError, match=r"rates\.stack: rates maps names .* give the whole"):
        override(Optimizer(), {"rates.stack.layers": 0.1})
    rates = override(Optimizer(), {"rates": "{'stack.layers': 0.1}"}).rates
    assert dict(rates) == {"stack.layers": 0.1}
    assert dict(override(Optimizer(), {"rates.stack": 0.1}).rates) == {"stack": 0.1}
