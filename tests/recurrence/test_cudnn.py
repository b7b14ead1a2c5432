"""cuDNN's LSTM beside `jax.lax.scan`, which says what is right.

Where there is no GPU, all but cuDNN itself is tested: the primitives of `jax.experimental.rnn` are
given to the CPU, as JAX's own reference for them computes. The same tests run on a GPU, where
there is one (JAX_PLATFORMS=cuda).
"""

import functools
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import rnn
from jax.interpreters import mlir

import lstm_jax
from lstm_jax import recurrence
from lstm_jax.cells import GRU, LSTM
from lstm_jax.errors import ConfigError
from lstm_jax.recurrence import backend, cudnn
from lstm_jax.storage import checkpoints
from tests.combinations import combinations
from tests.recurrence.test_native import Scaled, outcome, problem
from tests.reference import array, assert_close, scan
from tests.runs import log_of, tiny


def _reference(sizes, x, h_0, c_0, weights, lengths):
    input_size, hidden_size = sizes
    matrices = rnn.unpack_lstm_weights(weights, input_size, hidden_size, 1, False)
    return rnn.lstm_ref(x, h_0, c_0, *matrices, lengths, input_size, hidden_size, 1, 0.0, False)


def _spoil(array, lengths):
    """NaN where cuDNN promises nothing: in the padding, and everywhere if it fails."""
    time = array.shape[1]
    valid = jnp.arange(time, dtype=jnp.int32) < lengths[:, None]
    fails = jnp.any((lengths < 1) | (lengths > time))
    return jnp.where(valid[..., None] & ~fails, array, jnp.nan)


def _forward(x, h_0, c_0, weights, lengths, *, input_size, hidden_size, **_):
    # cuDNN is handed addresses, and would read what lies beyond an array.
    assert x.shape[2] == input_size
    assert h_0.shape == c_0.shape == (1, x.shape[0], hidden_size)
    assert weights.shape == (rnn.get_num_params_in_lstm(input_size, hidden_size, 1, False),)
    assert lengths.shape == x.shape[:1]
    y, h_n, c_n = _reference((input_size, hidden_size), x, h_0, c_0, weights, lengths)
    return _spoil(y, lengths), h_n, c_n, jnp.zeros(1)


def _backward(*arguments, input_size, hidden_size, **_):
    dy, dh_n, dc_n, x, h_0, c_0, weights, _, _, lengths = arguments
    run = functools.partial(_reference, (input_size, hidden_size), lengths=lengths)
    _, pull_back = jax.vjp(run, x, h_0, c_0, weights)
    dx, *others = pull_back((dy, dh_n, dc_n))
    return [_spoil(dx, lengths), *others]


