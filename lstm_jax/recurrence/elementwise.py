"""`jax.lax.scan` over cells that are one matrix product and elementwise arithmetic."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from lstm_jax.cells.base import ElementwiseCell
from lstm_jax.types import Array, Carry, Params


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def scan_elementwise(
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
    initial: Carry | None,
    valid: Array | None,
    resets: Array | None,
) -> tuple[tuple[Array, Carry], Any]:
    """The outputs and the final carry, and what the backward pass needs of each step.

    `initial` is the carry that columns restart from where there are `resets`.
    """

    def step(carry: Carry, slices: Any) -> tuple[Carry, Any]:
        projected_t, valid_t, reset_t = slices
        start = restart(reset_t, initial, carry)
        recurrent = jnp.dot(
            start.hidden.astype(dtype), kernel, preferred_element_type=projected.dtype
        )
        stepped, output = cell.elementwise(vectors, start, projected_t, recurrent)
        return select(valid_t, stepped, carry), (mask(valid_t, output), start, recurrent)

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
    """Cotangents of what `scan_elementwise` was given.

    The loop runs only `d_recurrent @ kernel.T`; the kernel's gradient is one product after it.
    """
    vectors, kernel, projected, starts, recurrents, valid, resets = residuals
    d_outputs, d_final = cotangents
    # Transposed once, or XLA would do it at every step.
    transposed = jax.lax.optimization_barrier(kernel.T)

    def step(state: Any, slices: Any) -> tuple[Any, Any]:
        d_carry, d_vectors, d_initial = state
        d_output, projected_t, start, recurrent, valid_t, reset_t = slices
        d_stepped = mask(valid_t, d_carry)
        _, pull_back = jax.vjp(cell.elementwise, vectors, start, projected_t, recurrent)
        d_vector, d_start, d_projected, d_recurrent = pull_back(
            (d_stepped, mask(valid_t, d_output))
        )
        d_hidden = jnp.dot(
            d_recurrent.astype(dtype), transposed, preferred_element_type=projected.dtype
        )
        d_start = d_start._replace(hidden=d_start.hidden + d_hidden)
        if reset_t is not None:
            d_initial = jax.tree.map(jnp.add, d_initial, mask(reset_t, d_start))
            d_start = mask(~reset_t, d_start)
        if valid_t is not None:
            d_start = select(valid_t, d_start, d_carry)
        # Where a cell only reads their sum, both are the same array, and it is stored once.
        if d_recurrent is d_projected:
            d_recurrent = None
        d_vectors = jax.tree.map(jnp.add, d_vectors, d_vector)
        return (d_start, d_vectors, d_initial), (d_projected, d_recurrent)

    d_initial = None if resets is None else jax.tree.map(jnp.zeros_like, d_final)
    (d_carry, d_vectors, d_initial), (d_projected, d_recurrents) = jax.lax.scan(
        step,
        (d_final, jax.tree.map(jnp.zeros_like, vectors), d_initial),
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
    d_kernel = d_kernel.astype(kernel.dtype)
    return d_vectors, d_kernel, d_projected, d_carry, d_initial, None, None


scan_elementwise.defvjp(_forward, _backward)


def restart(reset: Array | None, initial: Carry, carry: Carry) -> Carry:
    """The initial carry in the columns where a new sequence begins."""
    return carry if reset is None else select(reset, initial, carry)


def select(mask: Array | None, chosen: Any, other: Any) -> Any:
    """`chosen` in the columns where `mask` [batch] holds, `other` elsewhere."""
    if mask is None:
        return chosen
    return jax.tree.map(
        lambda x, y: jnp.where(mask.reshape(-1, *[1] * (x.ndim - 1)), x, y), chosen, other
    )


def mask(mask: Array | None, tree: Any) -> Any:
    """Zero in the columns where `mask` [batch] does not hold."""
    return tree if mask is None else select(mask, tree, jax.tree.map(jnp.zeros_like, tree))
