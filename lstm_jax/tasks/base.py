"""The contract of a task: a model, its loss, and how its metrics are named.

The training loop never learns which task runs.
"""

import abc
import dataclasses
from typing import Any, ClassVar, Literal, NamedTuple

from flax import nnx

from lstm_jax.cells.base import Cell
from lstm_jax.data.text.vocabulary import Vocabulary
from lstm_jax.errors import ConfigError
from lstm_jax.metrics.means import Metric
from lstm_jax.types import Array, Batch, Carry, Key


class Output(NamedTuple):
    """What a batch leaves behind beside its loss."""

    carry: Carry
    """The carry for the next batch of the same columns; `()` where a task is stateless."""
    metrics: dict[str, Metric]
    """Sums that are merged over batches."""


class Score(NamedTuple):
    """The metric by which checkpoints are compared.

    >>> Score("accuracy", "max").improves(0.9, 0.8)
    True
    """

    metric: str
    direction: Literal["min", "max"]

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

    pretrained: str | None = dataclasses.field(default=None, kw_only=True)
    """A run directory. The model starts from its vocabulary, embedding and recurrent layers, which
    must fit; `~` and `$VARIABLE` are replaced. Needed until the first checkpoint is saved."""

    @property
    @abc.abstractmethod
    def score(self) -> Score:
        """The entry of `summarize` that selects the best checkpoint."""

    @property
    def reads_unknown(self) -> bool:
        """Whether training reads tokens as unknown that are not, so that `<unk>` is trained."""
        return False

    @abc.abstractmethod
    def build(self, rngs: nnx.Rngs, vocabulary: Vocabulary) -> nnx.Module:
        """A model with fresh parameters."""

    @abc.abstractmethod
    def initial_carry(self, batch_size: int) -> Carry:
        """The carry before the first batch; `()` where the task is stateless."""

    @abc.abstractmethod
    def loss(self, model: Any, batch: Batch, carry: Carry, key: Key | None) -> tuple[Array, Output]:
        """The scalar to be minimized, and the `Output`. Without a key there is no noise."""

    @abc.abstractmethod
    def summarize(self, metrics: dict[str, Any], vocabulary: Vocabulary) -> dict[str, float]:
        """Merged sums as the figures people read: perplexity, accuracy, ..."""

    def details(self, metrics: dict[str, Any], vocabulary: Vocabulary) -> dict[str, Any]:
        """What an evaluation says beyond figures, such as a confusion matrix; else nothing."""
        del metrics, vocabulary
        return {}


def cells_of(cell: Cell | tuple[Cell, ...], layers: int) -> tuple[Cell, ...]:
    """The cell of every layer, given one for all of them or one for each.

    >>> from lstm_jax.cells import LSTM
    >>> [cell.hidden for cell in cells_of(LSTM(hidden=8), 2)]
    [8, 8]

    Raises:
        ConfigError: there are more or fewer cells than layers, or no layers.
    """
    cells = cell if isinstance(cell, tuple) else (cell,) * layers
    if len(cells) != layers:
        raise ConfigError(f"layers is {layers} but cell has {len(cells)} cells")
    if layers < 1:
        raise ConfigError("there must be at least one layer")
    return cells


def check_rates(task: Task, *names: str) -> None:
    """Makes sure that fields are probabilities below 1.

    Raises:
        ConfigError: one is not.
    """
    for name in names:
        if not 0 <= getattr(task, name) < 1:
            raise ConfigError(f"{name} lies in [0, 1), not {getattr(task, name)}")