def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the CPU do what cuDNN does."""
    for primitive, function in ((rnn.rnn_fwd_p, _forward), (rnn.rnn_bwd_p, _backward)):
        lowered = mlir.lower_fun(function, multiple_results=True)
        mlir.register_lowering(primitive, lowered, platform="cpu")
    sizes = SimpleNamespace(compute_rnn_workspace_reserve_space_sizes=lambda *_: (1, 1))
    monkeypatch.setattr(rnn, "gpu_rnn", sizes)
    monkeypatch.setattr(cudnn, "why_not_here", lambda: None)


@pytest.fixture(params=["stand_in", "gpu"])
def tolerance(request, monkeypatch):
    """How far cuDNN, or its stand-in, may be off."""
    if request.param == "stand_in":
        if jax.default_backend() != "cpu":
            pytest.skip("the stand-in for cuDNN runs on the CPU")
        stand_in(monkeypatch)
        yield 2e-5
    elif reason := cudnn.why_not_here():
        pytest.skip(f"needs a GPU: {reason}")
    else:
        with jax.default_matmul_precision("float32"):
            yield 1e-4


# Time, hidden, and the lengths of a batch, or how many sequences it has.
CASES = [
    (1, 1, 1),
    (1, 5, [1, 0, 1]),
    (5, 1, [3]),
    (3, 16, 7),
    (4, 33, [4, 2, 0, 1, 3, 4]),
    (3, 4, [0, 0, 0]),
    (3, 4, [5, -1, 2]),
    (20, 8, [20, 7]),
]


def case(time, hidden, lengths):
    batch = lengths if isinstance(lengths, int) else len(lengths)
    params, inputs, carry, *_ = problem(LSTM(hidden=hidden), time, batch)
    if batch is lengths:
        return params, inputs, carry, None, None
    padding = np.arange(time)[:, None] >= np.array(lengths)
    inputs = np.where(padding[..., None], np.nan, inputs)
    return params, array(inputs, np.float32), carry, array(lengths, np.int32), None


# Backwards, with lengths and without, within their range and beyond.
@combinations(
    {"sizes": {str(sizes): sizes for sizes in CASES}, "way": {"forward": False, "reverse": True}},
    lambda sizes, way: way == "forward" or sizes in map(str, CASES[3:7]),
)
def test_equals_the_scan_whatever_stands_in_the_padding(sizes, way, tolerance):
    cell, given = LSTM(hidden=sizes[1]), case(*sizes)
    params, inputs, carry, lengths, _ = given
    with backend.use("cudnn"), backend.recorded() as used:
        jax.eval_shape(lambda: recurrence.scan(cell, params, inputs, carry, lengths=lengths))
    assert used == {"cudnn": []}
    actual, expected = (outcome(name, cell, given, way) for name in ("cudnn", "scan"))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(expected))
    assert_close(actual, expected, tolerance)


def test_lengths_are_of_any_integer_type(tolerance):
    params, inputs, carry, *_ = problem(LSTM(hidden=3), 4, 2)
    scanned = functools.partial(scan, LSTM(hidden=3), params, inputs, carry)
    with backend.use("cudnn"):
        actual = [scanned(lengths=np.array([3, 200], dtype)) for dtype in (np.uint8, np.uint32)]
    with backend.use("scan"):
        expected = scanned(lengths=np.array([3, 4], np.int32))
    for found in actual:
        assert_close(found, expected, tolerance)


@pytest.mark.parametrize("default", [None, "float32"])
def test_products_are_as_exact_as_those_of_jax(default, tolerance):
    del tolerance
    cell = LSTM(hidden=2)
    params, inputs, *_ = problem(cell, 3, 2)

    def both_passes(inputs):
        with backend.use("cudnn"), jax.default_matmul_precision(default):
            outputs, pull_back = jax.vjp(lambda x: recurrence.scan(cell, params, x)[0], inputs)
        return pull_back(outputs)

    program = str(jax.make_jaxpr(both_passes)(inputs))
    assert program.count(f"cudnn_allow_tf32={default is None}") == 2
    assert program.count("cudnn_allow_tf32=") == 2


@pytest.mark.slow
def test_a_run_is_trained_with_it_and_says_so(text, tmp_path, capsys, monkeypatch, tolerance):
    experiment = tiny(text, steps=6)

    def train(name):
        with backend.use(name):
            run = lstm_jax.train(experiment, tmp_path / name)
        folder = tmp_path / name / "checkpoints"
        assert checkpoints.read_manifest(folder, run.steps[-1])["metadata"]["backend"] == name
        assert f"backend: {name}\n" in capsys.readouterr().err
        return [record["nats_per_token"] for record in log_of(tmp_path / name)]

    assert train("cudnn") == pytest.approx(train("scan"), rel=100 * tolerance)


def test_what_jax_cannot_do_with_it_is_refused(tolerance):
    del tolerance
    cell = LSTM(hidden=2)
    params, inputs, *_ = problem(cell, 3, 2)

    def total(inputs):
        return (recurrence.scan(cell, params, inputs)[0] ** 2).sum()

    with backend.use("cudnn"):
        with pytest.raises(NotImplementedError, match="Batching rule"):
            jax.vmap(total)(array(np.asarray(inputs)[None]))
        with pytest.raises(NotImplementedError, match="Differentiation rule"):
            jax.grad(lambda x: jax.grad(total)(x).sum())(inputs)


# ---- what it does not run -----------------------------------------------------------------------

NOT_RUN = {
    "gru": (GRU(hidden=2), {}, r"cuDNN has no GRU\("),
    "peepholes": (LSTM(hidden=2, peepholes=True), {}, r"cuDNN has no LSTM\("),
    "own": (Scaled(hidden=2), {}, r"cuDNN has no Scaled\("),
    "bfloat16": (LSTM(hidden=2), {"dtype": jnp.bfloat16}, "computes in float32, not in bfloat16"),
    "resets": (LSTM(hidden=2), {"resets": array(np.zeros((3, 2), bool))}, "cuDNN has no resets"),
    "empty": (LSTM(hidden=2), {"time": 0}, "cuDNN takes no empty arrays"),
    "precision": (LSTM(hidden=2), {"precision": "bfloat16"}, "does not multiply in bfloat16"),
}


@pytest.mark.parametrize(("cell", "given", "reason"), NOT_RUN.values(), ids=NOT_RUN.keys())
def test_why_not(cell, given, reason, monkeypatch):
    monkeypatch.setattr(cudnn, "why_not_here", lambda: None)
    params, inputs, *_ = problem(cell, given.get("time", 3), 2)
    inputs = array(inputs, given.get("dtype", np.float32))
    with (
        backend.use("cudnn"),
        jax.default_matmul_precision(given.get("precision")),
        pytest.raises(ConfigError, match=f"^backend='cudnn': .*{reason}.*; use 'auto' or 'scan'$"),
    ):
        recurrence.scan(cell, params, inputs, resets=given.get("resets"))


def test_why_not_here(monkeypatch):
    def on(platform: str, version: str) -> str | None:
        monkeypatch.setattr(jax, "default_backend", lambda: platform)
        client = SimpleNamespace(platform_version=version)
        monkeypatch.setattr(cudnn, "get_backend", lambda: client)
        return cudnn.why_not_here()

    monkeypatch.setattr(rnn, "gpu_rnn", SimpleNamespace())
    assert on("gpu", "PJRT C API\ncuda 12090") == "jax.experimental.rnn finds no plugin for CUDA"
    sizes: Any = SimpleNamespace(compute_rnn_workspace_reserve_space_sizes=None)
    monkeypatch.setattr(rnn, "gpu_rnn", sizes)
    assert on("gpu", "PJRT C API\ncuda 12090") is None
    assert on("cuda", "PJRT C API\ncuda 12090") is None
    refused = "cuDNN runs on NVIDIA's GPUs, not on "
    assert on("gpu", "PJRT C API\nrocm 60000") == refused + "PJRT C API rocm 60000"
    assert on("cpu", "cpu") == refused + "cpu"
    assert on("tpu", "libtpu") == refused + "tpu"
    monkeypatch.setattr(cudnn, "rnn", None)
    assert on("cuda", "cuda") == f"JAX {jax.__version__} has no jax.experimental.rnn"


def test_inputs_of_another_size_are_refused(tolerance):
    del tolerance
    params, inputs, *_ = problem(LSTM(hidden=4), 3, 2)
    expected = "inputs have 2 features, and the cell takes 3"
    with backend.use("cudnn"), pytest.raises(ValueError, match=expected):
        recurrence.scan(LSTM(hidden=4), params, array(np.asarray(inputs)[..., :2]))


def test_auto_never_chooses_it(tolerance):
    del tolerance
    params, inputs, *_ = problem(LSTM(hidden=2), 3, 2)
    with backend.recorded() as used, backend.use("auto"):
        recurrence.scan(LSTM(hidden=2), params, inputs)
    assert list(used) in (["native"], ["scan"])
