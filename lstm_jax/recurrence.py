"""The only loop over time."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from lstm_jax.cells.base import Cell, ElementwiseCell
from lstm_jax.types import Array, Carry, Params


def scan(
    cell: Cell,
    params: Params,
    inputs: Float[Array, "time batch input"],
    carry: Carry | None = None,
    *,
    lengths: Int[Array, " batch"] | None = None,
    resets: Bool[Array, "time batch"] | None = None,
    reverse: bool = False,
) -> tuple[Float[Array, "time batch hidden"], Carry]:
    """Runs a cell over a batch of sequences.

    Matrix products are computed in the dtype of `inputs`, the arithmetic between them and the carry
    in the dtype of the parameters; outputs have the dtype of `inputs`.

    Args:
        cell: the recurrence.
        params: what `cell.init` made.
        inputs: the sequences.
        carry: the carry before the first step; `cell.initial_carry` if not given.
        lengths: valid steps of each sequence, counted from the first. Padding never changes a valid
            output, the final carry or a gradient, whatever stands in it; padded outputs are zero.
        resets: True where a new sequence begins, in any column at any step: the carry restarts from
            `cell.initial_carry` there. In reverse, the same steps are the ends of sequences.
        reverse: from the last step to the first; outputs stay at the positions of their inputs.

    Returns:
        The outputs of all steps, and the carry after the last one.

    Source: the backward pass of an `ElementwiseCell` is that of Appleyard et al. 2016 (section
    3.1), which forms the gradient of the recurrent kernel as one product over all steps.

    >>> from lstm_jax.cells import LSTM
    >>> cell = LSTM(hidden=8)
    >>> params = cell.init(jax.random.key(0), input_size=3)
    >>> outputs, carry = scan(cell, params, jnp.ones((5, 2, 3)))
    >>> outputs.shape, carry.cell.shape
    ((5, 2, 8), (2, 8))
    """
    time, batch = inputs.shape[:2]
    dtype = jax.tree.leaves(params)[0].dtype
    initial = cell.initial_carry(batch, dtype)
    if carry is None:
        carry = initial
    else:
        carry = jax.tree.map(lambda given, zero: given.astype(zero.dtype), carry, initial)
    valid = None
    if lengths is not None:
        valid = jnp.arange(time, dtype=lengths.dtype)[:, None] < lengths
        # What stands in the padding may be NaN, and 0 * NaN would reach the weight gradient.
        inputs = jnp.where(valid[..., None], inputs, jnp.zeros_like(inputs))
    if resets is not None and valid is not None:
        resets = resets & valid
    if resets is not None and reverse:
        # A boundary lies before step t; from the right it is crossed on entering step t - 1.
        resets = jnp.concatenate([resets[1:], jnp.zeros_like(resets[:1])])
    projected = cell.project(params, inputs)
    if isinstance(cell, ElementwiseCell):
        run = functools.partial(_scan_elementwise, cell, inputs.dtype, reverse)
        kernel = params["recurrent_kernel"].astype(inputs.dtype)
        outputs, carry = run(cell.vectors(params), kernel, projected, carry, valid, resets)
    else:

        def step(carry: Carry, slices: Any) -> tuple[Carry, Array]:
            projected_t, valid_t, reset_t = slices
            carry = _restart(reset_t, initial, carry)
            stepped, output = cell.step(params, carry, projected_t)
            return _select(valid_t, stepped, carry), _mask(valid_t, output)

        carry, outputs = jax.lax.scan(step, carry, (projected, valid, resets), reverse=reverse)
    return outputs.astype(inputs.dtype), carry


def bidirectional(
    cells: tuple[Cell, Cell],
    params: tuple[Params, Params],
    inputs: Float[Array, "time batch input"],
    carries: tuple[Carry, Carry] | None = None,
    *,
    lengths: Int[Array, " batch"] | None = None,
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
    forward_carry, backward_carry = carries if carries is not None else (None, None)
    run = functools.partial(scan, inputs=inputs, lengths=lengths, resets=resets)
    forward, forward_carry = run(cells[0], params[0], carry=forward_carry)
    backward, backward_carry = run(cells[1], params[1], carry=backward_carry, reverse=True)
    return jnp.concatenate([forward, backward], axis=-1), (forward_carry, backward_carry)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def _scan_elementwise(
    cell: ElementwiseCell, dtype: Any, reverse: bool, *arrays: Any
) -> tuple[Array, Carry]:
    """`scan` of a cell that is one matrix product (in `dtype`) and elementwise arithmetic.

    `arrays` are those of `_forward`.
    """
    return _forward(cell, dtype, reverse, *arrays)[0]


def _forward(
    cell: ElementwiseCell,
    dtype: Any,
    reverse: bool,
    vectors: Params,
    kernel: Array,
    projected: Array,
    carry: Carry,
    valid: Array | None,
    resets: Array | None,
) -> tuple[tuple[Array, Carry], Any]:
    """The outputs and the final carry, and what the backward pass needs of each step."""
    initial = cell.initial_carry(projected.shape[1], projected.dtype)

    def step(carry: Carry, slices: Any) -> tuple[Carry, Any]:
        projected_t, valid_t, reset_t = slices
        start = _restart(reset_t, initial, carry)
        recurrent = jnp.dot(
            start.hidden.astype(dtype), kernel, preferred_element_type=projected.dtype
        )
        stepped, output = cell.elementwise(vectors, start, projected_t, recurrent)
        return _select(valid_t, stepped, carry), (_mask(valid_t, output), start, recurrent)

    slices = (projected, valid, resets)
    final, (outputs, starts, recurrents) = jax.lax.scan(step, carry, slices, reverse=reverse)
    residuals = (vectors, kernel, projected, starts, recurrents, valid, resets)
    return (outputs, final), residuals


def _backward(
    cell: ElementwiseCell,
    dtype: Any,
    reverse: bool,
    residuals: Any,
    cotangents: tuple[Array, Carry],
) -> tuple[Any, ...]:
    """Cotangents of what `_scan_elementwise` was given.

    The loop runs only `d_recurrent @ kernel.T`; the kernel's gradient is one product after it.
    """
    vectors, kernel, projected, starts, recurrents, valid, resets = residuals
    d_outputs, d_final = cotangents
    # Transposed once, or XLA would do it at every step.
    transposed = jax.lax.optimization_barrier(kernel.T)

    def step(state: Any, slices: Any) -> tuple[Any, Any]:
        d_carry, d_vectors = state
        d_output, projected_t, start, recurrent, valid_t, reset_t = slices
        d_stepped = _mask(valid_t, d_carry)
        _, pull_back = jax.vjp(cell.elementwise, vectors, start, projected_t, recurrent)
        d_vector, d_start, d_projected, d_recurrent = pull_back(
            (d_stepped, _mask(valid_t, d_output))
        )
        d_hidden = jnp.dot(
            d_recurrent.astype(dtype), transposed, preferred_element_type=projected.dtype
        )
        d_start = d_start._replace(hidden=d_start.hidden + d_hidden)
        if reset_t is not None:
            d_start = _mask(~reset_t, d_start)
        if valid_t is not None:
            d_start = _select(valid_t, d_start, d_carry)
        # Where a cell only reads their sum, both are the same array, and it is stored once.
        if d_recurrent is d_projected:
            d_recurrent = None
        return (d_start, jax.tree.map(jnp.add, d_vectors, d_vector)), (d_projected, d_recurrent)

    (d_carry, d_vectors), (d_projected, d_recurrents) = jax.lax.scan(
        step,
        (d_final, jax.tree.map(jnp.zeros_like, vectors)),
        (d_outputs, projected, starts, recurrents, valid, resets),
        reverse=not reverse,
    )
    if d_recurrents is None:
        d_recurrents = d_projected
    # Flat, because XLA copies both arrays before a product over two axes.
    rows, columns = (
        array.reshape(-1, array.shape[-1]).astype(dtype) for array in (starts.hidden, d_recurrents)
    )
    d_kernel = jax.lax.dot_general(
        rows, columns, (((0,), (0,)), ((), ())), preferred_element_type=projected.dtype
    )
    return d_vectors, d_kernel.astype(kernel.dtype), d_projected, d_carry, None, None


_scan_elementwise.defvjp(_forward, _backward)


def _restart(reset: Array | None, initial: Carry, carry: Carry) -> Carry:
    """The initial carry in the columns where a new sequence begins."""
    return carry if reset is None else _select(reset, initial, carry)


def _select(mask: Array | None, chosen: Any, other: Any) -> Any:
    """`chosen` in the columns where `mask` [batch] holds, `other` elsewhere."""
    if mask is None:
        return chosen
    return jax.tree.map(
        lambda x, y: jnp.where(mask.reshape(-1, *[1] * (x.ndim - 1)), x, y), chosen, other
    )


def _mask(mask: Array | None, tree: Any) -> Any:
    """Zero in the columns where `mask` [batch] does not hold."""
    return tree if mask is None else _select(mask, tree, jax.tree.map(jnp.zeros_like, tree))
