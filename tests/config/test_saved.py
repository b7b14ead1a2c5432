"""Configs saved as JSON and read back, from trusted modules only."""

import dataclasses
import json
import math
import sys
from typing import Any, ClassVar

import pytest

from lstm_jax.config.saved import as_begun, check, from_json, to_json
from lstm_jax.config.tree import difference
from lstm_jax.config.values import FrozenDict
from lstm_jax.errors import ConfigError
from lstm_jax.optimization.optimizers import Decay, Optimizer
from tests.config.test_tree import Gated, Layer, Model


@dataclasses.dataclass(frozen=True)
class Needy:
    size: int


@dataclasses.dataclass(frozen=True)
class Formatted:
    format: str = "wav"


class Own(Needy):
    """No dataclass itself."""

    def __init__(self, other: int):
        super().__init__(other + 1)


@dataclasses.dataclass(frozen=True)
class Learned:
    mean: float = dataclasses.field(default=0.0, init=False)


CONFIGS = [
    Optimizer(),
    Optimizer("sgd", 1.0, Decay(after=6), 5.0, 1e-6, {"momentum": 0.9, "nesterov": True}),
    Model(layers=Gated(init=(-math.inf, math.inf)), limit=10**30, note='a\n\u2028\U0001f600"\\'),
    Model(rates=FrozenDict({"a": 0.1 + 0.2, "b": 5e-324}), widths=(1,), anything=(1, 1.0, None)),
    Model(anything=FrozenDict({"a": Layer(), "b": ((), (1,))})),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_json_round_trip_is_exact(config):
    text = to_json(config)
    again = from_json(text, trust=["tests"])
    assert again == config
    assert hash(again) == hash(config)
    # 1 == 1.0 == True: the types must agree too, which the text shows.
    assert to_json(again) == text
    assert difference(again, config) == {}


def test_json_names_classes_and_is_indented():
    text = to_json(Optimizer("sgd", 1.0))
    assert '  "learning_rate": 1.0,\n' in text
    assert json.loads(text)["class"] == "lstm_jax.optimization.Optimizer"
    assert json.loads(text)["schedule"] == {"class": "lstm_jax.optimization.Constant"}


def test_fields_missing_in_json_take_their_defaults():
    assert from_json(
        '{"class": "lstm_jax.optimization.optimizers.Optimizer", "name": "sgd"}'
    ) == Optimizer("sgd")


def test_nan_survives_json_and_is_no_difference():
    config = Gated(bias=math.nan)
    again = from_json(to_json(config), trust=["tests.config.test_tree"])
    assert math.isnan(again.bias)
    assert difference(config, again) == {}
    assert list(difference(config, Gated(bias=1.0))) == ["bias"]


def _json(path: str, **fields: Any) -> str:
    return json.dumps({"class": path, **fields})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "malformed JSON: "),
        ("{", "malformed JSON: "),
        ("[" * 100_000, "malformed JSON: "),
        ("[]", 'expected an object with a "class"'),
        ('{"name": "adam"}', 'expected an object with a "class"'),
        (
            _json("tests.config.test_tree.Model"),
            "tests.config.test_tree.Model is not trusted; if you trust",
        ),
        (_json("lstm_jaxx.errors.X"), "lstm_jaxx.errors.X is not trusted"),
        (_json("os.system"), "os.system is not trusted"),
        (_json("Optimizer"), "'Optimizer' is not the name of a class"),
        (_json("lstm_jax..Optimizer"), "'lstm_jax..Optimizer' is not the name of a class"),
        (
            _json("lstm_jax.optimization.optimizers.Optimizer()"),
            "'lstm_jax.optimization.optimizers.Optimizer()' is not the",
        ),
        (json.dumps({"class": 3}), "3 is not the name of a class"),
        (_json("lstm_jax.nowhere.X"), "lstm_jax.nowhere.X cannot be imported: No module named"),
        (
            _json("lstm_jax.optimization.optimizers.X"),
            "lstm_jax.optimization.optimizers defines no config class X",
        ),
        (
            _json("lstm_jax.optimization.optimizers.Decay"),
            "lstm_jax.optimization.optimizers defines no config class Decay",
        ),
        (_json("lstm_jax.errors.ConfigError"), "lstm_jax.errors defines no config class ConfigE"),
        (
            _json("lstm_jax.optimization.schedules.Schedule"),
            "lstm_jax.optimization.schedules defines no config class Sched",
        ),
        (
            _json("lstm_jax.optimization.optimizers.Optimizer", lerning_rate=1.0),
            "lerning_rate: Optimizer has no such field; did you mean 'learning_rate'?",
        ),
        (
            _json("lstm_jax.optimization.optimizers.Optimizer", learning_rate="1.0"),
            "learning_rate: expected float, got '1.0'",
        ),
        (
            _json("lstm_jax.optimization.optimizers.Optimizer", schedule={"class": "os.path.X"}),
            "schedule: os.path.X is not trusted",
        ),
        (
            _json(
                "lstm_jax.optimization.optimizers.Optimizer",
                schedule={"class": "lstm_jax.optimization.optimizers.Optimizer"},
            ),
            "schedule: expected Schedule, got Optimizer(",
        ),
        (
            _json(
                "lstm_jax.optimization.optimizers.Optimizer",
                schedule={"class": "lstm_jax.optimization.schedules.Decay", "every": 0},
            ),
            "schedule: every must be positive, not 0",
        ),
    ],
)
def test_json_that_is_refused(text, message):
    with pytest.raises(ConfigError) as told:
        from_json(text)
    assert str(told.value).startswith(message)
    assert "\n" not in str(told.value)


