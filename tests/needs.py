"""What a test needs of the machine."""

import os
from pathlib import Path

import pytest

from lstm_jax.recurrence import native_library

_WHY_NOT = native_library.why_not_built()
needs_kernel = pytest.mark.skipif(_WHY_NOT is not None, reason=f"no kernel: {_WHY_NOT}")


def needs_data(folder: str) -> pytest.MarkDecorator:
    """Marks a test of real data in a folder of `LSTM_JAX_DATA`."""
    root = os.environ.get("LSTM_JAX_DATA")
    reason = f"needs {folder}/ in the folder that LSTM_JAX_DATA names"
    return pytest.mark.skipif(root is None or not (Path(root) / folder).is_dir(), reason=reason)
