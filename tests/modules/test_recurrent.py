import functools
import itertools
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx

from lstm_jax import recurrence
from lstm_jax.cells import GRU, LSTM, SimpleRNN
from lstm_jax.errors import ConfigError
from lstm_jax.functional.dropouts import dropout, variational_dropout
from lstm_jax.modules import Bidirectional, Recurrent, Stack, merge, split
from tests.cells.table import MatrixMemory
from tests.reference import (
    BATCH,
    INPUT,
    TIME,
    Noise,
    array,
    assert_close,
    call,
    drawn,
    problem,
    scan,
    stack_of,
)

KEY = jax.random.key(7)
CELLS = (LSTM(hidden=3), MatrixMemory(hidden=4), GRU(hidden=6))
QUIET = Noise()


def random(*shape: int) -> jax.Array:
    return array(np.random.default_rng(sum(shape)).normal(size=shape), np.float32)


@functools.cache
def stack(noise: Noise = QUIET) -> tuple[Stack, jax.Array, Any]:
    """A stack of unlike cells, its inputs, and a carry for each layer."""
    carries = tuple(problem(cell).carry for cell in CELLS)
    return (
        drawn(lambda rngs: stack_of(CELLS, INPUT, noise, rngs)),
        random(TIME, BATCH, INPUT),
        carries,
    )


@functools.partial(jax.jit, static_argnames="noise")
def chain(params: Any, inputs: Any, carries: Any, keys: Any, noise: Noise = QUIET) -> Any:
    """What a stack does, by hand."""
    drop, rate, finals = variational_dropout if noise.variational else dropout, noise.dropout, []
    for cell, layer, carry, key in zip(CELLS, params, carries, keys[:-1], strict=True):
        inputs, final = recurrence.scan(cell, layer, drop(key, inputs, rate), carry)
        finals.append(final)
    return drop(keys[-1], inputs, rate), tuple(finals)


# ---- layers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", [LSTM(hidden=3), MatrixMemory(hidden=3)], ids=str)
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
def test_a_recurrent_layer_is_a_scan(cell, reverse):
    layer, given = Recurrent(cell, INPUT, nnx.Rngs(0)), problem(cell)
    assert_close(layer.params(), cell.init(nnx.Rngs(0).params(), INPUT), 0.0)
    flags = {"lengths": given.lengths, "resets": given.resets, "reverse": reverse}
    expected = scan(cell, layer.params(), given.inputs, given.carry, **flags)
    assert_close(call(layer, given.inputs, given.carry, **flags), expected, 1e-6)


def test_a_recurrent_layer_without_a_carry_starts_from_the_initial_one():
    cell = MatrixMemory(hidden=3)
    layer, inputs = drawn(lambda rngs: Recurrent(cell, INPUT, rngs)), random(TIME, BATCH, INPUT)
    assert_close(call(layer, inputs), call(layer, inputs, cell.initial_carry(BATCH)), 1e-6)


def test_a_stack_reads_from_below():
    model, inputs, carries = stack()
    params = [layer.params() for layer in model.layers]
    assert [layer["key_kernel"].shape for layer in params[1:2]] == [(3, 4)]
    assert params[2]["input_kernel"].shape == (4, 3 * 6)
    outputs, finals = call(model, inputs, carries)
    assert outputs.shape == (TIME, BATCH, 6)
    expected = chain(params, inputs, carries, [None] * 4)
    assert_close((outputs, finals), expected, 1e-6)


def test_options_reach_every_layer():
    model, inputs, carries = stack()
    resets = np.zeros((TIME, BATCH), bool)
    resets[0] = True
    initial = tuple(cell.initial_carry(BATCH) for cell in CELLS)
    params = [layer.params() for layer in model.layers]
    expected = chain(params, inputs, initial, [None] * 4)
    assert_close(call(model, inputs, carries, None, resets=resets), expected, 1e-6)


