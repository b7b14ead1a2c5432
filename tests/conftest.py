"""What every test runs under: shapes checked at each call, strict dtype promotion, the CPU."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.compiled import ENVIRONMENT

# Set before JAX is imported. The caller may ask for another platform.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.update(ENVIRONMENT)

import jax
import jaxtyping
import pytest
from jaxtyping import install_import_hook

# A shell ignores Ctrl-C in what it starts in the background, and Python would leave it at that.
signal.signal(signal.SIGINT, signal.default_int_handler)

jax.config.update("jax_numpy_dtype_promotion", "strict")

# Every annotation in lstm_jax, the axes of arrays among them, is checked whenever it is called. The
# hook is never taken down, for modules imported late by a test must be checked too.
install_import_hook("lstm_jax", "beartype.beartype")


LONG = Path(__file__).with_name("long.txt")
"""Names the files whose tests take more than a few seconds, those that train or start processes."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="leaves out the files of tests/long.txt")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if not config.getoption("--fast"):
        return None
    path = collection_path.relative_to(LONG.parent.parent).as_posix()
    return True if path.removeprefix("tests/") in LONG.read_text().split() else None


@pytest.fixture(scope="session", autouse=True)
def no_pictures() -> Iterator[None]:
    """Runs draw no learning curves, which would take most of their time."""
    from tests import runs  # not before the hook is in place

    runs.draw_pictures(False)
    yield
    runs.draw_pictures(True)


@pytest.fixture
def pictures() -> Iterator[None]:
    """Runs draw their learning curves."""
    from tests import runs

    runs.draw_pictures(True)
    yield
    runs.draw_pictures(False)


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with the tiny text of `tests/runs.py`, for tests that only read it."""
    from tests.runs import write_text

    return write_text(tmp_path_factory.mktemp("data") / "text")


@pytest.fixture(scope="session")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with the tiny labelled texts of `tests/runs.py`, for tests that only read it."""
    from tests.runs import write_reviews

    return write_reviews(tmp_path_factory.mktemp("data") / "reviews")


@pytest.fixture(scope="session")
def classifier(reviews: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run of the tiny classifier."""
    import lstm_jax
    from tests.runs import tiny_classifier

    workdir = tmp_path_factory.mktemp("runs") / "classifier"
    lstm_jax.train(tiny_classifier(reviews), workdir)
    return workdir


@pytest.fixture(scope="session")
def series(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with the tiny series of `tests/runs.py`, for tests that only read it."""
    from tests.runs import write_series

    folder = tmp_path_factory.mktemp("data") / "series"
    write_series(folder)
    return str(folder)


@pytest.fixture(scope="session")
def forecaster(series: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run of the tiny forecaster."""
    import lstm_jax
    from tests.runs import tiny_forecaster

    workdir = tmp_path_factory.mktemp("runs") / "forecaster"
    lstm_jax.train(tiny_forecaster(series), workdir)
    return workdir


@pytest.fixture
def unannotated():
    """Functions as users call them: nothing checks their annotations."""
    # The import hook's decorators, beartype's within them, ask this at each call.
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
