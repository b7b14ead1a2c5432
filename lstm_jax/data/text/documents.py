"""The texts of a source: of each example, of a split, of a split as one stream."""

from collections.abc import Iterable, Iterator

from lstm_jax.data.sources import Example, Source, Split
from lstm_jax.errors import DataError


def text_of(example: Example) -> str:
    """The text of an example.

    Raises:
        DataError: it is something else.
    """
    if not isinstance(example.inputs, str):
        kind = type(example.inputs).__name__
        raise DataError(f"{example.place}: a text is needed, not a {kind}")
    return example.inputs


def texts_of(source: Source, split: Split) -> Iterator[str]:
    """The texts of a split, with or without targets.

    Raises:
        DataError: as the source; or it has something else than texts.
    """
    return map(text_of, source.examples(split))


def joined(documents: Iterable[str], size: int = 1 << 20) -> Iterator[str]:
    r"""One text in pieces of about `size` characters, none of which ends within a line.

    >>> "".join(joined(["no newline", "one\n", "", "end"]))
    'no newline\none\nend'
    """
    piece: list[str] = []
    length = 0
    for document in filter(None, documents):
        if piece and not piece[-1].endswith("\n"):
            piece.append("\n")
        if length >= size:
            yield "".join(piece)
            piece, length = [], 0
        piece.append(document)
        length += len(document)
    if piece:
        yield "".join(piece)
