"""The values of a space that can be counted, and all their combinations."""

import itertools

import pytest

from lstm_jax.cells import GRU, LSTM
from lstm_jax.errors import ConfigError
from lstm_jax.sweeps.space import (
    Choice,
    Integer,
    LogUniform,
    Space,
    Uniform,
    candidates,
    extremes,
    points,
)

CELLS = [LSTM(hidden=3), GRU(hidden=4)]


@pytest.mark.parametrize(
    ("distribution", "values"),
    [
        (Choice([3, "x", LSTM()]), [3, "x", LSTM()]),
        (Integer(1, 4), [1, 2, 3, 4]),
        (Integer(-1, 4, step=2), [-1, 1, 3]),
        (Integer(0, 4, step=4), [0, 4]),
        (Uniform(0.0, 1.0, step=0.25), [0.0, 0.25, 0.5, 0.75, 1.0]),
        (Uniform(0.1, 0.8, step=0.1), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]),
        (Uniform(0.0, 1.0, step=0.3), [0.0, 0.3, 0.6, 0.9]),
        (Uniform(0.0, 0.3, step=0.1), [0.0, 0.1, 0.2, 0.3]),
        (Uniform(0.0, 1.0), None),
        (LogUniform(0.1, 1.0), None),
        (Integer(1, 4, log=True), None),
    ],
)
def test_candidates(distribution, values):
    found = candidates(distribution)
    if values is None or isinstance(distribution, Choice):
        assert found == values
    else:
        assert found is not None
        assert list(found) == pytest.approx(values)
        assert [type(one) for one in found] == [type(one) for one in values]
        assert list(extremes(distribution)) == pytest.approx([values[0], values[-1]])


def test_a_grid_has_every_combination_that_the_conditions_allow_once():
    given = {
        "a": ["x", "y", "z"],
        "b": Integer(1, 3, when={"a": ["x", "y"]}),
        "c": Uniform(0.0, 1.0, step=0.5, when={"b": lambda b: b > 1}),
        "d": [True, False],
        "e": Choice([None, 7], when={"a": "z", "d": True}),
    }
    space = Space(given)
    expected = []
    for values in itertools.product(*(candidates(one) for one in space.values())):
        point: dict[str, object] = {}
        for name, value in zip(space, values, strict=True):
            if space.is_active(name, point):
                point[name] = value
        if point not in expected:
            expected.append(point)
    assert points(space) == expected
    assert len(expected) == 2 * (1 + 3 + 3) * 2 + (2 + 1)


def test_the_last_name_of_a_grid_varies_fastest():
    grid = points(Space({"a": [1, 2], "b": ["x", "y"]}))
    assert [tuple(point.values()) for point in grid] == [(1, "x"), (1, "y"), (2, "x"), (2, "y")]


def test_a_grid_says_objects_as_text():
    space = Space({"cell": CELLS[:2], "bias": Choice([0.0, 1.0], when={"cell": LSTM})})
    assert points(space) == [
        {"cell": "LSTM(hidden=3)", "bias": 0.0},
        {"cell": "LSTM(hidden=3)", "bias": 1.0},
        {"cell": "GRU(hidden=4)"},
    ]


@pytest.mark.parametrize(
    "distribution", [LogUniform(0.1, 1.0), Uniform(0.0, 1.0), Integer(1, 9, log=True)]
)
def test_what_cannot_be_counted_is_refused_in_a_grid(distribution):
    with pytest.raises(ConfigError, match="b: a grid needs values that can be counted"):
        points(Space({"a": [1, 2], "b": distribution}))
