"""The script that prepares data as a module."""

import importlib.util
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from absl import flags

from tests.scripts.preparing import SCRIPTS


@pytest.fixture(scope="module")
def script() -> Iterator[Any]:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("prepare_data", SCRIPTS / "prepare_data.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    sys.path.insert(0, str(SCRIPTS))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path[:] = path
    yield module
    for name in ("name", "data_dir", "archive_dir"):
        delattr(flags.FLAGS, name)


@pytest.fixture
def module(script: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script where TensorFlow is not installed, whether it is or not."""
    monkeypatch.setattr(script, "_has_tensorflow", lambda: False)
    return script
