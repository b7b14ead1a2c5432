"""Whatever can be understood is taken by a scan, with the same results, and costs nothing more."""

import functools
import re
from typing import Any

import jax
import numpy as np
import pytest

from lstm_jax import recurrence
from lstm_jax.cells import GRU, LSTM, Cell
from lstm_jax.recurrence import backend, native, over_time
from tests import reference
from tests.cells.table import CELLS, MatrixMemory
from tests.combinations import combinations
from tests.reference import (
    BATCH,
    INPUT,
    TIME,
    Problem,
    array,
    assert_close,
    params_of,
    problem,
    results,
)

pytestmark = pytest.mark.usefixtures("unannotated")

every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
STEPS = 300
LENGTHS = np.array([0, 3, 100, 127, 5])


def backends_of(cell: Cell) -> list[str]:
    return ["scan"] if native.why_not(cell) else ["scan", "native"]


def long(cell: Cell, dtype: Any) -> Problem:
    """More steps than a narrow integer counts, NaN in the padding."""
    inputs = np.random.default_rng(0).normal(size=(STEPS, BATCH, INPUT))
    inputs[np.arange(STEPS)[:, None] >= LENGTHS] = np.nan
    return problem(cell)._replace(
        inputs=array(inputs, np.float32),
        lengths=array(LENGTHS, dtype),
        resets=None,
    )


# In turn, as a program is compiled for each.
NARROW = dict(zip(CELLS, [np.int8, np.uint8] * len(CELLS), strict=False))


# They are widened before a cell or a backend sees them: one backend stands for both.
@combinations(
    {"cell": CELLS, "chosen": {"scan": "scan", "native": "native"}},
    lambda cell, chosen: chosen == backends_of(CELLS[cell])[-1] or cell == "lstm",
)
def test_narrow_lengths_do_not_wrap(cell, chosen):
    if chosen not in backends_of(cell):
        pytest.skip(f"{chosen} does not run it")
    padding = np.arange(STEPS)[:, None] >= LENGTHS
    name = next(name for name, other in CELLS.items() if other == cell)
    with backend.use(chosen):
        found = results(recurrence.scan, cell, long(cell, NARROW[name]))
        expected = results(recurrence.scan, cell, long(cell, np.int32))
    assert_close(found, expected, 0.0)
    assert not np.any(np.asarray(found.outputs)[padding])
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(found))


def test_arrays_of_numpy_are_those_of_jax():
    cell = LSTM(hidden=3)
    given = problem(cell)._asdict()
    plain = jax.tree.map(np.asarray, given) | {"lengths": np.array(given["lengths"], np.int64)}
    wide = jax.tree.map(lambda x: x.astype(np.float64) if x.dtype == np.float32 else x, plain)
    with backend.use(backends_of(cell)[-1]):
        assert_close(recurrence.scan(cell, **wide), recurrence.scan(cell, **given), 1e-6)


@pytest.mark.parametrize("cell", [LSTM(hidden=3), MatrixMemory(hidden=3)], ids=str)
@pytest.mark.parametrize("sizes", [(0, BATCH), (TIME, 0), (0, 0)], ids=str)
def test_no_steps_and_no_sequences(cell, sizes):
    time, batch = sizes
    given = jax.tree.map(np.asarray, problem(cell))
    given = given._replace(
        inputs=given.inputs[:time, :batch],
        carry=jax.tree.map(lambda leaf: leaf[:batch], given.carry),
        lengths=given.lengths[:batch],
        resets=given.resets[:time, :batch],
    )
    for chosen in backends_of(cell):
        with backend.use(chosen):
            outputs, final = reference.scan(cell, **given._asdict())
        assert outputs.shape == (time, batch, 3)
        assert_close(final, given.carry, 0.0)


class Untraceable(LSTM):
    """Its parameters come from elsewhere."""

    def init(self, key: Any, input_size: int) -> Any:
        raise NotImplementedError


class Unhashable(MatrixMemory):
    __hash__ = None  # pyright: ignore


@pytest.mark.parametrize("kind", [Untraceable, Unhashable])
def test_cells_of_users_need_no_init_and_no_hash(kind):
    cell = kind(hidden=3)
    given = problem(LSTM(hidden=3) if kind is Untraceable else MatrixMemory(hidden=3))
    outputs, _ = jax.eval_shape(lambda: recurrence.scan(cell, **given._asdict()))
    assert outputs.shape == (TIME, BATCH, 3)


# ---- what it costs ------------------------------------------------------------------------------


@every_cell
def test_the_checks_leave_nothing_in_the_program(cell, monkeypatch):
    run = functools.partial(reference.run, recurrence.scan, cell, False)

    def program(chosen: str) -> str:
        with backend.use(chosen):
            return re.sub("0x[0-9a-f]+", "", str(jax.make_jaxpr(run)(problem(cell))))

    checked = [program(chosen) for chosen in backends_of(cell)]
    names = [name for name in vars(over_time) if name.startswith("check_")]
    assert len(names) >= 5
    for name in names:
        monkeypatch.setattr(over_time, name, lambda *arguments: None)
    assert [program(chosen) for chosen in backends_of(cell)] == checked


def test_init_is_traced_once_for_each_cell_and_size_and_nothing_is_compiled_twice(monkeypatch):
    cell, traced, init = GRU(hidden=17), [], GRU.init
    params = params_of(cell, 2)
    monkeypatch.setattr(GRU, "init", lambda *given: traced.append(given) or init(*given))
    scan = jax.jit(functools.partial(recurrence.scan, cell))
    for lengths in ([1, 2], [2, 1]):
        scan(params, np.ones((3, 2, 2), np.float32), lengths=np.array(lengths, np.int32))
    assert scan._cache_size() == 1
    inputs = jax.ShapeDtypeStruct((2, 3, 2, 2), np.float32)
    jax.eval_shape(jax.vmap(lambda x: scan(params, x)[0]), inputs)
    assert len(traced) == 1
