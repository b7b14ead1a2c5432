"""The file `vocabulary.json`, in which runs were saved before there were preprocessors."""

import json
from typing import Any

from lstm_jax.data.text.vocabulary import Vocabulary, check_parts
from lstm_jax.errors import DataError

_LISTS = ("tokens", "merges", "classes")


def read_vocabulary(text: str) -> tuple[Vocabulary, tuple[str, ...]]:
    """The vocabulary of such a file, and the classes of its texts: none of a language model.

    Raises:
        DataError: `text` is not a vocabulary.
    """
    try:
        content: Any = json.loads(text)
    except ValueError as error:
        raise DataError(f"not a vocabulary: {error}") from None
    # What was made by the first rules of prose has no number of them.
    rules = content.pop("rules", 1) if isinstance(content, dict) else 1
    if not isinstance(content, dict) or content.keys() - set(_LISTS[1:]) != {"unit", "tokens"}:
        raise DataError("not a vocabulary: expected an object with the keys 'unit' and 'tokens'")
    for name in content.keys() - {"unit"}:
        if not isinstance(content[name], list):
            raise DataError(f"not a vocabulary: {name!r} is not a list")
        if not all(isinstance(item, str) for item in content[name]):
            raise DataError(f"not a vocabulary: {name!r} holds something that is not a string")
    tokens, merges, classes = (tuple(content.get(name, ())) for name in _LISTS)
    check_parts(tokens, content["unit"], merges, rules)
    return Vocabulary(tokens, content["unit"], merges, rules), classes
