"""Reading text files by lines and whole."""

import gzip
import pathlib

import pytest

from lstm_jax.data.files import decode, numbered_lines, read_text
from lstm_jax.errors import DataError

# What `expand` does is tested with the sources that use it, in test_text.py.


def test_lines_and_their_numbers(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffä\r\n\n\u2028x\x0cy\rz\nno end".encode())
    expected = [(1, "ä\n"), (2, "\n"), (3, "\u2028x\x0cy\rz\n"), (4, "no end")]
    assert list(numbered_lines(path)) == expected
    assert read_text(path) == "".join(line for _, line in expected)


def test_the_mark_is_part_of_the_text_elsewhere():
    assert decode("\ufeffa".encode(), pathlib.Path("a.txt"), lines_before=3) == "\ufeffa"


def test_another_encoding(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"caf\xe9\n")
    assert list(numbered_lines(path, "latin-1")) == [(1, "café\n")]


def test_a_compressed_file(tmp_path):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"one\r\ntwo"))
    assert list(numbered_lines(path)) == [(1, "one\n"), (2, "two")]


# No time in what is compressed: it is in the tests' names, which two processes must agree upon.
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", "{path} is empty"),
        ("a.txt", b"\xef\xbb\xbf \n\n", "{path} is empty"),
        ("a.txt", b"one\ntwo\nf\xfcnf\nsix\n", "{path}, line 3: not UTF-8 text"),
        ("a.txt.gz", b"not compressed", "cannot read {path}: Not a gzipped file (b'no')"),
        (
            "a.txt.gz",
            gzip.compress(bytes(range(256)), mtime=0)[:-20],
            "cannot read {path}: Compressed file ended before the end-of-stream marker was reached",
        ),
        (
            "a.txt.gz",
            gzip.compress(b"one", mtime=0)[:10] + b"\xff" * 20,
            "cannot read {path}: Error -3 while decompressing data: invalid block type",
        ),
    ],
)
def test_what_cannot_be_read(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as raised:
        list(numbered_lines(path))
    assert str(raised.value) == message.format(path=path)


def test_no_file(tmp_path):
    path = tmp_path / "a.txt"
    for read in (lambda: list(numbered_lines(path)), lambda: read_text(path)):
        with pytest.raises(DataError) as raised:
            read()
        assert str(raised.value) == f"cannot read {path}: No such file or directory"


def test_a_whole_file_that_is_not_utf8(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\nf\xfcnf")
    with pytest.raises(DataError) as raised:
        read_text(path)
    assert str(raised.value) == f"{path}, line 2: not UTF-8 text"
