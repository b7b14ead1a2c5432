"""The benchmark of one layer compares like with like, and reports what it measured."""

import json
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scripts.benchmarks import growth, layers
from scripts.benchmarks.layer_weights import make_weights
from tests.needs import needs_kernel
from tests.scripts.benchmarks.running import needs

SHAPE = (5, 3, 4, 6)  # time, batch, input, hidden


def lstm_step(carry: Any, projected: Any, recurrent: Any, recurrent_bias: None) -> Any:
    cell = carry[1]
    i, f, g, o = projected + recurrent
    cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(cell), cell


def gru_step(carry: Any, projected: Any, recurrent: Any, recurrent_bias: Any) -> Any:
    hidden, cell = carry
    r, z = jax.nn.sigmoid(projected[:2] + recurrent[:2])
    candidate = jnp.tanh(projected[2] + r * (recurrent[2] + recurrent_bias))
    return (1 - z) * candidate + z * hidden, cell


def reference_loss(weights: Any, inputs: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The equations of a cell, one step after the other: the loss that is timed, and outputs."""
    step = {"LSTM": lstm_step, "GRU": gru_step}[weights.cell]
    carry = (jnp.zeros((inputs.shape[1], weights.hidden)),) * 2
    outputs = []
    for frame in inputs:
        projected = jnp.einsum("bn,ngh->gbh", frame, weights.input) + weights.bias[:, None]
        recurrent = jnp.einsum("bk,kgh->gbh", carry[0], weights.recurrent)
        carry = step(carry, projected, recurrent, weights.recurrent_bias)
        outputs.append(carry[0])
    return jnp.sum(jnp.square(jnp.stack(outputs))), jnp.stack(outputs)


reference = jax.jit(jax.value_and_grad(reference_loss, argnums=(0, 1), has_aux=True))


def rows(implementation: str, *marks: pytest.MarkDecorator, cells: str = "LSTM GRU") -> list[Any]:
    return [pytest.param(cell, implementation, marks=marks) for cell in cells.split()]


@pytest.mark.parametrize(
    ("cell", "implementation"),
    [
        *rows("lstm_jax_native", needs_kernel),
        *rows("lstm_jax_scan"),
        *rows("flax_linen"),
        *rows("flax_nnx"),
        *rows("haiku", needs("haiku"), cells="LSTM"),
        *rows("torch", needs("torch")),
    ],
)
def test_layers_compute_the_same_outputs_and_gradients(cell: str, implementation: str) -> None:
    weights, inputs = make_weights(cell, *SHAPE[2:]), layers.make_inputs(SHAPE)
    (expected_loss, expected_outputs), expected = reference(weights, inputs)

    with jax.numpy_dtype_promotion("standard"):
        layer = layers.LAYERS[implementation](weights, inputs)
        outputs = layer.forward()
        loss, (parameter_gradients, input_gradient) = layer.training()

    close: Any = {"rtol": 1e-4, "atol": 1e-6}
    np.testing.assert_allclose(np.asarray(outputs), expected_outputs, **close)
    np.testing.assert_allclose(float(loss), expected_loss, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(input_gradient), expected[1], **close)
    # The libraries keep the same kernels in different layouts: their sum of squares is the same.
    kernels = [np.asarray(leaf) for leaf in jax.tree.leaves(parameter_gradients)]
    squares = sum(np.square(kernel).sum() for kernel in kernels if kernel.ndim == 2)
    expected_squares = jnp.square(expected[0].input).sum() + jnp.square(expected[0].recurrent).sum()
    np.testing.assert_allclose(squares, expected_squares, rtol=1e-4)


def test_recurrence_prints_an_object_and_draws(run: Any, tmp_path: pathlib.Path) -> None:
    image = tmp_path / "new" / "plot.png"
    arguments = ["--cell=GRU", "--shapes=3x2x4x5", "--implementations=haiku,flax_linen", "--json"]
    done = run("recurrence", *arguments, "--rounds=1", "--seconds=0", f"--plot={image}")
    assert done.code == 0, done.err
    assert "haiku is skipped: haiku.GRU computes otherwise" in done.err
    record = json.loads(done.out)
    assert record.pop("cell") == "GRU"
    assert record.pop("shape") == [3, 2, 4, 5]
    assert record.pop("implementation") == "flax_linen"
    assert sorted(record) == ["forward_ms", "training_ms"]
    assert all(value > 0 for value in record.values())
    assert image.read_bytes().startswith(b"\x89PNG")


def test_growth_doubles_one_size_at_a_time(tmp_path: pathlib.Path) -> None:
    shapes = growth.shapes()
    assert len(set(shapes)) == len(shapes) == 10
    assert (400, 32, 256, 256) in shapes
    assert (100, 16, 256, 256) in shapes
    assert (100, 32, 1024, 1024) in shapes
    values = {str(shape): {"ours": 1.0, "theirs": 2.0} for shape in shapes}
    growth.plot(str(tmp_path / "plot.png"), {"training, ms": values})
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--shapes=20x20x200", "expected a shape TIMExBATCHxINPUTxHIDDEN"),
        ("--implementations=lstm-jax-scan", "did you mean 'lstm_jax_scan'?"),
        ("torch", "unexpected argument 'torch'"),
    ],
)
def test_recurrence_names_a_mistake_in_one_line(run: Any, argument: str, message: str) -> None:
    done = run("recurrence", argument)
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
