"""What a model has to know of its data: what goes in, what comes out, how both are encoded.

A `Preprocessor` is learned from the training part by `Data.fit`, saved with the run, and is all
that building the model, predicting and streaming need of the data.
"""

import abc
import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from lstm_jax.config.saved import to_json
from lstm_jax.data.kinds import Classes, Features, Tokens, Values
from lstm_jax.data.sources import Example, Source
from lstm_jax.errors import DataError

P = TypeVar("P", bound="Preprocessor")


class Encoded(NamedTuple):
    """What a model reads of an example."""

    inputs: np.ndarray
    """Tokens int32 [time], or vectors float32 [time, features]; at least one step."""
    dropped: int = 0
    """Steps of the example beyond `max_length`, or whatever else limits it."""


@dataclasses.dataclass(frozen=True)
class Preprocessor(abc.ABC):
    """What goes into a model, what comes out, and how examples become both.

    A subclass is a frozen dataclass whose fields a config can hold: what is given (a length, a
    rate), and what `fit` learns (a vocabulary, means), with defaults until then. It is saved as
    `preprocessor.json`.
    """

    @property
    @abc.abstractmethod
    def inputs(self) -> Tokens | Features:
        """What a model reads at each step."""

    @property
    @abc.abstractmethod
    def targets(self) -> Tokens | Classes | Values:
        """What it says."""

    def fit(self: P, source: Source, given: "Preprocessor | None" = None) -> P:
        """The same with what is to be learned of the training part; by default nothing is.

        Args:
            source: of the examples.
            given: that of the run whose parameters a model starts from. What inputs mean to those
                parameters (ids, a scaling) is taken from it.

        Raises:
            DataError: the source cannot be read, or has nothing to learn from.
        """
        del source, given
        return self

    @abc.abstractmethod
    def encode(self, example: Example) -> Encoded:
        """The inputs of an example, which may have no target.

        Raises:
            DataError: they are not what `inputs` says.
        """

    def encode_target(self, example: Example) -> Any:
        """The target of an example, in the dtype and shape of `targets`.

        Raises:
            DataError: it has none, or a wrong one.
        """
        kind = self.targets
        if isinstance(kind, Tokens):
            raise DataError(f"{type(self).__name__} has no target for a whole example")
        return kind.encode(example.target, example.place)

    def decode(self, output: Any) -> Any:
        """Outputs in the words of the data: ids of classes as names, numbers in their units."""
        kind = self.targets
        if isinstance(kind, Tokens):
            raise DataError(f"{type(self).__name__} does not say what a token means")
        return kind.decode(output)

    def facts(self, inputs: Sequence[np.ndarray]) -> Mapping[str, int | float]:
        """Figures about encoded inputs that stand beside metrics; by default none."""
        del inputs
        return {}

    def describe_facts(self, facts: Mapping[str, int | float]) -> list[str]:
        """Those of `facts` that are to be said wherever a split is described; by default none."""
        del facts
        return []

    def describe(self) -> str:
        """What was learned, in a few words for people."""
        return f"{self.inputs.describe()} to {self.targets.describe()}"

    @property
    def digest(self) -> str:
        """The SHA-256 of what is saved: with equal digests every number means the same."""
        return hashlib.sha256(to_json(self).encode()).hexdigest()


def encoded(preprocessor: Preprocessor, example: Example) -> Encoded:
    """What a preprocessor encodes, once it is known to be what its `inputs` say.

    Raises:
        DataError: it is something else: of another shape or dtype, without a step, with an id that
            there is not, or a number that is not finite.
    """
    kind, found = preprocessor.inputs, preprocessor.encode(example)
    name = f"{example.place}: {type(preprocessor).__name__}"
    if not isinstance(found, Encoded):
        raise DataError(f"{name} must encode it as Encoded(array), not {type(found).__name__}")
    inputs = found.inputs
    if not isinstance(inputs, np.ndarray):
        raise DataError(f"{name} must encode it as an array of NumPy, not {type(inputs).__name__}")
    fits = inputs.dtype.kind == np.dtype(kind.dtype).kind and inputs.shape[1:] == kind.shape
    if not fits or not len(inputs):
        got = f"{inputs.dtype.name} {list(inputs.shape)}"
        raise DataError(f"{name} encodes it as {got}, and not as steps of {kind.describe()}")
    if isinstance(kind, Tokens) and not 0 <= inputs.min() <= inputs.max() < kind.size:
        raise DataError(f"{name} encodes it with an id that is not one of {kind.describe()}")
    inputs = narrowed(inputs, kind.dtype)
    if not np.isfinite(inputs).all():
        raise DataError(f"{name} encodes it with a number that is not finite, or not in float32")
    return found._replace(inputs=inputs)


def encoded_target(preprocessor: Preprocessor, example: Example) -> np.ndarray:
    """The target that a preprocessor encodes, once it is known to be what its `targets` say.

    Raises:
        DataError: it is something else: of another shape or dtype, a class that there is not, or a
            number that is not finite.
    """
    kind, found = preprocessor.targets, preprocessor.encode_target(example)
    name = f"{example.place}: {type(preprocessor).__name__}"
    try:
        target = np.asarray(found)
    except ValueError:  # lists of several lengths
        target = np.array(None)
    numbers = "iu" if isinstance(kind, Classes) else "iuf"
    if target.dtype.kind not in numbers or target.shape != kind.shape:
        wanted = f"{np.dtype(kind.dtype).name} {list(kind.shape)}"
        raise DataError(f"{name} encodes its target as {found!r}, and not as {wanted}")
    if isinstance(kind, Classes) and not 0 <= target < len(kind.names):
        raise DataError(f"{name} encodes its target as {found!r}, not as one of {kind.describe()}")
    target = narrowed(target, kind.dtype)
    if not np.isfinite(target).all():
        raise DataError(f"{name} encodes its target with a number that is not finite: {found!r}")
    return target


def narrowed(array: np.ndarray, dtype: type) -> np.ndarray:
    """The array in a dtype; what is too large for it becomes infinite."""
    with np.errstate(over="ignore"):
        return array.astype(dtype, copy=False)


def as_steps(values: Any, place: str, kind: Features) -> np.ndarray:
    """Vectors as float32 [time, features]; numbers alone are vectors of one feature.

    >>> as_steps([1, 2, 3], "line 1", Features(1)).shape
    (3, 1)

    Raises:
        DataError: there is no step, another number of features, or a number that is not finite.
    """
    try:
        found = np.asarray(values)
        # Of complex numbers, dates and masks a part would be lost; text may say numbers.
        if found.dtype.kind not in "biufOU" or isinstance(values, np.ma.MaskedArray):
            raise TypeError
        found = narrowed(found, np.float32)
    except (TypeError, ValueError):
        raise DataError(f"{place}: expected numbers [time, {kind.size}]") from None
    if found.ndim == 1:
        found = found[:, None]
    if found.ndim != 2 or found.shape[1] != kind.size or not len(found):
        got = list(np.shape(values))
        raise DataError(
            f"{place}: expected numbers [time, {kind.size}], of at least one step, got {got}"
        )
    if not np.isfinite(found).all():
        raise DataError(f"{place}: a number is not finite")
    return found
