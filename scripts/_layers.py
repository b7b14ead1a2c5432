"""One LSTM or GRU layer, built with the same weights in lstm_jax, Flax, Haiku and PyTorch.

Each library is imported where it is used: a process that measures one of them holds no other, and
Haiku and PyTorch need not be installed.
"""

import functools
import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from _weights import (
    Weights,
    linen_params,
    lstm_jax_params,
    make_weights,
    second_bias,
    torch_params,
)

Shape = tuple[int, int, int, int]
"""Time, batch, input, hidden."""


class Layer(NamedTuple):
    """A layer of some library with its inputs. A call returns when its results are there."""

    forward: Callable[[], Any]
    """Outputs [time, batch, hidden]."""
    training: Callable[[], Any]
    """Loss, and the gradients of (parameters, inputs)."""


def make_inputs(shape: Shape) -> np.ndarray:
    """Standard normal inputs [time, batch, input]."""
    return np.random.default_rng(1).standard_normal(shape[:3], dtype=np.float32)


def _jax_layer(apply: Callable[[Any, Any], Any], params: Any, inputs: np.ndarray) -> Layer:
    """A layer from `apply(params, inputs) -> outputs`, compiled by `jax.jit`."""
    import jax
    import jax.numpy as jnp

    def loss(params: Any, inputs: Any) -> Any:
        return jnp.sum(jnp.square(apply(params, inputs)))

    params, device_inputs = jax.device_put((params, inputs))
    forward = jax.jit(apply)
    training = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    return Layer(
        forward=lambda: jax.block_until_ready(forward(params, device_inputs)),
        training=lambda: jax.block_until_ready(training(params, device_inputs)),
    )


def lstm_jax_layer(chosen: Any, weights: Weights, inputs: np.ndarray) -> Layer:
    """`lstm_jax.recurrence.scan` under a backend."""
    from lstm_jax import backend, cells, recurrence

    cell = {"LSTM": cells.LSTM, "GRU": cells.GRU}[weights.cell](hidden=weights.hidden)

    def apply(params: Any, inputs: Any) -> Any:
        with backend.use(chosen):
            return recurrence.scan(cell, params, inputs)[0]

    return _jax_layer(apply, lstm_jax_params(weights), inputs)


def flax_linen_layer(weights: Weights, inputs: np.ndarray) -> Layer:
    """`flax.linen.RNN` of `flax.linen.OptimizedLSTMCell` or `flax.linen.GRUCell`."""
    from flax import linen

    cell = {"LSTM": linen.OptimizedLSTMCell, "GRU": linen.GRUCell}[weights.cell]
    layer = linen.RNN(cell(weights.hidden), time_major=True)
    params = {"params": {"cell": linen_params(weights)}}
    return _jax_layer(layer.apply, params, inputs)


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

    return _jax_layer(apply, params, inputs)


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
    return _jax_layer(model.apply, params, inputs)


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


LAYERS: dict[str, Callable[[Weights, np.ndarray], Layer]] = {
    "lstm_jax_native": functools.partial(lstm_jax_layer, "native"),
    "lstm_jax_scan": functools.partial(lstm_jax_layer, "scan"),
    "flax_linen": flax_linen_layer,
    "flax_nnx": flax_nnx_layer,
    "haiku": haiku_lstm_layer,
    "torch": torch_layer,
}

UNFIT = {
    "LSTM": {},
    "GRU": {"haiku": "haiku.GRU computes otherwise: it resets before the recurrent product"},
}
"""By cell, the implementations that cannot take part, and why."""


def build(cell: str, implementation: str, shape: Shape) -> Layer:
    """A layer with the weights and inputs that all implementations share."""
    return LAYERS[implementation](make_weights(cell, *shape[2:]), make_inputs(shape))
