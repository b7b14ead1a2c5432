"""A layer that is no recurrence of a cell: attention to the last steps, whose carry is a cache."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import lstm_jax
from lstm_jax.cells import GRU
from lstm_jax.errors import ConfigError
from lstm_jax.modules import Dense, LayerConfig, Stack, merge, recurrent_layers, split
from tests.reference import drawn
from tests.runs import assert_same_run, tiny


class Cache(NamedTuple):
    """The last steps that were read, and which of them there are."""

    steps: Any
    """[batch, memory, features]"""
    valid: Any
    """bool [batch, memory]"""


class Attention(nnx.Module):
    """Each step attends to itself and to the steps before it, `memory` in all."""

    why_not_streamed = None

    def __init__(self, memory: int, input_size: int, features: int, rngs: nnx.Rngs):
        self.memory, self.features, self.input_size = memory, features, input_size
        self.query = Dense(input_size, input_size, rngs)
        self.value = Dense(input_size, features, rngs)

    def initial_carry(self, batch_size: int) -> Cache:
        shape = (batch_size, self.memory)
        return Cache(jnp.zeros((*shape, self.input_size)), jnp.zeros(shape, bool))

    def __call__(self, inputs, carry=None, key=None, *, lengths=None, resets=None):
        assert lengths is None
        carry = self.initial_carry(inputs.shape[1]) if carry is None else carry
        time, batch, _ = inputs.shape
        resets = jnp.zeros((time, batch), bool) if resets is None else resets
        # What is before a reset belongs to another stretch than what comes from it on.
        stretch = jnp.cumsum(resets, axis=0).T
        before = jnp.where(carry.valid, 0, -1)
        stretches = jnp.concatenate([before, stretch], axis=1)
        steps = jnp.concatenate([carry.steps, jnp.moveaxis(inputs, 0, 1)], axis=1)
        places = jnp.arange(time)[:, None] + 1 + jnp.arange(self.memory)  # the last one is itself
        near, same = steps[:, places], stretches[:, places] == stretch[..., None]
        queries = jnp.moveaxis(self.query(inputs), 0, 1)
        scores = jnp.where(same, jnp.einsum("btf,btmf->btm", queries, near), -jnp.inf)
        mixed = jnp.einsum("btm,btmf->btf", jax.nn.softmax(scores), near)
        valid = stretches[:, -self.memory :] == stretch[:, -1:]
        cache = Cache(steps[:, -self.memory :], valid)
        return self.value(jnp.moveaxis(mixed, 0, 1)), cache


@dataclasses.dataclass(frozen=True)
class Attending(LayerConfig):
    hidden: int = 4
    memory: int = 4

    def build(self, input_size: int, rngs: nnx.Rngs) -> Attention:
        return Attention(self.memory, input_size, self.hidden, rngs)


def test_it_is_the_same_however_a_stream_is_cut_and_ends_at_resets():
    cells = Attending(), GRU(hidden=3), Attending(memory=2)
    graph, params = split(drawn(lambda rngs: Stack(recurrent_layers(cells, 5, rngs))))

    @jax.jit
    def stack(inputs, carry, resets):
        return merge(graph, params)(inputs, carry, resets=resets)

    fresh = merge(graph, params).initial_carry(2)
    random = np.random.default_rng(0)
    inputs = random.normal(size=(22, 2, 5)).astype(np.float32)
    resets = random.random((22, 2)) < 0.2
    whole, _ = stack(inputs, fresh, resets)
    # A step is left over by the others: few lengths are compiled.
    for cut in (1, 3, 7):
        carry, parts = fresh, []
        for begin in range(0, 22, cut):
            part = slice(begin, begin + cut)
            outputs, carry = stack(inputs[part], carry, resets[part])
            parts.append(outputs)
        np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)
    first = np.flatnonzero(resets[:, 0])[1]
    again, _ = stack(inputs[first:], fresh, resets[first:])
    again, whole = np.asarray(again), np.asarray(whole)
    np.testing.assert_allclose(again[:, 0], whole[first:, 0], atol=1e-5)


def test_a_language_model_of_it_trains_resumes_streams_and_writes(text, tmp_path, monkeypatch):
    # Of one step each, dispatches are one program.
    plain = tiny(text, steps_per_dispatch=1)
    experiment = dataclasses.replace(
        plain, task=dataclasses.replace(plain.task, cell=(Attending(),))
    )
    run = lstm_jax.train(experiment, tmp_path / "whole")
    half = lstm_jax.override(experiment, {"epochs": 1})
    lstm_jax.train(half, tmp_path / "half")
    lstm_jax.train(experiment, tmp_path / "half")
    assert_same_run(tmp_path / "half", tmp_path / "whole")
    figures = [
        run.evaluate("test", changes={"data.evaluation_window": size})["nats_per_token"]
        for size in (1, 7, 200)
    ]
    assert figures == pytest.approx([figures[0]] * 3, rel=1e-5)
    assert len(run.generate("so we", length=9)) == len("so we") + 9


def test_what_a_layer_has_not_is_refused():
    for wrong in ({"bidirectional": True}, {"weight_drop": 0.1}):
        with pytest.raises(ConfigError, match="Attending has no direction and no recurrent kernel"):
            recurrent_layers([Attending()], 5, nnx.Rngs(0), **wrong)
