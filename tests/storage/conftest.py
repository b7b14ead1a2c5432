import shutil

import pytest


@pytest.fixture
def copied(classifier, tmp_path):
    """The directory of a run of the tiny classifier, which a test may change."""
    return shutil.copytree(classifier, tmp_path / "run")
