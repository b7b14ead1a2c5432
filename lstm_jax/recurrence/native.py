"""The loop over time as a kernel in C++, for CPUs.

`lstm_jax/kernel` has a layer's whole forward and backward pass: the loop, and the products over
many steps before and after it. It computes in float32. Arrays with a time axis, what the backward
pass keeps of each step among them, are stored as the inputs are: in float32 or bfloat16.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

from lstm_jax.cells import GRU, LSTM, Cell, SimpleRNN
from lstm_jax.errors import ConfigError
from lstm_jax.recurrence.native_library import STORED, target_name, why_not_built
from lstm_jax.types import Array, Carry, Params


class _Kind(NamedTuple):
    """What the kernel is told of a cell."""

    number: int
    gates: int
    has_cell: bool
    """Whether the carry has a cell state beside the hidden one."""


_LSTM = _Kind(0, 4, has_cell=True)
_GRU = _Kind(1, 3, has_cell=False)
_SIMPLE = {"tanh": _Kind(2, 1, has_cell=False), "relu": _Kind(3, 1, has_cell=False)}


def _kind(cell: Cell) -> _Kind | None:
    """None for a cell whose arithmetic the kernel does not have, a subclass of these among them."""
    if type(cell) is LSTM and not cell.peepholes:
        return _LSTM
    if type(cell) is GRU:
        return _GRU
    return _SIMPLE[cell.activation] if type(cell) is SimpleRNN else None


def why_not(cell: Cell, *arrays: Array) -> str | None:
    """Why the kernel does not run this cell on arrays like these here; None if it does."""
    if _kind(cell) is None:
        return f"the kernel has no {cell}"
    if others := sorted({str(array.dtype) for array in arrays} - {*STORED}):
        return f"the kernel stores float32 or bfloat16, not {', '.join(others)}"
    types: list[Any] = [jax.typeof(array) for array in arrays]
    if any(of.manual_axis_type.varying for of in types):
        # Its gradients would have to say which devices they vary over.
        return "under jax.shard_map the kernel needs check_vma=False"
    if (platform := jax.default_backend()) != "cpu":
        return f"the kernel runs on CPUs, not on {platform}"
    return why_not_built()


def scan(
    cell: Cell,
    params: Params,
    inputs: Array,
    carry: Carry,
    lengths: Array | None,
    resets: Array | None,
    reverse: bool,
) -> tuple[Array, Carry]:
    """`recurrence.scan`, where `why_not` is None; there is no NaN in the padding."""
    kind = _kind(cell)
    assert kind is not None
    nothing = jnp.zeros((0,), np.float32)
    given = _Given(
        inputs=inputs,
        input_kernel=params["input_kernel"],
        bias=params["bias"],
        kernel=params["recurrent_kernel"],
        recurrent_bias=params.get("recurrent_bias", nothing),
        hidden=carry.hidden,
        cell=carry.cell if kind.has_cell else nothing,
    )
    # The kernel has what has no time axis in float32; JAX casts the gradients back.
    given = _Given(inputs, *(array.astype(np.float32) for array in given[1:]))
    flags = _Flags(
        lengths=jnp.zeros((0,), jnp.int32) if lengths is None else lengths,
        resets=jnp.zeros((0,), bool) if resets is None else resets,
    )
    run = functools.partial(_scan, kind, bool(reverse))
    outputs, *final = run(given, flags)
    return outputs, type(carry)(*(a.astype(b.dtype) for a, b in zip(final, carry, strict=False)))


class _Given(NamedTuple):
    """What can be differentiated by; an array without elements stands for none."""

    inputs: Array
    input_kernel: Array
    bias: Array
    kernel: Array
    recurrent_bias: Array
    hidden: Array
    cell: Array


class _Flags(NamedTuple):
    """As `recurrence.scan` has them; an array without elements stands for none."""

    lengths: Array
    resets: Array


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _scan(kind: _Kind, reverse: bool, given: _Given, flags: _Flags) -> tuple[Array, ...]:
    """The outputs, the last hidden state, the last cell state."""
    return _run_forward(kind, reverse, given, flags, keep=False)[:3]


def _forward(kind: _Kind, reverse: bool, given: Any, flags: Any) -> tuple[tuple[Array, ...], Any]:
    # Each argument comes with whether a gradient by it is wanted.
    wanted = _Given(*[argument.perturbed for argument in given])
    given = _Given(*[argument.value for argument in given])
    flags = _Flags(*[argument.value for argument in flags])
    made = _run_forward(kind, reverse, given, flags, keep=True)
    # Residuals are arrays; what is known already is told by the structure of empty tuples.
    wants_inputs = () if wanted.inputs else None
    wants_weights = () if any(wanted[1:5]) else None
    return made[:3], (wants_inputs, wants_weights, given, flags, made[0], *made[3:])


def _backward(
    kind: _Kind, reverse: bool, residuals: Any, cotangents: tuple[Any, ...]
) -> tuple[_Given, None]:
    wants_inputs, wants_weights, given, flags, outputs, *kept = residuals
    dtypes = outputs.dtype, np.float32, np.float32
    cotangents = tuple(
        jnp.zeros(c.shape, dtype) if isinstance(c, SymbolicZero) else c
        for c, dtype in zip(cotangents, dtypes, strict=True)
    )
    options = kind, reverse, wants_inputs is not None, wants_weights is not None
    results = _run_backward(options, given, flags, (outputs, *kept), cotangents)
    zeros = [
        result if result.shape == argument.shape else jnp.zeros_like(argument)
        for argument, result in zip(given, results, strict=True)
    ]
    return _Given(*zeros), None


_scan.defvjp(_forward, _backward, symbolic_zeros=True)


def _run_forward(
    kind: _Kind, reverse: bool, given: _Given, flags: _Flags, keep: bool
) -> tuple[Array, ...]:
    """Outputs, last hidden state, last cell state; if `keep`, gates of all steps and one more.

    That is an LSTM's cell states and a GRU's recurrent part of the candidate.
    """
    states = (*given.inputs.shape[:2], given.hidden.shape[-1])
    has_gates = keep and kind.gates > 1
    stored = functools.partial(jax.ShapeDtypeStruct, dtype=given.inputs.dtype)
    results = (
        stored(states),
        jax.ShapeDtypeStruct(given.hidden.shape, np.float32),
        jax.ShapeDtypeStruct(given.cell.shape, np.float32),
        stored((*states[:2], *given.bias.shape) if has_gates else (0,)),
        stored(states if has_gates else (0,)),
    )
    return _call("forward", kind, reverse, results, (*given, *flags))


def _run_backward(
    options: tuple[_Kind, bool, bool, bool],
    given: _Given,
    flags: _Flags,
    made: tuple[Array, ...],
    cotangents: tuple[Array, ...],
) -> tuple[Array, ...]:
    """Cotangents of `given`; those of the inputs and of the weights only where they are wanted."""
    kind, reverse, wants_inputs, wants_weights = options
    wanted = (wants_inputs, *(wants_weights,) * 4, True, True)
    results = tuple(
        jax.ShapeDtypeStruct(argument.shape if is_wanted else (0,), argument.dtype)
        for argument, is_wanted in zip(given, wanted, strict=True)
    )
    arguments = given.inputs, given.input_kernel, given.kernel, given.hidden, given.cell
    arguments = *arguments, *made, *cotangents, *flags
    return _call("backward", kind, reverse, results, arguments)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2, 3))
def _call(
    name: str,
    kind: _Kind,
    reverse: bool,
    results: tuple[jax.ShapeDtypeStruct, ...],
    arguments: tuple[Array, ...],
) -> tuple[Array, ...]:
    """A pass over inputs, which are the first of the arguments."""
    target = target_name(name, arguments[0].dtype)
    # Under vmap the kernel is given all members at once, in a first axis; of what they share it has
    # one element.
    call = jax.ffi.ffi_call(target, results, vmap_method="expand_dims")
    return tuple(call(*arguments, kind=np.int32(kind.number), reverse=reverse))


@_call.defjvp
def _no_second_derivative(*arguments: Any) -> Any:
    del arguments
    raise ConfigError(
        "the native kernel has no second derivatives: compute them under "
        "lstm_jax.backend.use('scan') or --backend=scan"
    )
