"""Documents as one text."""

import pytest

from lstm_jax.data.text.documents import joined


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_joining_documents_does_not_depend_on_the_size_of_pieces(size):
    documents = ["ab", "cd\n", "", "\n", "efghij", "k"]
    pieces = list(joined(documents, size))
    assert "".join(pieces) == "ab\ncd\n\nefghij\nk"
    assert all(piece.endswith("\n") for piece in pieces[:-1])
    assert (len(pieces) > 1) == (size < 1000)
