"""What inputs and targets are: tokens, vectors of features, classes, values."""

import dataclasses
import functools
from typing import Any, ClassVar

import numpy as np

from lstm_jax.errors import DataError

_EMBEDDED = 128
"""Numbers that a token is about as costly as, once it is an embedding vector."""


@dataclasses.dataclass(frozen=True)
class Tokens:
    """Ids of tokens, int32: one for each step of a sequence."""

    dtype: ClassVar[type] = np.int32
    shape: ClassVar[tuple[int, ...]] = ()
    cost: ClassVar[float] = 1.0
    unit: ClassVar[str] = "tokens"

    size: int
    """How many there are."""
    fill: int = 0
    """What stands where a sequence has ended."""
    unknown: int | None = None
    """The token for all that have no id, if there is one."""

    def __post_init__(self):
        _check_size(self)

    def describe(self) -> str:
        """The kind for people."""
        return f"{self.size:,} tokens"


@dataclasses.dataclass(frozen=True)
class Features:
    """Vectors of real numbers, float32 [features]: one for each step of a sequence."""

    dtype: ClassVar[type] = np.float32
    fill: ClassVar[float] = 0.0
    unit: ClassVar[str] = "steps"

    size: int
    """Features of a vector."""
    relative_cost: float | None = None
    """What a step costs, as a multiple of what a token does. By default that of a layer which reads
    each vector; samples of sound of which a model makes one vector for 160 cost 1 / 160."""

    def __post_init__(self):
        _check_size(self)
        if self.relative_cost is not None and not self.relative_cost > 0:
            raise DataError(f"a step costs something, not {self.relative_cost}")

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one step."""
        return (self.size,)

    @property
    def cost(self) -> float:
        """What a step costs, as a multiple of what a token does."""
        return max(1.0, self.size / _EMBEDDED) if self.relative_cost is None else self.relative_cost

    def describe(self) -> str:
        """The kind for people."""
        return f"vectors of {self.size:,} features"


@dataclasses.dataclass(frozen=True)
class Classes:
    """One of several classes, int32: its place among the names."""

    dtype: ClassVar[type] = np.int32
    shape: ClassVar[tuple[int, ...]] = ()

    names: tuple[str, ...]

    def __post_init__(self):
        if not isinstance(self.names, tuple) or not all(isinstance(x, str) for x in self.names):
            raise DataError(f"the names of classes are a tuple of texts, not {self.names!r}")
        if len(self.names) < 2 or len(set(self.names)) != len(self.names):
            raise DataError(
                f"a classifier tells at least 2 classes apart, each of its own name: {self.names}"
            )

    def encode(self, target: Any, place: str) -> int:
        """The id of a class.

        Raises:
            DataError: there is no target, or no such class.

        >>> Classes(("neg", "pos")).encode("pos", "line 1")
        1
        """
        if target is None:
            raise DataError(
                f"{place}: no label; a classifier learns from and is measured on labelled examples"
            )
        if not isinstance(target, str) or target not in self._ids:
            raise DataError(f"{place}: label {target!r} is not one of {', '.join(self.names)}")
        return self._ids[target]

    def decode(self, ids: Any) -> list[str]:
        """The names of classes, [batch] ids."""
        return [self.names[i] for i in np.asarray(ids)]

    def describe(self) -> str:
        """The kind for people."""
        return f"{len(self.names)} classes"

    @functools.cached_property
    def _ids(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.names)}


@dataclasses.dataclass(frozen=True)
class Values:
    """Real numbers, float32 [size]."""

    dtype: ClassVar[type] = np.float32

    size: int = 1

    def __post_init__(self):
        _check_size(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one target."""
        return (self.size,)

    def encode(self, target: Any, place: str) -> np.ndarray:
        """The numbers of a target, as given, float32 [size].

        Raises:
            DataError: there are none, or of another shape, or one is not finite.

        >>> Values().encode(0.5, "line 1")
        array([0.5], dtype=float32)
        """
        if target is None:
            raise DataError(f"{place}: no target")
        try:
            found = np.asarray(target, np.float32).reshape(-1)
        except (TypeError, ValueError):
            found = np.array([])
        if len(found) != self.size or not np.isfinite(found).all():
            wanted = f"{self.size} finite number{'s' * (self.size > 1)}"
            raise DataError(f"{place}: the target must be {wanted}, got {target!r}")
        return found

    def decode(self, output: Any) -> np.ndarray:
        """The numbers as they are, float64 [batch, size]."""
        return np.asarray(output, np.float64)

    def describe(self) -> str:
        """The kind for people."""
        return "1 number" if self.size == 1 else f"{self.size} numbers"


def _check_size(kind: Tokens | Features | Values) -> None:
    if not isinstance(kind.size, int) or isinstance(kind.size, bool) or kind.size < 1:
        name = type(kind).__name__
        raise DataError(f"the size of {name} is a whole number of at least 1, not {kind.size!r}")
