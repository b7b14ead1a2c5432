"""A cell may learn the carry that it starts from, at the first step and after every reset."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lstm_jax import recurrence
from lstm_jax.cells import SimpleRNN
from lstm_jax.cells.simple import SimpleCarry
from lstm_jax.modules import Recurrent
from tests.reference import BATCH, INPUT, TIME, assert_close


@dataclasses.dataclass(frozen=True)
class LearnedStart(SimpleRNN):
    """A simple network whose first hidden vector is a parameter."""

    def init(self, key: Any, input_size: int) -> dict[str, jax.Array]:
        return super().init(key, input_size) | {"start": jnp.linspace(-0.5, 0.7, self.hidden)}

    def initial_carry(self, batch_size: int, dtype: Any = jnp.float32, params: Any = None) -> Any:
        start = jnp.zeros(self.hidden) if params is None else params["start"]
        return SimpleCarry(jnp.broadcast_to(start.astype(dtype), (batch_size, self.hidden)))


CELL = LearnedStart(hidden=3)
PARAMS = CELL.init(jax.random.key(0), INPUT)
RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(TIME, BATCH, INPUT)).astype(np.float32)
RESETS = RANDOM.random((TIME, BATCH)) < 0.3
WEIGHTS = RANDOM.normal(size=(TIME, BATCH, CELL.hidden)).astype(np.float32)


def by_hand(params: Any) -> jax.Array:
    hidden = CELL.initial_carry(BATCH, params=params).hidden
    outputs = []
    for inputs, resets in zip(INPUTS, RESETS, strict=True):
        hidden = jnp.where(resets[:, None], params["start"], hidden)
        affine = inputs @ params["input_kernel"] + params["bias"]
        hidden = jnp.tanh(affine + hidden @ params["recurrent_kernel"])
        outputs.append(hidden)
    return (jnp.stack(outputs) * WEIGHTS).sum()


def test_its_gradient_comes_from_the_start_and_from_every_reset():
    def scanned(params: Any) -> jax.Array:
        outputs, _ = recurrence.scan(CELL, params, jnp.asarray(INPUTS), resets=jnp.asarray(RESETS))
        return (outputs * WEIGHTS).sum()

    found = jax.jit(jax.value_and_grad(scanned))(PARAMS)
    expected = jax.jit(jax.value_and_grad(by_hand))(PARAMS)
    assert_close(found, expected, 1e-5)
    assert np.abs(found[1]["start"]).min() > 1e-3


def test_a_layer_makes_its_carry_of_its_parameters():
    layer = Recurrent(CELL, INPUT, nnx.Rngs(0))
    carry = layer.initial_carry(BATCH)
    np.testing.assert_array_equal(carry.hidden, np.tile(layer.start[...], (BATCH, 1)))
