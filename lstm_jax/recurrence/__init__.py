"""The only loop over time, and what runs it.

`over_time` has `scan` and `bidirectional`; `backend` chooses between `elementwise` (in `lax.scan`),
`native` (the kernel in C++, loaded by `native_library`) and `cudnn`.
"""

from lstm_jax.recurrence.over_time import bidirectional, scan

__all__ = ["bidirectional", "scan"]
