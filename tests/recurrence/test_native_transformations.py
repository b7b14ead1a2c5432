"""The kernel under `jax.vmap`, `jax.lax.scan` and second derivatives."""

import jax
import numpy as np
import pytest

from lstm_jax import recurrence
from lstm_jax.cells import GRU, LSTM
from lstm_jax.errors import ConfigError
from lstm_jax.recurrence import backend
from tests.needs import needs_kernel
from tests.recurrence.test_native import KINDS, outcome, problem
from tests.reference import assert_close, params_of

pytestmark = needs_kernel


def stacked(*trees):
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


@pytest.mark.parametrize(
    ("kind", "mapped"),
    [*((kind, "all") for kind in KINDS), *(("lstm", index) for index in range(5))],
)
def test_vmap_over_members(kind, mapped):
    """Members that differ in all they are given, and in one argument alone."""
    cell = KINDS[kind](hidden=20)
    members = [problem(cell, 4, 6, seed) for seed in range(5)]
    if mapped != "all":
        members = [tuple(m[i] if i == mapped else members[0][i] for i in range(5)) for m in members]
    axes = (tuple(0 if mapped in ("all", i) else None for i in range(5)),)
    given = tuple(
        stacked(*column) if axis == 0 else column[0]
        for axis, column in zip(axes[0], zip(*members, strict=True), strict=True)
    )
    together = jax.vmap(lambda given: outcome("native", cell, given), in_axes=axes)(given)
    assert_close(together, stacked(*(outcome("native", cell, one) for one in members)), 1e-5)


def test_vmap_in_vmap():
    cell = GRU(hidden=20)
    members = [problem(cell, 4, 6, seed) for seed in range(5)]

    def run(params, inputs):
        return outcome("native", cell, (params, inputs, *members[0][2:]))

    settings, batches = (stacked(*column) for column in list(zip(*members, strict=True))[:2])
    batches = batches[:3]
    each = jax.vmap(jax.vmap(run, in_axes=(None, 0)), in_axes=(0, None))
    apart = [stacked(*(run(m[0], other[1]) for other in members[:3])) for m in members]
    assert_close(each(settings, batches), stacked(*apart), 1e-5)


def test_members_share_weights_without_a_copy():
    cell = LSTM(hidden=64)
    params = params_of(cell, 64)
    inputs = np.ones((64, 2, 1, 64), np.float32)  # of 64 members

    def outputs(inputs):
        with backend.use("native"):
            return recurrence.scan(cell, params, inputs)[0]

    compiled = jax.jit(jax.vmap(outputs)).lower(inputs).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 8 * params["recurrent_kernel"].nbytes


def test_inside_a_scan_and_not_compiled_twice():
    cell = LSTM(hidden=5)
    params, inputs, carry, *_ = problem(cell, 4, 3)
    traces = []

    @jax.jit
    def train(params):
        traces.append(None)

        def loss(params):
            return (recurrence.scan(cell, params, inputs, carry)[0] ** 2).sum()

        def step(params, _):
            value, gradient = jax.value_and_grad(loss)(params)
            return jax.tree.map(lambda p, g: p - 0.1 * g, params, gradient), value

        return jax.lax.scan(step, params, length=8)

    with backend.use("native"):
        params, losses = train(params)
        train(params)
        assert len(traces) == 1
    assert losses[-1] < 0.9 * losses[0]
    with backend.use("scan"):
        train(params)
    assert len(traces) == 2


def test_second_derivatives_are_refused_in_one_line():
    cell = LSTM(hidden=2)
    params, inputs, *_ = problem(cell, 3, 2)

    def slope(inputs):
        return jax.grad(lambda x: (recurrence.scan(cell, params, x)[0] ** 2).sum())(inputs).sum()

    with pytest.raises(ConfigError, match="no second derivatives: compute them under"):
        jax.jit(jax.grad(slope))(inputs)
    with backend.use("scan"):
        assert np.isfinite(jax.jit(jax.grad(slope))(inputs)).all()
