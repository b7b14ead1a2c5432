"""How much of a text a vocabulary does not know, and whether a model learns what that means."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int

from lstm_jax.data.base import Dataset
from lstm_jax.data.text.vocabulary import Vocabulary

SHARE = "unknown_share"
"""What `Dataset.facts` call it."""


def share_of_unknown(
    vocabulary: Vocabulary, tokens: Sequence[Int[np.ndarray, " _"]]
) -> dict[str, float]:
    """The share of unknown ones among all tokens; nothing where none can be unknown."""
    if vocabulary.unknown is None:
        return {}
    count = sum(int((one == vocabulary.unknown).sum()) for one in tokens)
    return {SHARE: count / max(1, sum(map(len, tokens)))}


def describe_unknown(facts: Mapping[str, int | float]) -> list[str]:
    """The share for people, if there is one."""
    return [f"{facts[SHARE]:.2%} unknown"] if SHARE in facts else []


def warn_of_unknown(dataset: Dataset) -> list[str]:
    """That a model is going to meet tokens of which it learns nothing, in a line, if it is."""
    unseen = dataset.facts("validation").get(SHARE, 0.0)
    if dataset.facts("train").get(SHARE, 0.0) > 0 or unseen == 0:
        return []
    return [
        "warning: the training text has no unknown token, so nothing is learned of <unk>, and "
        f"{unseen:.2%} of the validation text is unknown: a higher data.min_count, or a lower "
        "data.max_vocabulary, reads the rare words of training as <unk>"
    ]
