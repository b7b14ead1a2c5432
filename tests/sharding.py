"""A recurrent layer whose batch is shared out over two devices, in a process that has them."""

import subprocess
import sys

from tests.compiled import devices

_SCRIPT = """
import jax, jax.numpy as jnp, pytest
from jax.sharding import PartitionSpec as P
from lstm_jax import backend, recurrence
from lstm_jax.cells import LSTM
from lstm_jax.errors import ConfigError
{setup}
cell = LSTM(hidden=5)
params = cell.init(jax.random.key(0), 3)
inputs = jax.random.normal(jax.random.key(1), (4, 6, 3))
mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
loss = lambda params, inputs: (recurrence.scan(cell, params, inputs)[0] ** 2).sum()
def gradients(**options):
    part = lambda params, inputs: jax.lax.psum(loss(params, inputs), "data")
    specs = {{"in_specs": (P(), P(None, "data")), "out_specs": P()}}
    return jax.jit(jax.grad(jax.shard_map(part, mesh=mesh, **specs, **options)))(params, inputs)
with backend.use("{backend}"):
    found = gradients(check_vma=False)
    expected = jax.jit(jax.grad(loss))(params, inputs)
    differences = jax.tree.map(lambda x, y: float(jnp.abs(x - y).max()), found, expected)
    print(max(jax.tree.leaves(differences)) < 1e-5)
    try:
        gradients()
    except ConfigError as error:
        print(error)
"""


def refusal_under_shard_map(backend: str, setup: str = "") -> str:
    """Makes sure that a backend's gradients are right with `check_vma=False`.

    Returns what it says without. `setup` is run first.
    """
    script = _SCRIPT.format(backend=backend, setup=setup)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=devices(2), timeout=120
    )
    good, told = done.stdout.splitlines() or [done.stderr, ""]
    assert good == "True"
    return told
