"""One LSTM or GRU layer with given weights in Flax, Haiku and PyTorch.

Each library is imported where it is used: a process that measures one of them holds no other, and
Haiku and PyTorch need not be installed.
"""

import importlib
from typing import Any

import numpy as np

from scripts.benchmarks.layer_weights import Weights, linen_params, second_bias, torch_params
from scripts.benchmarks.timed_layer import Layer, jax_layer


def flax_linen_layer(weights: Weights, inputs: np.ndarray) -> Layer:
    """`flax.linen.RNN` of `flax.linen.OptimizedLSTMCell` or `flax.linen.GRUCell`."""
    from flax import linen

    cell = {"LSTM": linen.OptimizedLSTMCell, "GRU": linen.GRUCell}[weights.cell]
    layer = linen.RNN(cell(weights.hidden), time_major=True)
    params = {"params": {"cell": linen_params(weights)}}
    return jax_layer(layer.apply, params, inputs)


def flax_nnx_layer(weights: Weights, inputs: np.ndarray) -> Layer:
    """`flax.nnx.RNN` of a cell of `flax.nnx`, its state split off and differentiated."""
    from flax import nnx

    features, gates, hidden = weights.input.shape
    rngs = nnx.Rngs(0)
    if weights.cell == "LSTM":
        cell = nnx.OptimizedLSTMCell(features, hidden, rngs=rngs)
        assert cell.dense_h.bias is not None
        cell.dense_h.bias[...] = weights.bias.reshape(-1)
    else:
        cell = nnx.GRUCell(features, hidden, rngs=rngs)
        # It has no bias of its own in the reset gate's product, as all others have.
        cell.dense_h = nnx.Linear(hidden, gates * hidden, rngs=rngs)
        assert cell.dense_i.bias is not None
        assert cell.dense_h.bias is not None
        cell.dense_i.bias[...] = weights.bias.reshape(-1)
        cell.dense_h.bias[...] = second_bias(weights)
    cell.dense_i.kernel[...] = weights.input.reshape(features, -1)
    cell.dense_h.kernel[...] = weights.recurrent.reshape(hidden, -1)
    # A stream of random keys inside the layer, which it has by default, cannot be differentiated.
    definition, params = nnx.split(nnx.RNN(cell, time_major=True, rngs=False))
    carry = cell.initialize_carry(inputs.shape[1:], rngs)

    def apply(params: Any, inputs: Any) -> Any:
        return nnx.merge(definition, params)(inputs, initial_carry=carry)

    return jax_layer(apply, params, inputs)


def haiku_lstm_layer(weights: Weights, inputs: np.ndarray) -> Layer:
    """`haiku.dynamic_unroll(haiku.LSTM)`."""
    haiku: Any = importlib.import_module("haiku")

    hidden = weights.hidden

    def unroll(inputs: Any) -> Any:
        core = haiku.LSTM(hidden)
        return haiku.dynamic_unroll(core, inputs, core.initial_state(inputs.shape[1]))[0]

    order = [0, 2, 1, 3]  # i, g, f, o
    kernel = np.concatenate([weights.input, weights.recurrent])[:, order].reshape(-1, 4 * hidden)
    haiku_adds = np.array([[0], [1], [0], [0]], np.float32)  # to the forget gate, at every step
    bias = weights.bias - haiku_adds
    params = {"lstm/linear": {"w": kernel, "b": bias[order].reshape(-1)}}
    model = haiku.without_apply_rng(haiku.transform(unroll))
    return jax_layer(model.apply, params, inputs)


def torch_layer(weights: Weights, inputs: np.ndarray) -> Layer:
    """`torch.nn.LSTM` or `torch.nn.GRU`."""
    torch: Any = importlib.import_module("torch")

    layer = getattr(torch.nn, weights.cell)(len(weights.input), weights.hidden)
    state = torch_params(weights)
    layer.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    params = list(layer.parameters())
    constant = torch.from_numpy(inputs)
    variable = constant.clone().requires_grad_()

    def forward() -> Any:
        with torch.inference_mode():
            return layer(constant)[0]

    def training() -> Any:
        loss = layer(variable)[0].square().sum()
        *gradients, input_gradient = torch.autograd.grad(loss, [*params, variable])
        return loss.detach(), (gradients, input_gradient)

    return Layer(forward, training)
