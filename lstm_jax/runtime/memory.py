"""How a program that trains keeps its memory."""

import ctypes
import mmap
import sys
from typing import Any

# malloc.h of the GNU C library.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

# As large as an allocation from the heap, and a heap that is not trimmed, can be: some parts of the
# latter together.
_PART, _PARTS = 1 << 29, 3
_HUGE_PAGE = 1 << 21


def keep_freed_memory() -> None:
    """Tells the C library to keep memory that was freed, and the system to give it large pages.

    XLA on the CPU allocates its large temporaries anew at every step, and the system clears every
    page that it hands out: on long sequences this took up to half the time of a training step. The
    process then stays as large as it ever was. The first 1.5 GB of its heap are in huge pages where
    the system has them: of small ones a layer's pass over long sequences looks up too many
    addresses. Memory that nothing uses is not taken by it. Does nothing where the C library is not
    GNU's.
    """
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return
    library.mallopt(_M_MMAP_THRESHOLD, 1 << 30)
    library.mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
    # The heaps of further threads cannot hold a large array: it would be mapped and cleared anew.
    library.mallopt(_M_ARENA_MAX, 1)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        _prefer_huge_pages(library)


def release_freed_memory() -> None:
    """Gives what the process has freed so far back to the system.

    After what is done once and takes much, such as compiling, reading data or copying weights, and
    before what goes on for long. Does nothing where the C library is not GNU's.
    """
    if sys.platform.startswith("linux") and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(ctypes.c_size_t(0))


def _prefer_huge_pages(library: Any) -> None:
    # The heap grows by what is allocated, and what is freed stays a part of it, with what was asked
    # for its addresses. None of its pages is touched.
    library.malloc.restype = ctypes.c_void_p
    blocks = [library.malloc(ctypes.c_size_t(_PART)) for _ in range(_PARTS)]
    for block in filter(None, blocks):
        begin = -(-block // _HUGE_PAGE) * _HUGE_PAGE
        size = ctypes.c_size_t((block + _PART) // _HUGE_PAGE * _HUGE_PAGE - begin)
        library.madvise(ctypes.c_void_p(begin), size, mmap.MADV_HUGEPAGE)
        library.free(ctypes.c_void_p(block))
