"""What every test runs under: shapes checked at each call, strict dtype promotion, the CPU."""

import os

# Set before JAX is imported. The caller may ask for another platform.
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import pytest
from jaxtyping import install_import_hook

jax.config.update("jax_numpy_dtype_promotion", "strict")

# Every annotation in lstm_jax, the axes of arrays among them, is checked whenever it is called. The
# hook is never taken down, for modules imported late by a test must be checked too.
install_import_hook("lstm_jax", "beartype.beartype")


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with the tiny text of `tests/runs.py`, for tests that only read it."""
    from tests.runs import write_text  # not before the hook is in place

    return write_text(tmp_path_factory.mktemp("data") / "text")
