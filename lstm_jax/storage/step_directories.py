"""The directories of single steps beside each other, moved by renames alone."""

import contextlib
import re
import shutil
from pathlib import Path


def children(directory: Path) -> list[Path]:
    """What a directory holds; nothing if there is none."""
    # Whoever reads a run may come while its writer moves a step aside.
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return list(directory.iterdir())
    return []


def numbered(directory: Path) -> list[int]:
    """Directories named like a step that hold anything, ascending."""
    named = [path for path in children(directory) if re.fullmatch(r"0|[1-9]\d*", path.name)]
    return sorted(int(path.name) for path in named if children(path))


def hide(path: Path, kind: str = "deleted") -> Path:
    """Moves a step aside in one rename, so that deleting it never leaves half a step."""
    step = path.name.strip(".").split(".")[0]
    hidden = path.with_name(f".{step}.{kind}")
    shutil.rmtree(hidden, ignore_errors=True)
    return path.rename(hidden)


def put_back(replaced: Path) -> None:
    """Moves a step back that was moved aside for a new one which never came."""
    final = replaced.with_name(replaced.name.split(".")[1])
    if replaced.exists() and not final.exists():
        replaced.rename(final)
