"""Reading text files: where they are, how they are encoded, which line is wrong."""

import gzip
import os
import pathlib
import re
import sys
import zlib
from collections.abc import Iterator

from lstm_jax.errors import DataError
from lstm_jax.files import expand_user


def expand(path: str) -> pathlib.Path:
    """`path` with `~` and environment variables (`$NAME`, `${NAME}`) replaced.

    Raises:
        DataError: a variable is not set.
    """
    for name in re.findall(r"\$\{?(\w+)", path):
        if name not in os.environ:
            raise DataError(f"{path}: the environment variable {name} is not set")
    return expand_user(os.path.expandvars(path))


def decode(piece: bytes, path: pathlib.Path, lines_before: int = 0, encoding: str = "utf-8") -> str:
    """Bytes of a file as text. The mark that some programs write at its beginning is left out.

    Raises:
        DataError: they are not in the encoding; names the line.
    """
    try:
        text = piece.decode(encoding)
    except UnicodeDecodeError as error:
        line = lines_before + piece.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: not {encoding.upper()} text") from None
    text = text if lines_before else text.removeprefix("\ufeff")
    return text.replace("\r\n", "\n")


def read_text(path: pathlib.Path) -> str:
    """The whole text of a UTF-8 file, every line ending being a newline.

    Raises:
        DataError: it cannot be read or is not UTF-8.
    """
    try:
        return decode(path.read_bytes(), path)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None


STANDARD_INPUT = pathlib.Path("-")
"""What stands for it among paths."""


def numbered_lines(path: pathlib.Path, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    """The lines of a file with their numbers from 1, every line ending being a newline.

    A file whose name ends with `.gz` is decompressed; `STANDARD_INPUT` is read as well.

    Raises:
        DataError: it cannot be read, is empty (white space alone), or is not in the encoding;
            standard input is empty where it has no line.
    """
    if path == STANDARD_INPUT:
        yield from _lines_of_standard_input(encoding)
        return
    empty = True
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                text = decode(line, path, number - 1, encoding)
                empty = empty and not text.strip()
                yield number, text
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot read {path}: {reason}") from None
    if empty:
        raise DataError(f"{path} is empty")


def _lines_of_standard_input(encoding: str) -> Iterator[tuple[int, str]]:
    number = 0
    for number, line in enumerate(sys.stdin.buffer, start=1):
        yield number, decode(line, pathlib.Path("standard input"), number - 1, encoding)
    if not number:
        raise DataError("standard input is empty")
