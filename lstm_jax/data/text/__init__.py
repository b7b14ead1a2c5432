"""Text: where it comes from, how it is cut into tokens, and which tokens a model knows.

What a config names is in `lstm_jax.data`.
"""

from typing import Any

from lstm_jax.config.moved import refuse


def __getattr__(name: str) -> Any:
    raise refuse(__name__, name)
