"""A recurrent layer whose batch is shared out over two devices, in a process that has them."""

import subprocess
import sys

from lstm_jax.recurrence import native_library
from tests.compiled import devices

_SCRIPT = """
import functools, sys, jax, numpy as np, pytest
from jax.sharding import PartitionSpec as P
from lstm_jax import backend, recurrence
from lstm_jax.cells import LSTM
from lstm_jax.errors import ConfigError
from tests.recurrence.test_cudnn import stand_in
from tests.reference import params_of

cell = LSTM(hidden=5)
params = params_of(cell, 3)
inputs = np.random.default_rng(1).normal(size=(4, 6, 3)).astype(np.float32)
mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))

def loss(params, inputs):
    return (recurrence.scan(cell, params, inputs)[0] ** 2).sum()

def gradients(**options):
    part = lambda params, inputs: jax.lax.psum(loss(params, inputs), "data")
    specs = {"in_specs": (P(), P(None, "data")), "out_specs": P()}
    return jax.jit(jax.grad(jax.shard_map(part, mesh=mesh, **specs, **options)))(params, inputs)

stand_in(pytest.MonkeyPatch())
for name in sys.argv[1:]:
    with backend.use(name):
        found = gradients(check_vma=False)
        expected = jax.jit(jax.grad(loss))(params, inputs)
        close = functools.partial(np.testing.assert_allclose, atol=1e-5, rtol=0)
        jax.tree.map(close, found, expected)
        try:
            gradients()
        except ConfigError as error:
            print(error)
"""


TOLD = {
    "native": "under jax.shard_map the kernel needs check_vma=False",
    "cudnn": "under jax.shard_map cuDNN needs check_vma=False",
}


def test_under_shard_map_the_gradients_are_right_or_refused():
    # All in one process, which takes longer to start than they do.
    names = [name for name in TOLD if name != "native" or not native_library.why_not_built()]
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, *names],
        capture_output=True,
        text=True,
        env=devices(2),
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    for name, line in zip(names, done.stdout.splitlines(), strict=True):
        assert TOLD[name] in line
