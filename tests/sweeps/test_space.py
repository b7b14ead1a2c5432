"""Search spaces: conditions, and what stands for an object in a storage."""

import itertools
import math

import numpy as np
import pytest

from lstm_jax.cells import GRU, LSTM, Cell, SimpleRNN
from lstm_jax.config.tree import override
from lstm_jax.errors import ConfigError
from lstm_jax.optimization.schedules import Decay, Plateau
from lstm_jax.sweeps.space import (
    Choice,
    Distribution,
    Integer,
    LogUniform,
    Space,
    Uniform,
    plain,
    points,
)
from tests.runs import tiny

CELLS = [LSTM(hidden=3), GRU(hidden=4), SimpleRNN(hidden=5)]


@pytest.mark.parametrize(
    ("wanted", "active"),
    [
        (LSTM, [0]),
        (Cell, [0, 1, 2]),
        (float, []),
        (LSTM(hidden=3), [0]),
        (LSTM(hidden=4), []),
        ([LSTM, GRU], [0, 1]),
        ((GRU(hidden=4), SimpleRNN), [1, 2]),
        ({LSTM, GRU(hidden=9)}, [0]),
        (frozenset({SimpleRNN}), [2]),
        ([], []),
        (lambda cell: cell.hidden > 3, [1, 2]),
        ([lambda cell: cell.hidden > 4, LSTM], [0, 2]),
        (None, []),
        ("LSTM", []),
    ],
)
def test_conditions_on_objects(wanted, active):
    space = Space({"cell": CELLS, "bias": Uniform(0.0, 1.0, when={"cell": wanted})})
    found = [index for index, cell in enumerate(CELLS) if space.is_active("bias", {"cell": cell})]
    assert found == active
    assert not space.is_active("bias", {})


@pytest.mark.parametrize(
    ("values", "wanted", "active"),
    [
        ([None, 3], None, [None]),
        ([None, 3], int, [3]),
        (["adam", "sgd"], "sgd", ["sgd"]),
        (["adam", "sgd"], ["sgd", "adam"], ["adam", "sgd"]),
        ([True, False], True, [True]),
        ([1, 2, 3], lambda number: number % 2, [1, 3]),
        ([(1, 2), (3, 4)], lambda pair: sum(pair) > 3, [(3, 4)]),
    ],
)
def test_conditions_on_plain_values(values, wanted, active):
    space = Space({"a": values, "b": Choice([0], when={"a": wanted})})
    assert [value for value in values if space.is_active("b", {"a": value})] == active


def test_all_conditions_must_hold_and_an_inactive_name_fulfils_none():
    space = Space(
        {
            "a": [1, 2],
            "b": Choice([1, 2], when={"a": 1}),
            "both": Choice([1], when={"a": 1, "b": 2}),
            "of_b": Choice([1], when={"b": lambda value: True}),
            "none": Choice([1], when={"b": None}),
        }
    )
    assert space.is_active("a", {})
    assert space.is_active("both", {"a": 1, "b": 2})
    assert not space.is_active("both", {"a": 1, "b": 1})
    assert space.is_active("of_b", {"a": 1, "b": 2})
    assert not space.is_active("of_b", {"a": 2})
    assert not space.is_active("none", {"a": 2})


def test_a_function_is_not_asked_about_a_name_that_is_inactive():
    def never(value: object) -> bool:
        raise AssertionError(value)

    space = Space(
        {"a": [1, 2], "b": Choice([1], when={"a": 1}), "c": Choice([1], when={"b": never})}
    )
    assert not space.is_active("c", {"a": 2})


def test_the_order_of_the_dict_does_not_matter():
    given = {
        "task": [Plateau(), Decay()],  # a part of an object is drawn after the object
        "task.cell": CELLS,
        "task.cell.forget_bias": Choice([0.0, 1.0], when={"task.cell": LSTM}),
        "deepest": Choice([1], when={"task.cell.forget_bias": 1.0}),
    }
    for names in itertools.permutations(given):
        space = Space({name: given[name] for name in names})
        assert list(space) == list(given)
        assert points(space) == points(Space(given))