def test_a_stack_wants_a_carry_for_each_layer():
    model, inputs, carries = stack()
    with pytest.raises(ValueError, match="carries must be 3, one for each layer, got 2"):
        model(inputs, carries[:2])


def test_layers_start_from_parameters_of_their_own():
    model = stack_of((SimpleRNN(hidden=3), SimpleRNN(hidden=3)), 3, QUIET, nnx.Rngs(0))
    first, second = (layer.params() for layer in model.layers)
    first, second = (np.asarray(one["input_kernel"]) for one in (first, second))
    assert np.abs(first - second).max() > 0.1


# ---- dropout ------------------------------------------------------------------------------------


@pytest.mark.parametrize("variational", [False, True])
def test_dropout_falls_between_layers_and_at_both_ends(variational):
    noise = Noise(0.5, variational)
    model, inputs, carries = stack(noise)
    params = [layer.params() for layer in model.layers]
    keys = jax.random.split(KEY, len(CELLS) + 1)
    found = call(model, inputs, carries, KEY)
    assert_close(found, chain(params, inputs, carries, keys, noise), 1e-5)
    zero = np.asarray(found[0]) == 0
    assert 0.3 < zero.mean() < 0.7
    # Whether every step draws a mask of its own, or all have one.
    assert np.all(zero == zero[0]) == variational


def test_dropout_never_falls_on_a_recurrent_connection():
    # Deaf to its inputs, the layer sees nothing of what is dropped from them.
    cell = LSTM(hidden=3)
    model = drawn(lambda rngs: stack_of((cell,), INPUT, Noise(0.5), rngs))
    model.layers[0].input_kernel[...] = array(np.zeros((INPUT, 4 * cell.hidden)), np.float32)
    carries = (jax.tree.map(lambda leaf: np.asarray(leaf) + 0.5, cell.initial_carry(BATCH)),)
    inputs = random(TIME, BATCH, INPUT)
    kept, finals = call(model, inputs, carries)
    dropped, noisy_finals = call(model, inputs, carries, KEY)
    assert_close(noisy_finals, finals, 1e-6)
    zero = np.asarray(dropped) == 0
    assert 0.3 < zero.mean() < 0.7
    assert_close(dropped, np.where(zero, 0.0, 2 * np.asarray(kept)), 1e-6)


def test_without_a_key_nothing_is_dropped():
    model, inputs, carries = stack(Noise(0.5, variational=True))
    params = [layer.params() for layer in model.layers]
    expected = chain(params, inputs, carries, [None] * 4)
    assert_close(call(model, inputs, carries), expected, 1e-6)


# ---- both directions ----------------------------------------------------------------------------


def test_a_stack_may_read_from_both_ends():
    cells = (LSTM(hidden=3), MatrixMemory(hidden=4))
    model = drawn(lambda rngs: stack_of(cells, INPUT, QUIET, rngs, bidirectional=True))
    assert model.features == 8
    given = problem(cells[0])
    flags = {"lengths": given.lengths, "resets": given.resets}
    outputs, finals = given.inputs, []
    for cell, layer in zip(cells, model.layers, strict=True):
        forward, backward = (
            scan(cell, one.params(), outputs, None, **flags, reverse=reverse)
            for one, reverse in ((layer.forward, False), (layer.backward, True))
        )
        outputs = np.concatenate([forward[0], backward[0]], axis=-1)
        finals.append((forward[1], backward[1]))
    assert_close(call(model, given.inputs, **flags), (outputs, tuple(finals)), 1e-6)
    # The second layer reads both outputs of the first; no two directions share parameters.
    assert model.layers[1].forward.params()["key_kernel"].shape == (6, 4)
    first = model.layers[0]
    forward, backward = (
        np.asarray(one.input_kernel[...]) for one in (first.forward, first.backward)
    )
    assert np.all(forward != backward)


# ---- weight drop --------------------------------------------------------------------------------


