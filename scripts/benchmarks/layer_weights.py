"""The parameters of one recurrent layer, and where each library keeps them. Needs NumPy alone."""

from typing import NamedTuple

import numpy as np

GATES = {"LSTM": "ifgo", "GRU": "rzn"}
"""The gates of each cell, in the order of `Weights`, of lstm_jax and of PyTorch."""


class Weights(NamedTuple):
    """The parameters of an LSTM or of a GRU in no library's layout, gates in the order of `GATES`.

    A GRU is that of cuDNN: its reset gate multiplies the recurrent product and a bias of its own.
    """

    input: np.ndarray
    """[input, gates, hidden]"""
    recurrent: np.ndarray
    """[hidden, gates, hidden]"""
    bias: np.ndarray
    """[gates, hidden]"""
    recurrent_bias: np.ndarray | None = None
    """[hidden]: that of a GRU's candidate, inside the reset gate's product; an LSTM has none."""

    @property
    def cell(self) -> str:
        """Whose parameters they are: a key of `GATES`."""
        return "LSTM" if self.recurrent_bias is None else "GRU"

    @property
    def hidden(self) -> int:
        """Units of the layer."""
        return self.bias.shape[-1]


def make_weights(cell: str, input_size: int, hidden: int, seed: int = 0) -> Weights:
    """Uniform random weights, scaled as PyTorch scales those of its recurrent layers."""
    random = np.random.default_rng(seed)
    scale, gates = hidden**-0.5, len(GATES[cell])
    shapes = [(input_size, gates, hidden), (hidden, gates, hidden), (gates, hidden)]
    if cell == "GRU":
        shapes.append((hidden,))
    return Weights(*(random.uniform(-scale, scale, shape).astype(np.float32) for shape in shapes))


def lstm_jax_params(weights: Weights) -> dict[str, np.ndarray]:
    """The weights as the cells of `lstm_jax.cells` name them."""
    gates = weights.bias.size
    params = {
        "input_kernel": weights.input.reshape(-1, gates),
        "recurrent_kernel": weights.recurrent.reshape(-1, gates),
        "bias": weights.bias.reshape(-1),
    }
    own = weights.recurrent_bias
    return params if own is None else params | {"recurrent_bias": own}


def linen_params(weights: Weights) -> dict[str, dict[str, np.ndarray]]:
    """The weights as `flax.linen.OptimizedLSTMCell` and `flax.linen.GRUCell` name them."""
    params: dict[str, dict[str, np.ndarray]] = {}
    own = weights.recurrent_bias
    for index, gate in enumerate(GATES[weights.cell]):
        params[f"i{gate}"] = {"kernel": weights.input[:, index]}
        params[f"h{gate}"] = {"kernel": weights.recurrent[:, index]}
        # The LSTM adds the bias to the recurrent product, the GRU to that of the inputs.
        params[f"h{gate}" if own is None else f"i{gate}"]["bias"] = weights.bias[index]
    if own is not None:
        params["hn"]["bias"] = own
    return params


def torch_params(weights: Weights, layer: int = 0) -> dict[str, np.ndarray]:
    """The weights as `torch.nn.LSTM` and `torch.nn.GRU` name those of layer number `layer`."""
    gates = weights.bias.size
    return {
        f"weight_ih_l{layer}": weights.input.reshape(-1, gates).T,
        f"weight_hh_l{layer}": weights.recurrent.reshape(-1, gates).T,
        f"bias_ih_l{layer}": weights.bias.reshape(-1),
        f"bias_hh_l{layer}": second_bias(weights),
    }


def second_bias(weights: Weights) -> np.ndarray:
    """[gates * hidden]: a bias of the recurrent product for libraries that have one of every gate.

    It is the candidate's of a GRU, which comes last, and zero elsewhere.
    """
    bias = np.zeros(weights.bias.size, np.float32)
    if weights.recurrent_bias is not None:
        bias[-weights.hidden :] = weights.recurrent_bias
    return bias
