"""What is wrong with the arguments of a scan is said in one line, by every cell and backend."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax import recurrence
from lstm_jax.cells import GRU, LSTM, SimpleRNN
from lstm_jax.errors import UserError
from lstm_jax.recurrence import backend
from tests.cells.table import CELLS, MatrixMemory
from tests.reference import BATCH, INPUT, TIME, problem

pytestmark = pytest.mark.usefixtures("unannotated")

every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())

# ---- a scan -------------------------------------------------------------------------------------

FLOATS = "of floating-point numbers"
INPUTS = rf"inputs must be \[time, batch, input\] {FLOATS}, got "
LENGTHS = r"lengths must be \[batch=5\] of integers, got "
RESETS = r"resets must be \[time=6, batch=5\] of booleans, got "
PARAMS = r"params of \w+\(hidden=3\) must be a dict of \w+.*\w; got "
CARRY = r"carry must be as cell\.initial_carry makes it, a \w+Carry of .*; got "
TO_FLOATS = r"; convert them: inputs\.astype\(jnp\.float32\)"
TO_ARRAY = r"; convert it: jnp\.asarray\({}\)"
NO_BATCH = r"; one sequence is a batch of one: {}\[:, None\]"


def first(tree: Any, change: Any) -> Any:
    """The tree with its first leaf changed."""
    leaves, structure = jax.tree.flatten(tree)
    return jax.tree.unflatten(structure, [change(leaves[0]), *leaves[1:]])


def as_integers(array: jax.Array) -> jax.Array:
    return array.astype(jnp.int32)


# How an argument is spoilt, and the line that says so.
FAULTS: dict[str, tuple[str, Any, str]] = {
    "integers": ("inputs", as_integers, INPUTS + r"int32 \[6, 5, 2\]" + TO_FLOATS),
    "booleans": ("inputs", lambda x: x > 0, INPUTS + r"bool \[6, 5, 2\]" + TO_FLOATS),
    "numpy": ("inputs", lambda x: np.ones(x.shape, int), INPUTS + r"int64 \[6, 5, 2\]" + TO_FLOATS),
    "complex": (
        "inputs",
        lambda x: x.astype(jnp.complex64),
        INPUTS + r"complex64 \[6, 5, 2\]; convert them: inputs\.real",
    ),
    "a list": (
        "inputs",
        lambda x: x.tolist(),
        INPUTS + "a value of type list" + TO_ARRAY.format("inputs"),
    ),
    "a scalar": ("inputs", lambda x: 1.0, INPUTS + "a value of type float"),
    "no batch": (
        "inputs",
        lambda x: x[:, 0],
        INPUTS + r"float32 \[6, 2\]" + NO_BATCH.format("inputs"),
    ),
    "four axes": ("inputs", lambda x: x[None], INPUTS + r"float32 \[1, 6, 5, 2\]"),
    "another size": (
        "inputs",
        lambda x: x[..., :1],
        r"the inputs have 1 features, and the cell takes 2: inputs must be \[time, batch, "
        r"input=2\]",
    ),
    "no features": (
        "inputs",
        lambda x: x[..., :0],
        "the inputs have 0 features, and the cell takes 2: .*",
    ),
    "integer params": (
        "params",
        lambda params: jax.tree.map(as_integers, params),
        rf"params\['\w+'\] of \w+\(hidden=3\) must be \[.*\] {FLOATS}, got int32 \[.*\]; "
        r"convert them: params\['\w+'\]\.astype\(jnp\.float32\)",
    ),
    "params of another size": (
        "params",
        lambda params: first(params, lambda leaf: leaf[..., :1]),
        rf"params\['\w+'\] of \w+\(hidden=3\) must be \[\d+\] {FLOATS}, got float32 \[1\]",
    ),
    "a list among params": (
        "params",
        lambda params: params | {"bias": [1.0], "decay": [1.0]},
        PARAMS + r"a dict of .*bias\.0, .*",
    ),
    "params of another cell": (
        "params",
        lambda params: {"kernel": jnp.ones((INPUT, 3))},
        PARAMS + "a dict of kernel",
    ),
    "too many params": (
        "params",
        lambda params: params | {"other": jnp.ones(3)},
        PARAMS + "a dict of .*other.*",
    ),
    "no params": ("params", lambda params: None, PARAMS + "a NoneType of no parts"),
    "an integer carry": (
        "carry",
        lambda carry: jax.tree.map(as_integers, carry),
        rf"carry\.\w+ must be \[5.*\] {FLOATS}, got int32 \[5.*\]; convert them: "
        r"carry\.\w+\.astype\(jnp\.float32\)",
    ),
    "a carry of another batch": (
        "carry",
        lambda carry: jax.tree.map(lambda leaf: leaf[:1], carry),
        rf"carry\.\w+ must be \[5.*\] {FLOATS}, got float32 \[1.*\]",
    ),
    "a carry of scalars": (
        "carry",
        lambda carry: jax.tree.map(lambda leaf: 0.0, carry),
        rf"carry\.\w+ must be \[5.*\] {FLOATS}, got a value of type float",
    ),
    "a carry of another cell": ("carry", lambda carry: tuple(carry), CARRY + "a tuple of 0.*"),
    "no carry": ("carry", lambda carry: (), CARRY + "a tuple of no parts"),
    "float lengths": (
        "lengths",
        lambda lengths: lengths.astype(jnp.float32),
        LENGTHS + r"float32 \[5\]; convert them: lengths\.astype\(jnp\.int32\)",
    ),
    "boolean lengths": ("lengths", lambda lengths: lengths > 0, LENGTHS + r"bool \[5\]"),
    "one length": ("lengths", lambda lengths: lengths[:1], LENGTHS + r"int32 \[1\]"),
    "a mask for lengths": (
        "lengths",
        lambda lengths: jnp.ones((TIME, BATCH), jnp.int32),
        LENGTHS + r"int32 \[6, 5\]",
    ),
    "a number for lengths": ("lengths", lambda lengths: 3, LENGTHS + "a value of type int"),
    "a list for lengths": (
        "lengths",
        lambda lengths: lengths.tolist(),
        LENGTHS + "a value of type list" + TO_ARRAY.format("lengths"),
    ),
    "integer resets": (
        "resets",
        as_integers,
        RESETS + r"int32 \[6, 5\]; convert them: resets != 0",
    ),
    "float resets": (
        "resets",
        lambda resets: resets.astype(jnp.float32),
        RESETS + r"float32 \[6, 5\]; convert them: resets != 0",
    ),
    "resets of steps": ("resets", lambda resets: resets[:, :1], RESETS + r"bool \[6, 1\]"),
    "resets without a batch": (
        "resets",
        lambda resets: resets[:, 0],
        RESETS + r"bool \[6\]" + NO_BATCH.format("resets"),
    ),
    "a list of resets": (
        "resets",
        lambda resets: resets.tolist(),
        RESETS + "a value of type list" + TO_ARRAY.format("resets"),
    ),
}


@every_cell
@pytest.mark.parametrize(("name", "spoil", "line"), FAULTS.values(), ids=FAULTS.keys())
def test_what_is_wrong_is_said_in_one_line(cell, name, spoil, line):
    given = problem(cell)._asdict()
    given[name] = spoil(given[name])
    for chosen in ("scan", "native"):
        with backend.use(chosen), pytest.raises(UserError) as caught:
            recurrence.scan(cell, **given)
        assert re.fullmatch(line, str(caught.value)), str(caught.value)


# ---- pairs and cells ----------------------------------------------------------------------------


@pytest.mark.parametrize("cells", [(LSTM(hidden=3), GRU(hidden=4)), (SimpleRNN(hidden=3),) * 2])
def test_two_directions_have_two_of_each(cells):
    params = tuple(problem(cell).params for cell in cells)
    carries = tuple(problem(cell).carry for cell in cells)
    given = {"cells": cells, "params": params, "carries": carries}
    inputs = problem(cells[0]).inputs
    spoilt = [(name, two[:1], "1") for name, two in given.items()]
    spoilt += [(name, (*two, two[0]), "3") for name, two in given.items()]
    spoilt += [("params", {"forward": params[0]}, "a value of type dict")]
    for name, wrong, got in spoilt:
        changed = given | {name: wrong}
        with pytest.raises(UserError) as caught:
            recurrence.bidirectional(inputs=inputs, **changed)
        assert str(caught.value) == f"{name} must be 2, forward and backward, got {got}"


@pytest.mark.parametrize("kind", [LSTM, GRU, SimpleRNN, MatrixMemory])
@pytest.mark.parametrize("hidden", [0, -1, 2.5, "3"])
def test_a_cell_has_hidden_units(kind, hidden):
    with pytest.raises(UserError) as caught:
        kind(hidden=hidden)
    assert str(caught.value) == f"hidden must be a whole number of at least 1, not {hidden!r}"


@pytest.mark.parametrize("cell", [LSTM(hidden=3), GRU(hidden=3), SimpleRNN(hidden=3)])
@pytest.mark.parametrize("size", [0, -1, 2.0])
def test_a_cell_has_inputs(cell, size):
    with pytest.raises(UserError) as caught:
        cell.init(jax.random.key(0), size)
    assert str(caught.value) == f"input_size must be a whole number of at least 1, not {size}"


def test_an_activation_that_does_not_exist():
    with pytest.raises(UserError) as caught:
        SimpleRNN(activation="sigmoid")  # pyright: ignore
    assert str(caught.value) == "activation is one of tanh, relu, not 'sigmoid'"
