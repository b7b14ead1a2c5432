"""How the tests compile: quickly, and nothing twice.

What is compiled is kept between tests, processes and runs of the suite: the same programs would be
compiled again and again, by each process of the suite, by each program that they start, by each run
of the suite after a small change.
"""

import hashlib
import os
import platform
from importlib import metadata
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


def _quickly() -> str:
    """Tells XLA to spend no time on making small programs fast, for that was most of the suite's.

    The slow proofs, and what users run, are compiled as XLA does by itself.
    """
    # Of a small program a second thread compiles nothing worth its start.
    flags = ["--xla_backend_optimization_level=0", "--xla_cpu_parallel_codegen_split_count=1"]
    if metadata.version("jaxlib").startswith("0.10."):
        flags.append("--xla_cpu_use_fusion_emitters=false")  # which later versions do not know
    return " ".join(flags)


ENVIRONMENT = {
    # A caller who sets them, to nothing even, has chosen: XLA_FLAGS= make test.
    "XLA_FLAGS": os.environ.get("XLA_FLAGS", _quickly()),
    "JAX_COMPILATION_CACHE_DIR": str(ROOT / "build" / f"compiled-{_machine()}"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
"""What JAX is to be told before it is imported, here and in every process started from here."""


def devices(number: int) -> dict[str, str]:
    """The environment of a process that sees so many devices, made of this machine's CPU."""
    flags = f"{ENVIRONMENT['XLA_FLAGS']} --xla_force_host_platform_device_count={number}"
    return {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