def test_weight_drop_falls_on_the_recurrent_kernel_alone():
    layer = drawn(lambda rngs: Recurrent(LSTM(hidden=30), INPUT, rngs, weight_drop=0.5))
    whole, dropped, same = (jax.tree.map(np.asarray, layer.params(key)) for key in (None, KEY, KEY))
    assert_close(same, dropped, 0.0)
    kernel, thinned = whole.pop("recurrent_kernel"), np.asarray(dropped.pop("recurrent_kernel"))
    assert_close(dropped, whole, 0.0)
    assert 0.45 < np.mean(thinned == 0) < 0.55
    assert_close(thinned, np.where(thinned == 0, 0, 2 * kernel), 1e-6)


def test_the_same_weights_are_missing_at_every_step():
    cells = (LSTM(hidden=3), GRU(hidden=4))
    model = drawn(lambda rngs: stack_of(cells, INPUT, Noise(weight_drop=0.5), rngs))
    graph, params = split(model)
    run = jax.jit(lambda *given: merge(graph, params)(*given))
    inputs = np.asarray(random(2 * TIME, BATCH, INPUT))
    initial = tuple(cell.initial_carry(BATCH) for cell in cells)
    outputs, finals = run(inputs, initial, KEY)
    early, carries = run(inputs[:TIME], initial, KEY)
    late, last = run(inputs[TIME:], carries, KEY)
    assert_close((np.concatenate([early, late]), last), (outputs, finals), 1e-6)
    other = run(inputs, initial, jax.random.key(8))[0]
    plain = drawn(lambda rngs: stack_of(cells, INPUT, QUIET, rngs))
    quiet, unheard = run(inputs, initial)[0], call(plain, inputs, initial, KEY)[0]
    assert_close(quiet, unheard, 1e-6)
    outputs, other, quiet = map(np.asarray, (outputs, other, quiet))
    # Before the first step there is no hidden vector that a weight could act on.
    assert_close(outputs[0], quiet[0], 1e-6)
    for one, two in itertools.combinations((outputs, other, quiet), 2):
        assert np.abs(one - two)[-1].max() > 1e-3


def test_the_directions_miss_different_weights():
    # The same from both ends.
    half = np.asarray(random(TIME, BATCH, INPUT))
    inputs = np.concatenate([half, half[::-1]])
    for rate, alike in ((0.0, True), (0.5, False)):
        model = drawn(lambda rngs, rate=rate: Bidirectional(LSTM(hidden=3), INPUT, rngs, rate))
        for name in model.forward.names:
            getattr(model.backward, name)[...] = getattr(model.forward, name)[...]
        forward, backward = np.split(np.asarray(call(model, inputs, None, KEY)[0]), 2, -1)
        assert np.allclose(forward, backward[::-1], atol=1e-5) == alike


@pytest.mark.parametrize("bidirectional", [False, True])
def test_weight_drop_needs_a_recurrent_kernel(bidirectional):
    cells = (LSTM(hidden=3), MatrixMemory(hidden=2))
    with pytest.raises(ConfigError) as caught:
        drawn(lambda rngs: stack_of(cells, 2, Noise(weight_drop=0.1), rngs, bidirectional))
    assert str(caught.value) == "weight_drop needs a cell with a recurrent_kernel"


# ---- branches -----------------------------------------------------------------------------------


def test_branches_are_steps_from_the_same_carries() -> None:
    noise = Noise(weight_drop=0.5)
    cells = LSTM(hidden=3), GRU(hidden=6)
    layers = drawn(lambda rngs: stack_of(cells, INPUT, noise, rngs))
    carries = tuple(problem(cell).carry for cell in cells)
    kinds, kind = random(2, 5, INPUT), jax.numpy.arange(BATCH) % 2
    found = layers.branches(kinds, carries, KEY, kind)
    assert found.shape == (BATCH, 5, 6)
    for branch in range(5):
        outputs, _ = layers(kinds[kind, branch][None], carries, KEY)
        assert_close(found[:, branch], outputs[0], 1e-6)
    assert_close(layers.branches(kinds[kind], carries, KEY), found, 1e-6)