def test_a_field_without_default_must_be_in_the_json():
    with pytest.raises(ConfigError, match=r"^size: Needy needs a value for it$"):
        from_json('{"class": "tests.config.test_saved.Needy"}', trust=["tests"])


def test_deep_json_is_malformed():
    with pytest.raises(ConfigError, match="malformed JSON"):
        from_json(
            _json(
                "lstm_jax.optimization.optimizers.Optimizer",
                options={"a": json.loads("[" * 800 + "]" * 800)},
            )
        )


def test_reading_json_imports_nothing_untrusted(tmp_path, monkeypatch):
    (tmp_path / "somebodys_cells.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"somebodys_cells\.Cell is not trusted"):
        from_json(_json("somebodys_cells.Cell"), trust=["somebodys", "cells"])
    with pytest.raises(ConfigError, match="cannot be imported: AssertionError: imported"):
        from_json(_json("somebodys_cells.Cell"), trust=["somebodys_cells"])


@pytest.mark.usefixtures("unannotated")
@pytest.mark.parametrize(
    ("config", "message"),
    [
        (Model(anything={1, 2}), "anything: a set cannot be saved in a config"),
        (Model(rates=FrozenDict({"class": 1.0})), 'rates: "class" cannot be a key'),
        (Model(anything={1: 1.0}), "anything: the keys of a mapping are strings, not 1"),
        (Formatted(), "Formatted has a field 'format': call it otherwise"),
        (Own(3), "other: Own takes what is no field of it, .*without an __init__ of its own"),
    ],
)
def test_what_cannot_be_saved(config, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        to_json(config)


def test_a_value_that_is_no_argument_is_not_lost_in_silence():
    found = Learned()
    check(found)
    object.__setattr__(found, "mean", 3.0)
    with pytest.raises(ConfigError, match=r"Learned\.mean has a value that is not saved"):
        check(found)


def test_an_object_of_a_class_that_was_defined_anew_is_told(monkeypatch):
    """It trained with the new class what the old one had learned."""
    old = Model(anything=Learned())
    anew = dataclasses.dataclass(frozen=True)(type("Learned", (), {"__module__": __name__}))
    monkeypatch.setattr(sys.modules[__name__], "Learned", anew)
    with pytest.raises(ConfigError, match=r"^anything: .*Learned is another class by now"):
        check(old)


def test_a_local_class_cannot_be_saved():
    @dataclasses.dataclass(frozen=True)
    class Local:
        pass

    with pytest.raises(ConfigError, match=r"anything: define .*Local at the top level"):
        to_json(Model(anything=Local()))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (Model(tokens="word"), "tokens: expected Literal"),
        (Model(tied=1), "tied: expected bool, got 1"),
        (Model(layers=(Layer(3.0),)), r"layers.0.hidden: expected int, got 3.0"),
    ],
)
def test_what_python_lets_pass_is_checked(config, message):
    with pytest.raises(ConfigError, match=message):
        check(config)


@pytest.mark.parametrize("config", CONFIGS)
def test_what_can_be_read_back_passes(config):
    check(config)


def test_a_class_that_cannot_be_imported_again_is_refused(monkeypatch):
    monkeypatch.setattr(Layer, "__module__", "nowhere")
    with pytest.raises(ConfigError, match="define the class in a module that can be imported"):
        check(Model(layers=Layer()))


@dataclasses.dataclass(frozen=True)
class Grown:
    """A class that has got a field since configs of it were saved."""

    BEFORE: ClassVar[dict[str, str]] = {"rule": "old"}

    size: int = 1
    rule: str = "new"


def test_what_an_earlier_version_began_goes_on_as_it_began():
    text = '{"class": "tests.config.test_saved.Grown", "size": 2}'
    assert from_json(text, trust=["tests"]) == Grown(2, "old")
    assert as_begun(Grown(2), text) == Grown(2, "old")
    # Whoever asks for something else is told of a difference, and not silently given the old rule.
    assert as_begun(Grown(2, "other"), text) == Grown(2, "other")
    assert as_begun(Grown(2), to_json(Grown(2))) == Grown(2), "it knew the field"
