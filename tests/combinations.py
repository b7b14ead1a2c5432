"""Which combinations of values `make test` tries, and which are left to `make test-slow`."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import pytest


def combinations(
    axes: Mapping[str, Mapping[str, Any]], quick: Callable[..., bool], **options: Any
) -> pytest.MarkDecorator:
    """Parametrizes a test by every combination of the values of its axes.

    The rule: each value is tried by `make test`, with each value of another axis beside which other
    code runs. What is left says again what these say, of other numbers, and takes a program of its
    own to be compiled for it: `make test-slow` tries it.

    Args:
        axes: by the names of arguments, their values by name.
        quick: whether `make test` tries a combination; it is given the names of the values.
        options: of `pytest.mark.parametrize`.
    """
    cases, tried = [], set()
    for names in itertools.product(*axes.values()):
        values = [axis[name] for axis, name in zip(axes.values(), names, strict=True)]
        if is_quick := quick(*names):
            tried.update(zip(axes, names, strict=True))
        marks = () if is_quick else pytest.mark.slow
        cases.append(pytest.param(*values, id="-".join(names), marks=marks))
    left = {(axis, name) for axis, values in axes.items() for name in values} - tried
    assert not left, f"make test tries none of {left}"
    return pytest.mark.parametrize(list(axes), cases, **options)
