"""The choice of a backend, and what a run says and keeps of it."""

import inspect
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

import lstm_jax
from lstm_jax import recurrence
from lstm_jax.cells import LSTM
from lstm_jax.errors import ConfigError
from lstm_jax.recurrence import backend, native, native_library
from lstm_jax.storage import checkpoints
from tests.needs import needs_kernel
from tests.reference import params_of
from tests.runs import tiny


def used_by(cell=None, dtype=jnp.float32):
    """What `recorded` tells of one layer."""
    cell = cell or LSTM(hidden=2)
    params, inputs = params_of(cell, 3), jax.ShapeDtypeStruct((4, 2, 3), dtype)
    with backend.recorded() as used:
        jax.eval_shape(lambda x: recurrence.scan(cell, params, x)[0], inputs)
    return used


def test_the_innermost_choice_holds():
    assert backend.chosen() == "auto"
    with backend.use("native"):
        assert backend.chosen() == "native"
        with backend.use("scan"):
            assert backend.chosen() == "scan"
            assert used_by() == {"scan": []}


# The environment is read when the module is imported: it is imported again for another value.
_CHOICES = """
import importlib, os
from lstm_jax.recurrence import backend
for value in ("scan", "cudnn", "fast"):
    if value != os.environ["LSTM_JAX_BACKEND"]:
        os.environ["LSTM_JAX_BACKEND"] = value
        importlib.reload(backend)
    with backend.use("native"):
        print(backend.chosen(), end=" ")
    print(backend.chosen())
"""


def test_the_environment_chooses_where_nothing_else_does():
    done = subprocess.run(
        [sys.executable, "-c", _CHOICES],
        env=os.environ | {"LSTM_JAX_BACKEND": "scan"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "native scan\nnative cudnn\nnative "
    expected = "LSTM_JAX_BACKEND is one of auto, scan, native, cudnn, not 'fast'\n"
    assert done.stderr.endswith(expected)


def test_a_backend_that_does_not_exist():
    # Unwrapped: the tests' own type checks refuse it, too.
    with pytest.raises(
        ConfigError, match="backend is one of auto, scan, native, cudnn, not 'cuda'"
    ):
        inspect.unwrap(backend.use)("cuda")


def test_why_auto_is_the_scan(monkeypatch):
    peepholes = LSTM(hidden=2, peepholes=True)
    assert used_by(peepholes) == {"scan": [f"the kernel has no {peepholes}"]}
    assert used_by(dtype=jnp.float16) == {
        "scan": ["the kernel stores float32 or bfloat16, not float16"]
    }
    monkeypatch.setattr(native, "why_not_built", lambda: "no compiler")
    with backend.recorded() as used:
        used_by(peepholes)
        used_by()
        used_by()
    assert used == {}, "the inner record is its own"
    assert used_by() == {"scan": ["no compiler"]}
    with backend.use("native"), pytest.raises(ConfigError, match="backend='native': no compiler"):
        used_by()


def test_cudnn_is_refused_where_there_is_no_gpu():
    if jax.default_backend() != "cpu":
        pytest.skip("there may be a GPU")
    refused = "cuDNN runs on NVIDIA's GPUs, not on cpu; use 'auto' or 'scan'"
    with backend.use("cudnn"), pytest.raises(ConfigError, match=f"^backend='cudnn': {refused}"):
        used_by()


def test_every_reason_is_told_once():
    with backend.recorded() as used:
        for remark in ("one", "other", "one", None):
            backend.record("scan", remark)
        backend.record("native", "avx2, 1 thread")
    assert backend.describe(used) == "native (avx2, 1 thread), scan (one; other)"
    backend.record("scan")
    assert sorted(used) == ["native", "scan"]


@pytest.mark.parametrize("content", [None, b"", b"no library"], ids=["none", "empty", "garbage"])
def test_a_kernel_that_is_absent_or_damaged_is_told_in_one_line(content, tmp_path, monkeypatch):
    library = tmp_path / "kernel.so"
    if content is not None:
        library.write_bytes(content)
    monkeypatch.setattr(native_library, "_LIBRARY", str(library))
    monkeypatch.setattr(native_library, "_kernel", inspect.unwrap(native_library._kernel))
    reason = native_library.why_not_built()
    expected = "installed without a C++ compiler" if content is None else "cannot be loaded"
    assert reason is not None
    assert expected in reason
    assert "\n" not in reason


@needs_kernel
def test_auto_is_the_kernel_where_it_applies(monkeypatch):
    assert used_by() == {"native": [native_library.describe()]}
    monkeypatch.setattr(jax, "device_count", lambda: 2)
    assert used_by() == {"scan": ["there are 2 devices"]}
    with backend.use("native"):
        assert used_by() == {"native": [native_library.describe()]}


@needs_kernel
def test_how_many_threads_is_told_and_set(monkeypatch):
    monkeypatch.setenv("LSTM_JAX_NUM_THREADS", "3")
    assert native_library.describe().endswith(", 3 threads")
    monkeypatch.setenv("LSTM_JAX_NUM_THREADS", "1")
    assert native_library.describe().endswith(", 1 thread")
    for wrong in ("0", "-1", "two", ""):
        monkeypatch.setenv("LSTM_JAX_NUM_THREADS", wrong)
        with pytest.raises(ConfigError, match="must be a number of at least 1"):
            native_library.describe()
    monkeypatch.delenv("LSTM_JAX_NUM_THREADS")
    threads = int(native_library.describe().split(", ")[1].split()[0])
    assert 1 <= threads <= len(os.sched_getaffinity(0))


@needs_kernel
def test_a_run_says_and_keeps_its_backend_and_is_told_of_another(
    text, tmp_path, capsys, monkeypatch
):
    def train(name, **changes):
        # Of one step each, dispatches are one program.
        experiment = tiny(text, steps_per_dispatch=1, **changes)
        with backend.use(name):
            run = lstm_jax.train(experiment, tmp_path)
        folder = tmp_path / "checkpoints"
        kept = checkpoints.read_manifest(folder, run.steps[-1])["metadata"]["backend"]
        return kept, capsys.readouterr().err

    kept, told = train("scan", steps=6)
    assert kept == "scan"
    assert "backend: scan\n" in told
    assert "so far the backend was" not in told
    kept, told = train("auto", steps=12)
    assert kept == f"native {native_library.instruction_set()}"
    assert f"backend: native ({native_library.describe()})\n" in told
    assert "so far the backend was scan: " in told
    kept, told = train("auto", steps=15)
    assert "so far the backend was" not in told
    monkeypatch.setattr(native_library, "instruction_set", lambda: "other")
    kept, told = train("auto", steps=18)
    assert "so far the backend was native " in told
    assert kept == "native other"
