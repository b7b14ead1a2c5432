"""Where values lie on the axes of pictures."""

import pytest

from lstm_jax.sweeps import load_sweep
from lstm_jax.sweeps.axes import name_axes
from tests.sweeps.studies import begin, invent

RATE, CELL = "optimizer.learning_rate", "task.cell"


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    return load_sweep(begin(tmp_path_factory.mktemp("sweeps") / "empty").workdir)


def axis_of(empty, name, text, values):
    """The axis of one name, and the trials that have these values."""
    swept = invent(empty, {name: text}, [({name: value}, 1.0) for value in values])
    (axis,) = name_axes(swept, swept.trials)
    return axis, swept.trials


@pytest.mark.parametrize(
    ("text", "values", "is_log"),
    [
        ("Uniform(low=0.0, high=9.0)", [0.1, 0.2], False),
        ("Uniform(low=0.0, high=9.0)", [0.01, 8.5], False),
        ("LogUniform(low=0.1, high=9.0)", [0.1, 0.2], True),
        ("Integer(low=1, high=9, step=1, log=True)", [3, 4], True),
        ("Integer(low=1, high=900, step=1)", [3, 400], False),
        ("Integer(low=1, high=9) when task.cell is Cell(log=True)", [3, 4], False),
        ("Choice(values=(1, 1000))", [1, 1000], False),
    ],
)
def test_numbers_lie_on_the_scale_on_which_they_were_drawn(empty, text, values, is_log):
    axis, _ = axis_of(empty, RATE, text, values)
    assert axis.is_log == is_log
    assert len(axis.ticks()) >= 2


def test_choices_are_told_apart_whatever_they_are(empty):
    values = ["b", None, 10, True, 9.0, 1, 1.0, "none", False]
    axis, trials = axis_of(empty, CELL, "Choice(...)", values)
    texts = [*axis.ticks().values()]
    assert texts == ["1", "1", "9", "10", "b", "none", "False", "none", "True"]
    places = axis.places(trials).tolist()
    assert sorted(places) == [*range(9)]
    shown = ["b", "none", "10", "True", "9", "1", "1", "none", "False"]
    assert [texts[int(place)] for place in places] == shown


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["LSTM(hidden=4)", "GRU(hidden=4)"], ["LSTM(hidden=4)", "GRU(hidden=4)"]),
        (["LSTM(hidden=200, layer_norm=True)", "GRU(hidden=4)"], ["LSTM", "GRU(hidden=4)"]),
        (
            ["LSTM(hidden=200, layer_norm=True)", "LSTM(hidden=400, layer_norm=True)"],
            ["LSTM(hidden=200, la…", "LSTM(hidden=400, la…"],
        ),
        (
            ["LSTM(hidden=200, forget_bias=0.0)", "LSTM(hidden=200, forget_bias=1.0)"],
            ["LSTM(h…get_bias=0.0)", "LSTM(h…get_bias=1.0)"],
        ),
        (["$HOME/text, $TMP"], [r"\$HOME/text, \$TMP"]),
    ],
)
def test_long_choices_are_shortened_and_stay_apart(empty, texts, expected):
    axis, trials = axis_of(empty, CELL, "Choice(...)", texts)
    shown = axis.ticks()
    assert [shown[place] for place in axis.places(trials)] == expected
