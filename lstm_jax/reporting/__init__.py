"""What people see of a run: progress bar and lines, TensorBoard events, curves.

Clocks appear here and nowhere else, so that what a run computes does not depend on its speed.
"""

from typing import Any

from lstm_jax.config.moved import refuse


def __getattr__(name: str) -> Any:
    raise refuse(__name__, name)
