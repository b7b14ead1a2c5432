import functools
import subprocess
import sys
from pathlib import Path

import pytest

from lstm_jax.runtime import memory

ROOT = Path(__file__).parents[2]

HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")

# Page faults of taking, filling and giving back 128 MB, ten times, and the MB of it in huge pages.
FAULTS = """
import concurrent.futures, ctypes, pathlib, re, resource, runpy, sys

SIZE = 1 << 27
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p

def huge_pages():
    table = pathlib.Path("/proc/self/smaps_rollup").read_text()
    return int(re.search("AnonHugePages: +([0-9]+)", table)[1]) // 1024

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        block = library.malloc(SIZE)
        ctypes.memset(block, 1, SIZE)
        huge = huge_pages()
        library.free(ctypes.c_void_p(block))
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, huge

def count():
    if sys.argv[1] == "main":
        return faults()
    with concurrent.futures.ThreadPoolExecutor() as executor:
        return executor.submit(faults).result()

without, _ = faults()
runpy.run_path("lstm_jax/runtime/memory.py")["keep_freed_memory"]()
print(without, *count())
"""

linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only the GNU C library has it"
)


@functools.cache
def measured(thread: str) -> list[int]:
    command = [sys.executable, "-c", FAULTS, thread]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [int(number) for number in done.stdout.split()]


@linux
@pytest.mark.parametrize("thread", ["main", "another"])
def test_freed_memory_is_kept(thread: str):
    without, kept, _ = measured(thread)
    assert kept < without / 4


@linux
@pytest.mark.skipif(
    not HUGE_PAGES.exists() or "[never]" in HUGE_PAGES.read_text(),
    reason="the system has no huge pages",
)
def test_memory_is_in_huge_pages():
    *_, huge = measured("main")
    assert huge > 100


# MB resident, more than before, when 256 MB were taken, filled and given back; then released.
RELEASED = """
import ctypes, pathlib, re, runpy

library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p

def resident():
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search("VmRSS:[^0-9]+([0-9]+)", status)[1]) // 1024

memory = runpy.run_path("lstm_jax/runtime/memory.py")
memory["keep_freed_memory"]()
before = resident()
block = library.malloc(1 << 28)
ctypes.memset(block, 1, 1 << 28)
library.free(ctypes.c_void_p(block))
kept = resident()
memory["release_freed_memory"]()
print(kept - before, resident() - before)
"""


@linux
def test_freed_memory_is_released():
    command = [sys.executable, "-c", RELEASED]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    kept, released = map(int, printed.split())
    assert kept > 200
    assert released < 50


both = pytest.mark.parametrize("change", [memory.keep_freed_memory, memory.release_freed_memory])


@both
def test_a_library_without_the_setting_is_left_alone(change, monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "linux")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    change()


@both
def test_other_systems_are_left_alone(change, monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    monkeypatch.delattr(memory.ctypes, "CDLL")
    change()


HEAPS = """
import ctypes, lstm_jax

library = ctypes.CDLL(None)
library.fdopen.restype = ctypes.c_void_p
stream = ctypes.c_void_p(library.fdopen(1, b"w"))
library.malloc_info(0, stream)
library.fflush(stream)
"""


@linux
def test_no_thread_has_a_heap_of_its_own_after_the_import():
    # XLA's threads would share it, and it holds no large array, whatever is told to malloc later.
    command = [sys.executable, "-c", HEAPS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.count("<heap nr=") == 1
