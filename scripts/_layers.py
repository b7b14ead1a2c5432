"""One LSTM layer, built with the same weights in lstm_jax, Flax, Haiku and PyTorch.

Each library is imported where it is used: a process that measures one of them holds no other, and
Haiku and PyTorch need not be installed.
"""

import functools
import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Shape = tuple[int, int, int, int]
"""Time, batch, input, hidden."""


class Weights(NamedTuple):
    """An LSTM's parameters in no library's layout; gates in the order i, f, g, o."""

    input: np.ndarray
    """[input, 4, hidden]"""
    recurrent: np.ndarray
    """[hidden, 4, hidden]"""
    bias: np.ndarray
    """[4, hidden]"""


class Layer(NamedTuple):
    """An LSTM layer of some library with its inputs. A call returns when its results are there."""

    forward: Callable[[], Any]
    """Outputs [time, batch, hidden]."""
    training: Callable[[], Any]
    """Loss, and the gradients of (parameters, inputs)."""


def make_weights(input_size: int, hidden: int, seed: int = 0) -> Weights:
    """Uniform random weights, scaled as PyTorch's `nn.LSTM` scales them."""
    random = np.random.default_rng(seed)
    scale = hidden**-0.5
    shapes = (input_size, 4, hidden), (hidden, 4, hidden), (4, hidden)
    return Weights(*(random.uniform(-scale, scale, shape).astype(np.float32) for shape in shapes))


def make_inputs(shape: Shape) -> np.ndarray:
    """Standard normal inputs [time, batch, input]."""
    return np.random.default_rng(1).standard_normal(shape[:3], dtype=np.float32)


def lstm_jax_params(weights: Weights) -> dict[str, np.ndarray]:
    """The weights as `lstm_jax.cells.LSTM` names them."""
    gates = 4 * weights.bias.shape[-1]
    return {
        "input_kernel": weights.input.reshape(-1, gates),
        "recurrent_kernel": weights.recurrent.reshape(-1, gates),
        "bias": weights.bias.reshape(-1),
    }


def linen_params(weights: Weights) -> dict[str, dict[str, np.ndarray]]:
    """The weights as `flax.linen.OptimizedLSTMCell` names them."""
    params: dict[str, dict[str, np.ndarray]] = {}
    for index, gate in enumerate("ifgo"):
        params[f"i{gate}"] = {"kernel": weights.input[:, index]}
        params[f"h{gate}"] = {
            "kernel": weights.recurrent[:, index],
            "bias": weights.bias[index],
        }
    return params


def torch_params(weights: Weights, layer: int = 0) -> dict[str, np.ndarray]:
    """The weights as `torch.nn.LSTM` names those of layer number `layer`."""
    gates = 4 * weights.bias.shape[-1]
    return {
        f"weight_ih_l{layer}": weights.input.reshape(-1, gates).T,
        f"weight_hh_l{layer}": weights.recurrent.reshape(-1, gates).T,
        f"bias_ih_l{layer}": weights.bias.reshape(-1),
        f"bias_hh_l{layer}": np.zeros(gates, np.float32),
    }


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
    from lstm_jax import backend, recurrence
    from lstm_jax.cells import LSTM

    cell = LSTM(hidden=weights.bias.shape[-1])

    def apply(params: Any, inputs: Any) -> Any:
        with backend.use(chosen):
            return recurrence.scan(cell, params, inputs)[0]

    return _jax_layer(apply, lstm_jax_params(weights), inputs)


def flax_linen_layer(weights: Weights, inputs: np.ndarray) -> Layer:
    """`flax.linen.RNN(flax.linen.OptimizedLSTMCell)`."""
    from flax import linen

    layer = linen.RNN(linen.OptimizedLSTMCell(weights.bias.shape[-1]), time_major=True)
    params = {"params": {"cell": linen_params(weights)}}
    return _jax_layer(layer.apply, params, inputs)


def flax_nnx_layer(weights: Weights, inputs: np.ndarray) -> Layer:
    """`flax.nnx.RNN(flax.nnx.OptimizedLSTMCell)`, its state split off and differentiated."""
    from flax import nnx

    features, _, hidden = weights.input.shape
    cell = nnx.OptimizedLSTMCell(features, hidden, rngs=nnx.Rngs(0))
    cell.dense_i.kernel[...] = weights.input.reshape(-1, 4 * hidden)
    cell.dense_h.kernel[...] = weights.recurrent.reshape(-1, 4 * hidden)
    assert cell.dense_h.bias is not None
    cell.dense_h.bias[...] = weights.bias.reshape(-1)
    # A stream of random keys inside the layer, which it has by default, cannot be differentiated.
    definition, params = nnx.split(nnx.RNN(cell, time_major=True, rngs=False))
    carry = cell.initialize_carry(inputs.shape[1:], nnx.Rngs(0))

    def apply(params: Any, inputs: Any) -> Any:
        return nnx.merge(definition, params)(inputs, initial_carry=carry)

    return _jax_layer(apply, params, inputs)


def haiku_layer(weights: Weights, inputs: np.ndarray) -> Layer:
    """`haiku.dynamic_unroll(haiku.LSTM)`."""
    haiku: Any = importlib.import_module("haiku")

    hidden = weights.bias.shape[-1]

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
    """`torch.nn.LSTM`."""
    torch: Any = importlib.import_module("torch")

    features, _, hidden = weights.input.shape
    layer = torch.nn.LSTM(features, hidden)
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
    "haiku": haiku_layer,
    "torch": torch_layer,
}


def build(implementation: str, shape: Shape) -> Layer:
    """A layer with the weights and inputs that all implementations share."""
    return LAYERS[implementation](make_weights(*shape[2:]), make_inputs(shape))
