"""Integers that callers give, of any width, as integers at which nothing wraps."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Int

from lstm_jax.functional.arguments import as_arrays
from lstm_jax.types import Array


def widened(integers: Any) -> Any:
    """Integers of at least 32 bits: classes and words are counted beyond 127 and 255.

    >>> widened(jnp.array([3], jnp.uint8)).dtype.name
    'int32'
    """
    narrow = jnp.iinfo(integers.dtype).bits < 32
    return integers.astype(np.int32) if narrow else integers


def in_int32(lengths: Any, time: int) -> Int[Array, " batch"]:
    """Lengths in int32, where they say the same of sequences of `time` steps.

    What int32 does not hold is brought into [0, time]; the rest may lie outside.

    >>> in_int32(np.array([3, 2**40]), time=8).tolist()
    [3, 8]
    """
    if lengths.dtype != np.int32:
        if jnp.iinfo(lengths.dtype).max > np.iinfo(np.int32).max:
            lengths = lengths.clip(0, time)
        lengths = lengths.astype(np.int32)
    return as_arrays(lengths)


def valid_steps(lengths: Any, time: int, first: int = 0) -> Bool[Array, "time batch"]:
    """Whether a step lies within each sequence, for all steps from `first` on.

    >>> valid_steps(np.array([1, 3]), time=2).tolist()
    [[True, True], [False, True]]
    """
    return jnp.arange(first, time, dtype=np.int32)[:, None] < in_int32(lengths, time)
