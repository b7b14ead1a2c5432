"""Training: one optimizer step (`step`), the one visible loop (`loop`), and what they decide by.

`finite` checks numbers, `progress` is what the loop decides by, `origin` and `transfer` start a
model from another run.
"""

from typing import Any

from lstm_jax.config.moved import refuse


def __getattr__(name: str) -> Any:
    raise refuse(__name__, name)
