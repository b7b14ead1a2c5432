"""The contract of a task: a model, its loss, and how its metrics are named.

The training loop never learns which task runs.
"""

import abc
import dataclasses
import functools
import operator
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float

from lstm_jax.data.preprocessing import Preprocessor
from lstm_jax.errors import ConfigError
from lstm_jax.metrics.means import Metric
from lstm_jax.tasks.capabilities import Use
from lstm_jax.types import Array, Batch, Carry, Key


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=("total", "count"), meta_fields=("weight",)
)
@dataclasses.dataclass(frozen=True)
class Term:
    """A part of what is minimized: `weight * total / count`, with the sums of the whole batch.

    So parts of a batch, on several devices or one after another, add up to the whole exactly.
    """

    # Arrays; JAX makes terms of other things as well, such as the shapes of arrays.
    total: Any
    """The sum over the examples, or steps, that count."""
    count: Any
    """How many there are."""
    weight: float = 1.0


class Output(NamedTuple):
    """What a task makes of a batch."""

    terms: dict[str, Term]
    """The parts of the loss."""
    carry: Carry
    """The carry for the next batch of the same columns; `()` where a task is stateless."""
    metrics: dict[str, Metric]
    """Sums that are merged over batches."""
    rows: dict[str, Array] | None = None
    """Arrays [batch, ...], a row for each example, which evaluation keeps on the host; if any."""


def minimized(terms: dict[str, Term]) -> Float[Array, ""]:
    """The scalar that an optimizer step lowers.

    >>> float(minimized({"a": Term(jnp.array(6.0), 3), "b": Term(jnp.array(1.0), 2, weight=0.5)}))
    2.25
    """

    def part(term: Term) -> Array:
        # A weight of 1 is no operation. Where nothing counts, the term is 0 and not NaN.
        total = term.total if term.weight == 1 else term.weight * term.total
        return total / jnp.where(term.count == 0, 1, term.count).astype(total.dtype)

    return functools.reduce(operator.add, map(part, terms.values()))


@dataclasses.dataclass(frozen=True)
class Score:
    """The metric by which checkpoints are compared.

    >>> Score("accuracy", "max").improves(0.9, 0.8)
    True

    Raises:
        ConfigError: the direction is none.
    """

    metric: str
    direction: Literal["min", "max"]

    def __post_init__(self):
        if self.direction not in ("min", "max"):
            raise ConfigError(f"the direction of a score is min or max, not {self.direction!r}")

    @property
    def worst(self) -> float:
        """What every value improves on."""
        return float("inf") if self.direction == "min" else float("-inf")

    def improves(self, value: float, best: float) -> bool:
        """Whether `value` beats `best`. NaN never does."""
        return value < best if self.direction == "min" else value > best


@dataclasses.dataclass(frozen=True)
class Task(abc.ABC):
    """A frozen dataclass of the hyperparameters of a model and its loss.

    What only some tasks can do, such as `generate`, is a method of that task; `Run` reaches it.
    """

    BATCH: ClassVar[type]
    """The batches that the task learns from."""
    PREPROCESSOR: ClassVar[type] = Preprocessor
    """What must be known of the data."""
    OWN: ClassVar[tuple[str, ...]] = ()
    """Parts of the model that mean nothing to another task: `pretrained` leaves them behind."""

    pretrained: str | None = dataclasses.field(default=None, kw_only=True)
    """A run directory. The model starts from the parts that its model has as well, but for those of
    `OWN`, which must fit, and its data from what their inputs mean there (a vocabulary); `~` and
    `$VARIABLE` are replaced. Needed until the first checkpoint is saved."""

    @property
    @abc.abstractmethod
    def score(self) -> Score:
        """The entry of `summarize` that selects the best checkpoint."""

    def check(self, preprocessor: Preprocessor, dataset: Any) -> None:
        """Says before the first step what of the data cannot fit; by default all does.

        Raises:
            ConfigError: something cannot; in one line.
        """
        del preprocessor, dataset

    def describe(self, preprocessor: Preprocessor) -> list[str]:
        """What is to be said of the task before the first step, in lines; by default nothing."""
        del preprocessor
        return []

    def warn(self, dataset: Any) -> list[str]:
        """What a new run may regret, in lines; by default nothing."""
        del dataset
        return []

    @abc.abstractmethod
    def build(self, rngs: nnx.Rngs, preprocessor: Preprocessor) -> nnx.Module:
        """A model with fresh parameters."""

    def initial_carry(self, model: Any, batch_size: int) -> Carry:
        """The carry before the first batch: that of the model."""
        return model.initial_carry(batch_size)

    @abc.abstractmethod
    def loss(self, model: Any, batch: Batch, carry: Carry, key: Key | None) -> Output:
        """What training makes of a batch. Without a key there is no noise."""

    def observe(self, model: Any, batch: Batch, carry: Carry, key: Key) -> Output:
        """What evaluation makes of a batch; by default the loss, without noise.

        What it returns as `rows` is put into the order of `batch.place`. Where it draws, the key of
        an example is `fold_in(key, place)`, so that no figure depends on how batches are cut.
        """
        del key
        return self.loss(model, batch, carry, None)

    @abc.abstractmethod
    def summarize(
        self, sums: dict[str, Any], rows: dict[str, np.ndarray], preprocessor: Preprocessor
    ) -> dict[str, float]:
        """The figures people read, of merged sums: perplexity, accuracy, ...

        Args:
            sums: the metrics of `loss` or `observe`, merged.
            rows: what `observe` kept of every example, in the order of their places; empty of
                training. Before the first step it is asked once for one batch alone, for its names.
            preprocessor: that of the data.
        """

    def details(
        self, sums: dict[str, Any], rows: dict[str, np.ndarray], preprocessor: Preprocessor
    ) -> dict[str, Any]:
        """What an evaluation says beyond figures, such as a confusion matrix; else nothing."""
        del sums, rows, preprocessor
        return {}

    def calibrate(self, use: Use) -> dict[str, Any] | None:
        """What is learned from validation data once the model is trained; by default nothing.

        Thresholds, quantiles, a temperature: whatever JSON can hold. A run saves it beside its
        checkpoint, and capabilities find it in `use.calibration`.
        """
        del use
        return None
