"""Configs: trees of frozen dataclasses, changed by dotted names, saved as JSON, compared.

`tree` changes and compares them, `saved` has them as JSON, `values` says what a field may hold,
`literals` reads values as they are written on a command line, and `moved` knows the names that
classes had before.
"""

from lstm_jax.config.saved import as_begun, check, from_json, packages, to_json
from lstm_jax.config.tree import describe, difference, override

__all__ = [
    "as_begun",
    "check",
    "describe",
    "difference",
    "from_json",
    "override",
    "packages",
    "to_json",
]
