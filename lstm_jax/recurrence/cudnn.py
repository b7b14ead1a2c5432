"""The loop over time as the LSTM of cuDNN, for NVIDIA's GPUs, by way of `jax.experimental.rnn`.

Its time was never measured, so "auto" does not choose it. JAX has neither second derivatives of it
nor `jax.vmap` over it.

Source: Appleyard et al. 2016, "Optimizing performance of recurrent neural networks on GPUs"; the
layout of the weights is that of `jax.experimental.rnn` and of `cudnnGetRNNWeightParams`.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.backend import get_backend
from jax.lax import Precision

from lstm_jax.cells import LSTM, Cell, LSTMCarry
from lstm_jax.functional.integers import valid_steps
from lstm_jax.types import Array, Carry, Params

try:
    from jax.experimental import rnn
except ImportError:  # experimental: a later JAX may be without it
    rnn = None

# cuDNN multiplies in TF32, where the GPU has it, or in float32. The former is what JAX does by
# default, in the scan too.
_PRECISIONS = dict.fromkeys([None, "default", "high", "tensorfloat32"], Precision.HIGH)
_PRECISIONS |= dict.fromkeys(["highest", "float32"], Precision.HIGHEST)
_CONFIG: Any = jax.config


def why_not_here() -> str | None:
    """Why cuDNN cannot be used on this machine; None if it can."""
    if rnn is None:
        return f"JAX {jax.__version__} has no jax.experimental.rnn"
    # JAX says "gpu" of AMD's, too.
    platform = jax.default_backend()
    version = get_backend().platform_version
    if platform not in ("gpu", "cuda") or "cuda" not in version:
        other = platform if platform != "gpu" else " ".join(version.split())
        return f"cuDNN runs on NVIDIA's GPUs, not on {other}"
    if not hasattr(getattr(rnn, "gpu_rnn", None), "compute_rnn_workspace_reserve_space_sizes"):
        return "jax.experimental.rnn finds no plugin for CUDA"
    return None


def why_not(cell: Cell, *arrays: Array, resets: Array | None = None) -> str | None:
    """Why cuDNN does not run this cell on arrays like these here; None if it does.

    `arrays` are the inputs [time, batch, input], the parameters and the carry.
    """
    if type(cell) is not LSTM or cell.peepholes:
        return f"cuDNN has no {cell}"
    if others := sorted({str(array.dtype) for array in arrays if array.dtype != np.float32}):
        return f"jax.experimental.rnn computes in float32, not in {', '.join(others)}"
    if resets is not None:
        return "cuDNN has no resets"
    if any(array.size == 0 for array in arrays):
        return "cuDNN takes no empty arrays"
    types: list[Any] = [jax.typeof(array) for array in arrays]
    if any(of.manual_axis_type.varying for of in types):
        # Its results would have to say which devices they vary over.
        return "under jax.shard_map cuDNN needs check_vma=False"
    if (precision := _CONFIG.jax_default_matmul_precision) not in _PRECISIONS:
        return f"cuDNN does not multiply in {precision} (jax_default_matmul_precision)"
    return why_not_here()


def scan(
    params: Params, inputs: Array, carry: Carry, lengths: Array | None, reverse: bool
) -> tuple[Array, Carry]:
    """`recurrence.scan` of an LSTM, where `why_not` is None; there is no NaN in the padding.

    Args:
        params: those of `LSTM`.
        inputs: [time, batch, input].
        carry: an `LSTMCarry`.
        lengths: [batch] in int32, or None.
        reverse: as `recurrence.scan` has it.

    Returns:
        The outputs [time, batch, hidden] and the final carry.
    """
    assert rnn is not None
    time, batch, features = inputs.shape
    if lengths is not None:
        # cuDNN refuses lengths that are out of range, and the scan does not.
        lengths = jnp.clip(lengths, 0, time)
    if reverse:
        inputs = _flip(inputs, lengths)
    results: Any = rnn.lstm(
        inputs.swapaxes(0, 1),
        carry.hidden[None],
        carry.cell[None],
        _pack(params),
        # cuDNN fails on sequences without steps (github.com/jax-ml/jax/issues/17966). They get one,
        # and below nothing comes of it.
        jnp.full(batch, time, jnp.int32) if lengths is None else jnp.maximum(lengths, 1),
        input_size=features,
        hidden_size=carry.hidden.shape[-1],
        num_layers=1,
        dropout=0.0,
        bidirectional=False,
        # Said here, for the backward pass may be traced where another one is the default.
        precision=_PRECISIONS[_CONFIG.jax_default_matmul_precision],
    )
    outputs, hidden, cell = results
    outputs, final = outputs.swapaxes(0, 1), LSTMCarry(hidden[0], cell[0])
    if reverse:
        outputs = _flip(outputs, lengths)
    if lengths is not None:
        # Selected and not multiplied: what cuDNN leaves in the padding, and what a caller makes of
        # it, reaches neither results nor gradients.
        valid = valid_steps(lengths, time)
        outputs = jnp.where(valid[..., None], outputs, jnp.zeros_like(outputs))
        final = jax.tree.map(lambda a, b: jnp.where(lengths[:, None] > 0, a, b), final, carry)
    return outputs, final


def _flip(array: Array, lengths: Array | None) -> Array:
    """The valid steps of `array` [time, batch, :] from last to first; padding stays where it is."""
    if lengths is None:
        return jnp.flip(array, axis=0)
    time = jnp.arange(array.shape[0], dtype=jnp.int32)[:, None]
    order = jnp.where(time < lengths, lengths - 1 - time, time)
    return jnp.take_along_axis(array, order[..., None], axis=0)


def _pack(params: Params) -> Array:
    """The parameters in one vector: both kernels, each [4 hidden, :], then the two biases of cuDNN.

    Its gates are ours, in the same order: i, f, g, o. It adds up its biases; the second is zero.
    """
    bias = params["bias"]
    parts = params["input_kernel"].T, params["recurrent_kernel"].T, bias, jnp.zeros_like(bias)
    return jnp.concatenate([part.reshape(-1) for part in parts])
