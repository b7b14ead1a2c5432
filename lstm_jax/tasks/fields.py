"""What fields of tasks may hold."""

from typing import Any

from lstm_jax.cells.base import Cell
from lstm_jax.data.kinds import Classes, Features, Tokens
from lstm_jax.data.preprocessing import Preprocessor
from lstm_jax.errors import ConfigError
from lstm_jax.modules import LayerConfig

AnyLayer = Cell | LayerConfig
"""What stands for a layer in a config: a cell, or what makes another kind of layer."""


def cells_of(cell: AnyLayer | tuple[AnyLayer, ...], layers: int) -> tuple[AnyLayer, ...]:
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


def check_rates(task: Any, *names: str) -> None:
    """Makes sure that fields are probabilities below 1.

    Raises:
        ConfigError: one is not.
    """
    for name in names:
        if not 0 <= getattr(task, name) < 1:
            raise ConfigError(f"{name} lies in [0, 1), not {getattr(task, name)}")


def check_inputs(task: Any, kind: Tokens | Features) -> None:
    """Makes sure that a task has no option for what its data have not.

    Args:
        task: with an `embedding` and a `word_dropout`.
        kind: what the data's inputs are.

    Raises:
        ConfigError: it has one.
    """
    if isinstance(kind, Tokens):
        if task.embedding is None:
            raise ConfigError("embedding=None reads vectors as they are, and these are tokens")
        if task.word_dropout and kind.unknown is None:
            raise ConfigError("word_dropout: the tokens have none for unknown words")
        return
    for name in ("embedding_dropout", "word_dropout", "language_modeling"):
        if getattr(task, name):
            raise ConfigError(f"{name} is for tokens, and these are {kind.describe()}: set it to 0")


def classes_of(preprocessor: Preprocessor) -> tuple[str, ...]:
    """The names of the classes of the data.

    Raises:
        ConfigError: their targets are none.
    """
    if not isinstance(preprocessor.targets, Classes):
        raise ConfigError("the data have no classes: classification needs labelled examples")
    return preprocessor.targets.names
