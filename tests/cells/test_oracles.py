"""The cells against other implementations, with copied weights, and against equations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.experimental.rnn import lstm_ref

from lstm_jax import recurrence
from lstm_jax.cells import GRU, LSTM, LSTMCarry, SimpleRNN
from tests.reference import BATCH, INPUT, assert_close, params_of, problem, scan

HIDDEN = 3
TOLERANCE = 1e-6


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def sequences(cell, seed=0):
    """Random parameters, inputs and carry, in float32, without padding."""
    given = jax.tree.map(np.asarray, problem(cell, seed=seed))
    return dict(given.params), np.nan_to_num(given.inputs), given.carry


def loop(step, carry, inputs):
    """Outputs and last carry of `step(carry, inputs_t) -> (carry, output)`."""
    outputs = []
    for inputs_t in inputs:
        carry, output = step(carry, inputs_t)
        outputs.append(output)
    return np.stack(outputs), carry


def lstm_ref_weights(layers):
    """JAX's layout: [4 hidden, input], and two biases of which the second is left at zero."""
    return (
        {n: params["input_kernel"].T for n, params in enumerate(layers)},
        {n: params["recurrent_kernel"].T for n, params in enumerate(layers)},
        {n: params["bias"] for n, params in enumerate(layers)},
        {n: np.zeros_like(params["bias"]) for n, params in enumerate(layers)},
    )


bidirectional = jax.jit(recurrence.bidirectional, static_argnums=0)


def test_lstm_equals_lstm_ref_on_ragged_sequences():
    cell = LSTM(hidden=HIDDEN)
    params, inputs, carry = sequences(cell)
    lengths = np.array([6, 5, 4, 1, 3], np.int32)

    first = jax.tree.map(lambda leaf: leaf[None], carry)
    static = (INPUT, HIDDEN, 1, 0.0, False)
    weights = lstm_ref_weights([params])
    expected, hidden, memory = lstm_ref(
        inputs.transpose(1, 0, 2), *first, *weights, lengths, *static
    )
    actual = scan(cell, params, inputs, carry, lengths=lengths)
    final = type(carry)(hidden=hidden[0], cell=memory[0])
    assert_close(actual, (expected.transpose(1, 0, 2), final), TOLERANCE)


def test_two_bidirectional_lstms_equal_lstm_ref():
    cell = LSTM(hidden=HIDDEN)
    _, inputs, _ = sequences(cell)
    random = np.random.default_rng(0)
    sizes = (INPUT, INPUT, 2 * HIDDEN, 2 * HIDDEN)
    layers = [
        jax.tree.map(np.asarray, params_of(cell, size, seed)) for seed, size in enumerate(sizes)
    ]
    carries = random.normal(size=(2, 4, BATCH, HIDDEN)).astype(np.float32)
    lengths = np.array([2, 6, 4, 1, 3], np.int32)
    expected, *finals = lstm_ref(
        inputs.transpose(1, 0, 2),
        *carries,
        *lstm_ref_weights(layers),
        lengths,
        INPUT,
        HIDDEN,
        2,
        0.0,
        True,
    )

    outputs, actual_finals = inputs, []
    for first in (0, 2):
        outputs, pair = bidirectional(
            (cell, cell),
            (layers[first], layers[first + 1]),
            outputs,
            (LSTMCarry(*carries[:, first]), LSTMCarry(*carries[:, first + 1])),
            lengths=lengths,
        )
        actual_finals += pair
    actual_finals = [np.stack(leaves) for leaves in zip(*actual_finals, strict=True)]
    assert_close(outputs, expected.transpose(1, 0, 2), TOLERANCE)
    assert_close(actual_finals, finals, TOLERANCE)


@pytest.mark.parametrize("forget_bias", [0.0, 1.0])
def test_lstm_equals_flax_optimized_lstm_cell(forget_bias):
    cell = LSTM(hidden=HIDDEN, forget_bias=forget_bias)
    params, inputs, carry = sequences(cell)
    oracle = nnx.OptimizedLSTMCell(INPUT, HIDDEN, rngs=nnx.Rngs(0))
    oracle.dense_i.kernel = nnx.Param(params["input_kernel"])
    oracle.dense_h.kernel = nnx.Param(params["recurrent_kernel"])
    oracle.dense_h.bias = nnx.Param(params["bias"])
    expected, (memory, hidden) = loop(jax.jit(oracle.__call__), (carry.cell, carry.hidden), inputs)
    actual = scan(cell, params, inputs, carry)
    assert_close(actual, (expected, type(carry)(hidden=hidden, cell=memory)), TOLERANCE)


