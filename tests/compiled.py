"""What the tests compile is kept between tests, processes and runs of the suite.

The same programs would be compiled again and again: by each process of the suite, by each program
that they start, by each run of the suite after a small change.
"""

import hashlib
import platform
from pathlib import Path

ROOT = Path(__file__).parent.parent


def _machine() -> str:
    """Names a kind of processor: a program for one may not run on another."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        features = next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        features = platform.processor()
    return hashlib.sha256(features.encode()).hexdigest()[:8]


ENVIRONMENT = {
    "JAX_COMPILATION_CACHE_DIR": str(ROOT / "build" / f"compiled-{_machine()}"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
"""What JAX is to be told before it is imported, here and in every process started from here."""
