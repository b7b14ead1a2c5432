"""The share of tokens a vocabulary lacks is said, and so is that nothing is learned of them."""

import pytest

from lstm_jax.data import TextWindows
from lstm_jax.data.text.unknown import warn_of_unknown
from tests.data.sources import Documents


@pytest.mark.parametrize(
    ("options", "shares", "warned"),
    [
        ({}, (0.0, 0.4), True),
        ({"min_count": 2}, (0.2, 0.4), False),
        ({"tokens": "bytes"}, None, False),
    ],
    ids=["untrained", "trained", "none"],
)
def test_the_share_of_unknown_tokens_is_said(options, shares, warned):
    """Nothing was said where `<unk>` is never trained and met in validation."""
    source = Documents(("a b a b a b a b c d",), ("a b a x y",), ("a z",))
    config = TextWindows(source, batch_size=1, window=2, **options)
    data = config.open(config.fit())
    facts = [data.facts(split) for split in ("train", "validation")]
    assert facts == ([{}, {}] if shares is None else [{"unknown_share": one} for one in shares])
    assert ("40.00% unknown" in data.describe("validation")) == (shares is not None)
    warnings = warn_of_unknown(data)
    assert [line.startswith("warning: ") and "40.00%" in line for line in warnings] == [
        True
    ] * warned
