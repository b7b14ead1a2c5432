"""How a program that trains keeps its memory."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of the GNU C library


def keep_freed_memory() -> None:
    """Tells the C library to keep memory that was freed instead of giving it back to the system.

    XLA on the CPU allocates its large temporaries anew at every step, and the system clears every
    page that it hands out: on long sequences this took up to half the time of a training step. The
    process then stays as large as it ever was. Does nothing where the C library is not GNU's.
    """
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        library.mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