def test_gru_equals_flax_gru_cell():
    cell = GRU(hidden=HIDDEN)
    params, inputs, carry = sequences(cell)
    params["recurrent_bias"] = np.zeros(HIDDEN, np.float32)  # Flax's has none
    oracle = nnx.GRUCell(INPUT, HIDDEN, rngs=nnx.Rngs(0))
    oracle.dense_i.kernel = nnx.Param(params["input_kernel"])
    oracle.dense_i.bias = nnx.Param(params["bias"])
    oracle.dense_h.kernel = nnx.Param(params["recurrent_kernel"])
    expected, hidden = loop(jax.jit(oracle.__call__), carry.hidden, inputs)
    assert_close(scan(cell, params, inputs, carry), (expected, type(carry)(hidden)), TOLERANCE)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_simple_rnn_equals_flax_simple_cell(activation):
    cell = SimpleRNN(hidden=HIDDEN, activation=activation)
    params, inputs, carry = sequences(cell)
    function = {"tanh": jnp.tanh, "relu": nnx.relu}[activation]
    oracle = nnx.SimpleCell(INPUT, HIDDEN, activation_fn=function, rngs=nnx.Rngs(0))
    oracle.dense_i.kernel = nnx.Param(params["input_kernel"])
    oracle.dense_i.bias = nnx.Param(params["bias"])
    oracle.dense_h.kernel = nnx.Param(params["recurrent_kernel"])
    expected, hidden = loop(jax.jit(oracle.__call__), carry.hidden, inputs)
    assert_close(scan(cell, params, inputs, carry), (expected, type(carry)(hidden)), TOLERANCE)


def test_gru_equals_the_equations_of_pytorch():
    """docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html, with b_hr and b_hz at zero."""
    cell = GRU(hidden=HIDDEN)
    params, inputs, carry = sequences(cell)
    W = np.split(np.asarray(params["input_kernel"]), 3, axis=1)
    U = np.split(np.asarray(params["recurrent_kernel"]), 3, axis=1)
    b = np.split(np.asarray(params["bias"]), 3)
    b_hn = np.asarray(params["recurrent_bias"])

    def step(h, x):
        r = sigmoid(x @ W[0] + b[0] + h @ U[0])
        z = sigmoid(x @ W[1] + b[1] + h @ U[1])
        n = np.tanh(x @ W[2] + b[2] + r * (h @ U[2] + b_hn))
        h = (1 - z) * n + z * h
        return h, h

    expected, hidden = loop(step, np.asarray(carry.hidden), np.asarray(inputs))
    assert_close(scan(cell, params, inputs, carry), (expected, type(carry)(hidden)), TOLERANCE)


def test_peephole_lstm_equals_the_equations_of_gers_and_schmidhuber():
    cell = LSTM(hidden=HIDDEN, peepholes=True)
    params, inputs, carry = sequences(cell)
    W = np.split(np.asarray(params["input_kernel"]), 4, axis=1)
    U = np.split(np.asarray(params["recurrent_kernel"]), 4, axis=1)
    b = np.split(np.asarray(params["bias"]), 4)
    p_i, p_f, p_o = np.asarray(params["peepholes"])

    def step(carry, x):
        h, c = carry
        i = sigmoid(x @ W[0] + h @ U[0] + b[0] + p_i * c)
        f = sigmoid(x @ W[1] + h @ U[1] + b[1] + p_f * c)
        c = f * c + i * np.tanh(x @ W[2] + h @ U[2] + b[2])
        o = sigmoid(x @ W[3] + h @ U[3] + b[3] + p_o * c)
        h = o * np.tanh(c)
        return (h, c), h

    expected, final = loop(step, jax.tree.map(np.asarray, tuple(carry)), np.asarray(inputs))
    assert_close(scan(cell, params, inputs, carry), (expected, type(carry)(*final)), TOLERANCE)


def test_peepholes_begin_at_zero_and_change_nothing():
    plain, peephole = LSTM(hidden=HIDDEN), LSTM(hidden=HIDDEN, peepholes=True)
    params, inputs, carry = sequences(plain)
    zero = peephole.init(jax.random.key(0), INPUT)["peepholes"]
    actual = scan(peephole, params | {"peepholes": zero}, inputs, carry)
    assert_close(actual, scan(plain, params, inputs, carry), TOLERANCE)


@pytest.mark.parametrize("forget_bias", [0.0, 1.0, -2.5])
def test_forget_bias_is_where_the_bias_begins(forget_bias):
    bias = LSTM(hidden=2, forget_bias=forget_bias).init(jax.random.key(0), INPUT)["bias"]
    np.testing.assert_array_equal(bias, [0, 0, forget_bias, forget_bias, 0, 0, 0, 0])


@pytest.mark.parametrize("cell", [LSTM(hidden=5), GRU(hidden=5), SimpleRNN(hidden=5)])
def test_kernels_begin_as_the_papers_say(cell):
    """Orthogonal recurrent blocks (Saxe et al. 2014); input variance 1 / fan_in (LeCun 1998)."""
    params = cell.init(jax.random.key(0), input_size=400)
    blocks = np.split(np.asarray(params["recurrent_kernel"]), params["bias"].size // 5, axis=1)
    for block in blocks:
        np.testing.assert_allclose(block @ block.T, np.eye(5), atol=1e-5)
    kernel = np.asarray(params["input_kernel"])
    assert np.abs(kernel).max() < np.sqrt(3 / 400)
    np.testing.assert_allclose(kernel.var(), 1 / 400, rtol=0.1)
