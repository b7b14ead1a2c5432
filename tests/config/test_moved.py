"""Runs and imports of before find what has moved."""

import dataclasses
import importlib
import json
import pkgutil
import re

import pytest

import lstm_jax.sweeps
from lstm_jax.cells import Cell
from lstm_jax.config import from_json, left, moved, to_json
from lstm_jax.config.saved import _public_name
from lstm_jax.data.base import Data
from lstm_jax.data.preprocessing import Preprocessor
from lstm_jax.data.sources import Source
from lstm_jax.errors import ConfigError
from lstm_jax.functional import Perturbation
from lstm_jax.optimization import Optimizer, Schedule
from lstm_jax.tasks import Task


def subclasses(cls: type) -> set[type]:
    below = {one for one in cls.__subclasses__() if one.__module__.startswith("lstm_jax.")}
    return below.union(*map(subclasses, below))


def of_name(path: str) -> type:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("path", moved.CLASSES)
def test_every_class_of_before_is_found_under_its_public_name(path):
    cls = of_name(moved.CLASSES[path])
    assert cls.__name__ == path.rpartition(".")[2]
    assert _public_name(cls) == moved.CLASSES[path]
    assert dataclasses.is_dataclass(cls)


def test_every_config_class_has_a_public_name_of_a_package():
    """A name with a module in it would be lost when the module is moved or cut in two."""
    bases = Task, Data, Source, Preprocessor, Cell, Perturbation, Schedule
    for cls in {*set().union(*map(subclasses, bases)), Optimizer, lstm_jax.Experiment}:
        module = importlib.import_module(_public_name(cls).rpartition(".")[0])
        assert hasattr(module, "__path__"), _public_name(cls)


@pytest.mark.parametrize("name", moved.MODULES)
def test_an_import_of_a_module_of_before_says_the_new_one(name):
    with pytest.raises(ImportError) as caught:
        importlib.import_module(name)
    first, *others = str(caught.value).split("; ")
    assert first == f"{name} has moved: import it from {moved.MODULES[name]}"
    importlib.import_module(moved.MODULES[name])
    # What is not there under its name is said at once.
    assert all(other.startswith(f"{moved.MODULES[name]}.") for other in others)
    if name.count(".") == 1 and name.startswith("lstm_jax.") and name != "lstm_jax.backend":
        with pytest.raises(ImportError, match=f"{name} has moved: import it from"):
            exec(f"from lstm_jax import {name.partition('.')[2]}")


SAID = {
    **{name: f"{name} has moved: import it from {place}" for name, place in left.NAMES.items()},
    **{name: f"{name} is called {new} now" for name, new in left.RENAMED.items()},
    **{name: f"{name} is gone: {instead}" for name, instead in left.GONE.items()},
}
"""What is said of each name."""


@pytest.mark.parametrize("name", SAID)
def test_a_name_that_left_its_module_says_what_to_do(name):
    module, _, part = name.rpartition(".")
    with pytest.raises(ImportError) as caught:
        exec(f"from {module} import {part}")
    assert str(caught.value) == SAID[name]
    told = SAID[name].removeprefix(name)
    named = re.findall(r"lstm_jax(?:\.\w+)+", told)
    assert named
    for one in named:  # in the place that is said, under its own name
        assert pkgutil.resolve_name(f"{one}.{part}" if name in left.NAMES else one) is not None


@pytest.mark.parametrize("name", SAID)
def test_what_was_imported_before_has_left_a_module_that_is_still_there(name):
    module = importlib.import_module(name.rpartition(".")[0])
    assert name.rpartition(".")[2] not in vars(module)


# What the versions before the rooms, and before the preprocessors, had under these names.
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("data.base.Source", "import it from lstm_jax.data"),
        ("tasks.base.cells_of", "import it from lstm_jax.tasks.fields"),
        ("modules.Noise", "is gone: lstm_jax.modules.Stack takes dropout"),
        ("data.labelled.PaddedTexts", "is called lstm_jax.data.PaddedDataset now"),
        ("arguments.check_axes", "import it from lstm_jax.functional.arguments"),
        ("data.unknown.SHARE", "import it from lstm_jax.data.text.unknown"),
        ("data.tokenization.Tokens", "tokenization.Tokens is called lstm_jax.data.Unit now"),
        ("data.vocabulary.rules_of", "vocabulary.rules_of is gone: the rules are a field of"),
        ("prediction.logits_of", "logits_of is called lstm_jax.inference.prediction.outputs_of"),
        ("run_directory.read_vocabulary", "lstm_jax.storage.run_directory.read_preprocessor now"),
        ("transfer.REQUIRED", "transfer.REQUIRED is gone: a model takes the parts that both have"),
    ],
)
def test_one_import_of_before_is_told_where_to_look(name, hint):
    module, _, part = f"lstm_jax.{name}".rpartition(".")
    with pytest.raises(ImportError) as caught:
        exec(f"from {module} import {part}")
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_that_never_was_is_an_ordinary_mistake():
    for package in ("lstm_jax", "lstm_jax.training", "lstm_jax.reporting"):
        with pytest.raises(ImportError, match="cannot import name 'nothing'"):
            exec(f"from {package} import nothing")
        assert not hasattr(importlib.import_module(package), "nothing")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("lstm_jax.nothing")


def test_the_format_has_a_number():
    text = to_json(Optimizer("sgd"))
    assert json.loads(text)["format"] == 2
    assert "format" not in json.loads(text)["schedule"]
    first = {"class": "lstm_jax.optimizers.Optimizer", "name": "sgd"}
    assert from_json(json.dumps(first)) == from_json(text) == Optimizer("sgd")
    for wrong in (3, 0, "2", None, []):
        with pytest.raises(ConfigError) as caught:
            from_json(json.dumps(json.loads(text) | {"format": wrong}))
        assert str(caught.value) == (
            f"format {wrong} is not one that this version of lstm_jax reads, 1 to 2: use the "
            "version that wrote it"
        )
