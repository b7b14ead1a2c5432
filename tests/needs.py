"""What a test needs of the machine."""

import pytest

from lstm_jax.recurrence import native_library

_WHY_NOT = native_library.why_not_built()
needs_kernel = pytest.mark.skipif(_WHY_NOT is not None, reason=f"no kernel: {_WHY_NOT}")
