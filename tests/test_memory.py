import subprocess
import sys
from pathlib import Path

import pytest

from lstm_jax import memory

ROOT = Path(__file__).parent.parent

# Page faults of taking, filling and giving back 64 MB, ten times.
FAULTS = """
import ctypes, resource, runpy

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    for _ in range(10):
        block = library.malloc(1 << 26)
        ctypes.memset(block, 1, 1 << 26)
        library.free(ctypes.c_void_p(block))
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

without = faults()
runpy.run_path("lstm_jax/memory.py")["keep_freed_memory"]()
print(without, faults())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only the GNU C library has it")
def test_freed_memory_is_kept():
    command = [sys.executable, "-c", FAULTS]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    without, kept = map(int, printed.split())
    assert kept < without / 4


def test_a_library_without_the_setting_is_left_alone(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "linux")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    memory.keep_freed_memory()


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    monkeypatch.delattr(memory.ctypes, "CDLL")
    memory.keep_freed_memory()
