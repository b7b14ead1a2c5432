"""The benchmarks compare like with like, and report what they measured."""

import json
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl.testing import flagsaver

from tests.needs import needs_kernel
from tests.scripts.benchmarking import needs, run, script

SHAPE = (5, 3, 4, 6)  # time, batch, input, hidden

pytestmark = pytest.mark.usefixtures("scripts_importable")


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
    layers = script("_layers")
    weights, inputs = layers.make_weights(cell, *SHAPE[2:]), layers.make_inputs(SHAPE)
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


def test_recurrence_prints_an_object_and_draws(tmp_path: pathlib.Path) -> None:
    image = tmp_path / "new" / "plot.png"
    arguments = ["--cell=GRU", "--shapes=3x2x4x5", "--implementations=haiku,flax_linen", "--json"]
    done = run(
        "benchmark_recurrence.py", *arguments, "--rounds=1", "--seconds=0", f"--plot={image}"
    )
    assert done.returncode == 0, done.stderr
    assert "haiku is skipped: haiku.GRU computes otherwise" in done.stderr
    record = json.loads(done.stdout)
    assert record.pop("cell") == "GRU"
    assert record.pop("shape") == [3, 2, 4, 5]
    assert record.pop("implementation") == "flax_linen"
    assert sorted(record) == ["forward_ms", "training_ms"]
    assert all(value > 0 for value in record.values())
    assert image.read_bytes().startswith(b"\x89PNG")


def test_growth_doubles_one_size_at_a_time(tmp_path: pathlib.Path) -> None:
    growth = script("_growth")
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
def test_recurrence_names_a_mistake_in_one_line(argument: str, message: str) -> None:
    done = run("benchmark_recurrence.py", argument)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_implementations_take_turns_and_medians_are_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    benchmark = script("_benchmark")
    calls = []

    def fake_process(measure: Any, name: str, scale: float) -> dict[str, float]:
        calls.append(name)
        return {"ms": scale * [5.0, 1.0, 2.0][calls.count(name) - 1]}

    monkeypatch.setattr(benchmark, "in_own_process", fake_process)
    with flagsaver.flagsaver():
        benchmark.flags.FLAGS(["benchmark"])
        figures = benchmark.in_turn(None, ["a", "b"], 3, 10.0)
    assert calls == ["a", "b", "a", "b", "a", "b"]
    assert figures == {"a": {"ms": 20.0}, "b": {"ms": 20.0}}


@pytest.mark.parametrize(
    ("memory", "keeping"), [("own", ["lstm_jax_scan"]), ("same", ["lstm_jax_scan", "torch"])]
)
def test_whose_processes_keep_freed_memory(
    memory: str, keeping: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark = script("_benchmark")
    kept = []

    def fake_process(*call: Any) -> dict[str, float]:
        if call[0] is benchmark.keeping_freed_memory:
            kept.append(call[2])
        return {}

    monkeypatch.setattr(benchmark, "in_own_process", fake_process)
    with flagsaver.flagsaver():
        benchmark.flags.FLAGS(["benchmark", f"--memory={memory}"])
        benchmark.in_turn(None, ["lstm_jax_scan", "torch"], 1)
    assert kept == keeping


def test_an_implementation_that_is_not_installed_is_skipped_by_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    benchmark = script("_benchmark")
    packages = {"here": "json", "gone": "no_such_package"}
    assert benchmark.available(["gone", "here"], packages) == ["here"]
    assert "gone is skipped: no_such_package is not installed" in capsys.readouterr().err
    with pytest.raises(ValueError, match="no implementation is left"):
        benchmark.available(["here"], packages, {"here": "it is another model"})
    assert "here is skipped: it is another model" in capsys.readouterr().err


def test_table_says_how_many_times_faster_the_baseline_is() -> None:
    benchmark = script("_benchmark")
    times = {"small": {"ours": 2.0, "theirs": 3.0}, "large": {"ours": 1000.0, "theirs": 6000.0}}
    assert benchmark.table("ms", times, "ours", higher_is_better=False).splitlines() == [
        "| ms | ours | theirs |",
        "|---|---|---|",
        "| small | 2.00 | 3.00 (1.50x) |",
        "| large | 1,000 | 6,000 (6.00x) |",
        "| geometric mean | | 3.00x |",
    ]
    speeds = {"small": {"theirs": 100.0, "ours": 150.0}}
    assert "100 (1.50x)" in benchmark.table("tokens/s", speeds, "ours", higher_is_better=True)
    assert "x)" not in benchmark.table(
        "ms", {"small": {"theirs": 3.0}}, "ours", higher_is_better=True
    )