def test_names_without_conditions_keep_their_order():
    assert list(Space({"c": [1], "a": [1], "b": [1]})) == ["c", "a", "b"]
    assert list(Space({"ab": [1], "a": [1]})) == ["ab", "a"]  # no part of it


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "the search space is empty: give names and distributions"),
        (
            {"task.cell": CELLS, "bias": Choice([0], when={"task.cel": LSTM})},
            "bias: its condition names task.cel, not in the space; did you mean 'task.cell'?",
        ),
        ({"a": Choice([0], when={"zzz": 1})}, "a: its condition names zzz, not in the space"),
        ({"a": Choice([0], when={"a": 0})}, "a: its condition depends on itself"),
        (
            {"a": Choice([0], when={"b": 0}), "b": Choice([0], when={"a": 0})},
            "a: its condition depends on itself",
        ),
        (
            {f"{one}": Choice([0], when={f"{(one + 1) % 5}": 0}) for one in range(5)},
            "0: its condition depends on itself",
        ),
        (
            {"a": Choice([0], when={"a.b": 0}), "a.b": [0]},
            "a: its condition depends on itself",
        ),
        (
            {"a": 3},
            "a: give a list or a distribution (LogUniform, Uniform, Integer, Choice), not 3",
        ),
        ({"a": "words"}, "a: give a list or a distribution"),
        ({"a": {1, 2}}, "a: give a list or a distribution"),
        ({"a": LSTM()}, "a: give a list or a distribution"),
        ({"a": Distribution()}, "a: give a list or a distribution"),
        ({"a": Uniform}, "a: give a list or a distribution"),
    ],
)
def test_what_is_no_space_is_refused(space, message):
    with pytest.raises(ConfigError) as told:
        Space(space)
    assert str(told.value).startswith(message)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("distribution", "message"),
    [
        (lambda: Uniform(1.0, 1.0), "low must be below high"),
        (lambda: Uniform(1.0, 0.0), "low must be below high"),
        (lambda: Uniform(0.0, math.inf), "both finite"),
        (lambda: Uniform(math.nan, 1.0), "both finite"),
        (lambda: Uniform(0.0, 1.0, step=0.0), "step lies in"),
        (lambda: Uniform(0.0, 1.0, step=-0.1), "step lies in"),
        (lambda: Uniform(0.0, 1.0, step=1.1), "step lies in"),
        (lambda: Uniform(0.0, 1.0, step=math.nan), "step lies in"),
        (lambda: LogUniform(0.0, 1.0), "low must be positive"),
        (lambda: LogUniform(-1.0, 1.0), "low must be positive"),
        (lambda: LogUniform(1.0, 0.1), "low must be below high"),
        (lambda: Integer(3, 3), "low must be below high"),
        (lambda: Integer(3, 1), "low must be below high"),
        (lambda: Integer(1, 3, step=0), "step lies in"),
        (lambda: Integer(1, 3, step=3), "step lies in"),
        (lambda: Integer(0, 3, log=True), "low must be positive"),
        (lambda: Integer(1, 9, step=2, log=True), "step 1"),
        (lambda: Integer(False, True), "must be whole numbers"),
        (lambda: Choice([]), "at least one"),
        (lambda: Choice("words"), "a Choice needs a list"),
    ],
)
def test_bad_bounds_are_refused(distribution, message):
    with pytest.raises(ConfigError, match=message):
        distribution()


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 1],
        ["a", "a"],
        [None, None],
        [LSTM(hidden=3), GRU(), LSTM(hidden=3)],
        [LSTM(), LSTM(hidden=128)],
        [(1, 2), (1, 2)],
        [(1, 2), [1, 2]],
        [{"a": 1}, {"a": 1}],
        [math.nan, math.nan],
        [1, 1.0],
        [True, 1],
        [0.5, np.float64(0.5)],
        [GRU(hidden=4), "GRU(hidden=4)"],
        [(1, 2), "(1, 2)"],
    ],
)
def test_a_value_that_stands_twice_in_a_choice_is_refused(values):
    with pytest.raises(ConfigError, match="a value stands there twice"):
        Choice(values)


@pytest.mark.parametrize("values", [[1, "1"], [None, "None"], [True, "true"], [0, None, False + 1]])
def test_values_that_look_alike_are_told_apart(values):
    assert Space({"a": values})["a"] == Choice(values)
    assert [point["a"] for point in points(Space({"a": values}))] == values


@pytest.mark.parametrize("given", [[1, "x", None], (1, "x", None)])
def test_a_list_stands_for_a_choice(given):
    assert Space({"a": given})["a"] == Choice(given)


def test_a_space_of_a_space_is_the_same():
    space = Space({"b": Choice([1], when={"a": 1}), "a": [1, 2]})
    assert dict(Space(space)) == dict(space)
    assert len(space) == 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3),
        (0.5, 0.5),
        (True, True),
        (None, None),
        ("words", "words"),
        (np.int64(3), 3),
        (np.float64(0.5), 0.5),
        (np.bool_(True), True),
    ],
)
def test_plain_values_stand_for_themselves(value, expected):
    assert plain(value) == expected
    assert type(plain(value)) is type(expected)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("task.cell", cell) for cell in CELLS),
        ("task.cell", (LSTM(hidden=3, peepholes=True),)),
        ("task.cutoffs", (5, 10)),
        ("task.cutoffs", ()),
        ("optimizer.schedule", Plateau(patience=2)),
        ("task.cell", LSTM(forget_bias=np.float64(0.25))),
        ("optimizer.options", {"b1": 0.5, "b2": 0.75}),
        ("optimizer.clip_norm", math.inf),
        ("optimizer.clip_norm", None),
    ],
)
def test_what_stands_for_an_object_is_read_back(name, value):
    text = plain(value)
    assert isinstance(text, str | float | None)
    found = override(tiny("here"), {name: text})
    for part in name.split("."):
        found = getattr(found, part)
    assert found == value
