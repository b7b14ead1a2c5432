"""The kernel with each instruction set that this machine has."""

import inspect
import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

from lstm_jax.errors import ConfigError
from lstm_jax.recurrence import native_library
from tests.needs import needs_kernel
from tests.processes import PATIENCE, ROOT

pytestmark = needs_kernel

_LAYER_ALONE = """
import os, sys, time
import jax, numpy as np
from lstm_jax import recurrence
from lstm_jax.recurrence import native_library
from lstm_jax.cells import LSTM
from tests.reference import params_of
cell, inputs = LSTM(hidden=128), np.ones((50, 32, 128), np.float32)
params = params_of(cell, 128)
train = jax.jit(jax.grad(lambda *given: recurrence.scan(cell, *given)[0].sum()))
for name in sys.argv[1:]:
    os.environ["LSTM_JAX_INSTRUCTION_SET"] = name
    native_library._kernel.cache_clear()  # the kernel is loaded as by a process of its own
    assert native_library.why_not_built() is None
    times = []
    for _ in range(12):
        start = time.perf_counter()
        gradients = jax.block_until_ready(train(params, inputs))
        times.append(time.perf_counter() - start)
    norm = sum(float(np.square(leaf).sum()) for leaf in jax.tree.leaves(gradients))
    print(native_library.instruction_set(), min(times), norm)
"""


def layer_alone(instruction_sets: list[str]) -> list[tuple[str, float, float]]:
    """The gradients of a layer, on one thread of a process.

    Returns:
        Of each instruction set: that which was used, the least seconds a call took, and the squared
        norm.
    """
    chosen = {
        "LSTM_JAX_NUM_THREADS": "1",
        "LSTM_JAX_BACKEND": "native",
        "JAX_PLATFORMS": "cpu",
    }
    ended = subprocess.run(
        [sys.executable, "-c", _LAYER_ALONE, *instruction_sets],
        env=os.environ | chosen,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert ended.returncode == 0, ended.stderr
    lines = map(str.split, ended.stdout.splitlines())
    return [(used, float(seconds), float(norm)) for used, seconds, norm in lines]


def test_wider_vectors_are_not_slower():
    names = native_library.instruction_sets()
    used, seconds, norms = zip(*layer_alone(names), strict=True)
    assert list(used) == names
    np.testing.assert_allclose(norms, norms[0], rtol=1e-5)
    # They are up to twice as fast; with tiles that are not in the registers, 4 times as slow.
    for narrow, wide in itertools.pairwise(seconds):
        assert wide < 1.2 * narrow, dict(zip(names, seconds, strict=True))


def test_an_instruction_set_that_is_not_there_is_refused(monkeypatch):
    choice = ", ".join(native_library.instruction_sets())
    monkeypatch.setenv("LSTM_JAX_INSTRUCTION_SET", "avx1024")
    monkeypatch.setattr(native_library, "_kernel", inspect.unwrap(native_library._kernel))
    refusal = f"LSTM_JAX_INSTRUCTION_SET is 'avx1024'; this machine has {choice}"
    with pytest.raises(ConfigError, match=refusal):
        native_library.why_not_built()
