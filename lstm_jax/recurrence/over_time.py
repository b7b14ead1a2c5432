"""The only loop over time."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Integer

from lstm_jax.cells.base import Cell, ElementwiseCell
from lstm_jax.errors import ConfigError
from lstm_jax.functional.arguments import (
    as_arrays,
    check_booleans,
    check_carry,
    check_count,
    check_floating,
    check_integers,
    check_params,
)
from lstm_jax.functional.integers import in_int32, valid_steps
from lstm_jax.recurrence import backend, cudnn, native, native_library
from lstm_jax.recurrence.elementwise import mask, restart, scan_elementwise, select
from lstm_jax.types import Array, Carry, Params


def scan(
    cell: Cell,
    params: Params,
    inputs: Float[Array, "time batch input"],
    carry: Carry | None = None,
    *,
    lengths: Integer[Array, " batch"] | None = None,
    resets: Bool[Array, "time batch"] | None = None,
    reverse: bool = False,
) -> tuple[Float[Array, "time batch hidden"], Carry]:
    """Runs a cell over a batch of sequences.

    Matrix products are computed in the dtype of `inputs`, the arithmetic between them and the carry
    in the dtype of the parameters; outputs have the dtype of `inputs`. Backend "native"
    computes all of it in float32, and rounds to the dtype of `inputs` what it stores of each step.

    Args:
        cell: the recurrence.
        params: what `cell.init` made.
        inputs: the sequences.
        carry: the carry before the first step; `cell.initial_carry` if not given.
        lengths: valid steps of each sequence, counted from the first, in any integer dtype. Padding
            never changes a valid output, the final carry or a gradient, whatever stands in it;
            padded outputs are zero.
        resets: True where a new sequence begins, in any column at any step: the carry restarts from
            `cell.initial_carry` there. In reverse, the same steps are the ends of sequences.
        reverse: from the last step to the first; outputs stay at the positions of their inputs.

    Returns:
        The outputs of all steps, and the carry after the last one.

    Raises:
        ConfigError: backend "native" or "cudnn" was chosen and does not run this cell on these
            arrays here.
        ArgumentError: an array has other axes or another dtype, or does not fit the cell.

    Source: the backward pass of an `ElementwiseCell` is that of Appleyard et al. 2016 (section
    3.1), which forms the gradient of the recurrent kernel as one product over all steps.

    >>> from lstm_jax.cells import LSTM
    >>> cell = LSTM(hidden=8)
    >>> params = cell.init(jax.random.key(0), input_size=3)
    >>> outputs, carry = scan(cell, params, jnp.ones((5, 2, 3)))
    >>> outputs.shape, carry.cell.shape
    ((5, 2, 8), (2, 8))
    """
    check_floating("inputs", inputs, "time batch input")
    time, batch, features = inputs.shape
    check_params(cell, params, features)
    if lengths is not None:
        check_integers("lengths", lengths, "batch", (batch,))
    if resets is not None:
        check_booleans("resets", resets, "time batch", (time, batch))
    params, inputs, resets = as_arrays((params, inputs, resets))
    dtypes = (leaf.dtype for leaf in jax.tree.leaves(params))
    dtype = functools.reduce(jnp.promote_types, dtypes)
    initial = cell.initial_carry(batch, dtype, params)
    if carry is None:
        carry = initial
    else:
        check_carry(carry, initial)
        carry = jax.tree.map(lambda given, zero: given.astype(zero.dtype), carry, initial)
    valid = None
    if lengths is not None:
        lengths = in_int32(lengths, time)
        valid = valid_steps(lengths, time)
        # What stands in the padding may be NaN, and 0 * NaN would reach the weight gradient.
        inputs = jnp.where(valid[..., None], inputs, jnp.zeros_like(inputs))
    if resets is not None and valid is not None:
        resets = resets & valid
    if resets is not None and reverse:
        # A boundary lies before step t; from the right it is crossed on entering step t - 1.
        resets = jnp.concatenate([resets[1:], jnp.zeros_like(resets[:1])])
    name = _backend(cell, (inputs, params, carry), resets)
    if name == "native":
        return native.scan(cell, params, inputs, carry, lengths, resets, reverse)
    if name == "cudnn":
        return cudnn.scan(params, inputs, carry, lengths, reverse)
    projected = cell.project(params, inputs)
    if isinstance(cell, ElementwiseCell):
        run = functools.partial(scan_elementwise, cell, inputs.dtype, reverse)
        kernel = params["recurrent_kernel"].astype(inputs.dtype)
        # Without resets nothing restarts.
        begin = None if resets is None else initial
        outputs, carry = run(cell.vectors(params), kernel, projected, carry, begin, valid, resets)
    else:

        def step(carry: Carry, slices: Any) -> tuple[Carry, Array]:
            projected_t, valid_t, reset_t = slices
            carry = restart(reset_t, initial, carry)
            stepped, output = cell.step(params, carry, projected_t)
            return select(valid_t, stepped, carry), mask(valid_t, output)

        carry, outputs = jax.lax.scan(step, carry, (projected, valid, resets), reverse=reverse)
    return outputs.astype(inputs.dtype), carry


def bidirectional(
    cells: tuple[Cell, Cell],
    params: tuple[Params, Params],
    inputs: Float[Array, "time batch input"],
    carries: tuple[Carry, Carry] | None = None,
    *,
    lengths: Integer[Array, " batch"] | None = None,
    resets: Bool[Array, "time batch"] | None = None,
) -> tuple[Float[Array, "time batch features"], tuple[Carry, Carry]]:
    """Runs one cell forward and one backward over the same sequences (Schuster and Paliwal 1997).

    Arguments are those of `scan`, in pairs (forward, backward).

    Returns:
        Both outputs beside each other in the last axis, forward first, and the pair of final
        carries: that of the forward cell after the last valid step, that of the backward cell after
        the first.

    >>> from lstm_jax.cells import GRU
    >>> cells = (GRU(hidden=8), GRU(hidden=4))
    >>> params = tuple(cell.init(jax.random.key(0), input_size=3) for cell in cells)
    >>> bidirectional(cells, params, jnp.ones((5, 2, 3)))[0].shape
    (5, 2, 12)
    """
    carries = (None, None) if carries is None else carries
    for name, given in {"cells": cells, "params": params, "carries": carries}.items():
        check_count(name, given, 2, "forward and backward")
    forward_carry, backward_carry = carries
    run = functools.partial(scan, inputs=inputs, lengths=lengths, resets=resets)
    forward, forward_carry = run(cells[0], params[0], carry=forward_carry)
    backward, backward_carry = run(cells[1], params[1], carry=backward_carry, reverse=True)
    return jnp.concatenate([forward, backward], axis=-1), (forward_carry, backward_carry)


def _backend(cell: Cell, given: Any, resets: Array | None) -> str:
    """The backend that runs a cell on a tree of arrays, as the one that was chosen wants it."""
    if (chosen := backend.chosen()) == "scan":
        backend.record("scan")
        return "scan"
    arrays = jax.tree.leaves(given)
    if chosen == "cudnn":
        name, reason = "cudnn", cudnn.why_not(cell, *arrays, resets=resets)
    else:
        name, reason = "native", native.why_not(cell, *arrays)
        if reason is None and chosen == "auto" and (devices := jax.device_count()) > 1:
            # Of a batch that they share each would compute the whole.
            reason = f"there are {devices} devices"
    if reason is None:
        backend.record(name, native_library.describe() if name == "native" else None)
        return name
    if chosen != "auto":
        raise ConfigError(f"backend={chosen!r}: {reason}; use 'auto' or 'scan'")
    backend.record("scan", reason)
    return "scan"
