"""Names of directories that mean nothing but the directory.

A file system allows every name. Orbax takes `[` and `*` for a pattern, and TensorStore a backslash
for a slash; to both `gs:` is a bucket, and bytes that are not UTF-8 are no name at all.
"""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

_HARMLESS = re.compile(r"(/[\w.,=+-]+)+", re.ASCII)
_DESCRIPTORS = Path("/proc/self/fd")


@contextlib.contextmanager
def harmless(directory: Path) -> Iterator[Path]:
    """A path to a directory whose own path may hold anything, valid in the `with` block.

    Raises:
        OSError: there is no such directory, or no place for a link to it.
    """
    real = Path(os.path.realpath(directory, strict=True))
    if _HARMLESS.fullmatch(str(real)):
        yield real
    elif _DESCRIPTORS.exists():
        descriptor = os.open(real, os.O_RDONLY | os.O_DIRECTORY)
        yield _DESCRIPTORS / str(descriptor)
        # Not after an error: what Orbax still writes must not come into the directory that is
        # opened next.
        os.close(descriptor)
    else:  # not Linux
        with tempfile.TemporaryDirectory(dir=_place_for_links()) as folder:
            link = Path(folder, "directory")
            link.symlink_to(real)
            yield link


def _place_for_links() -> str:
    usual = os.path.realpath(tempfile.gettempdir())
    return usual if _HARMLESS.fullmatch(usual) else "/tmp"
