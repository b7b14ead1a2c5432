"""What a trained classifier says of texts."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, overload

import jax
import numpy as np
from jaxtyping import Float, Int

from lstm_jax.data import groups
from lstm_jax.data.padded import pad
from lstm_jax.errors import ConfigError
from lstm_jax.modules import Graph, merge, split
from lstm_jax.reporting.reporter import progress_bar, say
from lstm_jax.types import Array, Params

_TOKENS_A_SHAPE = 50_000


class Prediction(NamedTuple):
    """What a text is classified as."""

    label: str
    """The likeliest class."""
    probabilities: dict[str, float]
    """Of every class."""


class Predictions(Sequence[Prediction]):
    """The predictions of several texts, in their order.

    Attributes:
        classes: the names of the classes.
        probabilities: float64 [texts, classes].

    >>> predictions = Predictions(("neg", "pos"), np.array([[0.25, 0.75]]))
    >>> predictions.labels, predictions[0].probabilities["pos"]
    (['pos'], 0.75)
    """

    def __init__(self, classes: tuple[str, ...], probabilities: Float[np.ndarray, "texts classes"]):
        self.classes = classes
        self.probabilities = probabilities

    @property
    def labels(self) -> list[str]:
        """The likeliest class of every text."""
        return [self.classes[i] for i in self.probabilities.argmax(axis=1)]

    def __len__(self) -> int:
        return len(self.probabilities)

    @overload
    def __getitem__(self, index: int) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> "Predictions": ...
    def __getitem__(self, index: int | slice) -> "Prediction | Predictions":
        if isinstance(index, slice):
            return Predictions(self.classes, self.probabilities[index])
        row = self.probabilities[index]
        return Prediction(
            self.classes[row.argmax()], dict(zip(self.classes, row.tolist(), strict=True))
        )

    def __repr__(self) -> str:
        return f"Predictions({list(self)!r})" if len(self) <= 10 else f"<{len(self)} predictions>"


def predict_texts(
    task: Any, use: Any, texts: Iterable[str], *, batch_size: int = 64
) -> Predictions:
    """What a classifier says of texts, any number of them: labels and probabilities.

        run.predict(["a great film", "not my kind of film"]).labels
        run.predict(open("texts.txt"))

    A text is read as in training: `data.max_length` cuts it, and an empty one is a text of no
    words.

    Args:
        task: the classifier's.
        use: a trained model; a run gives it by itself.
        texts: the texts, in any iterable that has an order, or an open file of lines.
        batch_size: how many are computed side by side; the result does not depend on it.

    Raises:
        ConfigError: there is something else than texts, or `batch_size` is below 1.
    """
    del task
    listed = use.data.read(texts)
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1, got {batch_size}")
    sequences, dropped = use.data.encode_all(listed, use.vocabulary)
    if dropped:
        say(dropped)
    options = {"batch_size": batch_size, "shapes": use.data.groups, "fill": use.vocabulary.start}
    return predict(use.model, use.vocabulary.classes, sequences, **options)


def predict(
    model: Any,
    classes: tuple[str, ...],
    sequences: Sequence[Int[np.ndarray, " _"]],
    *,
    batch_size: int,
    shapes: int,
    fill: int,
) -> Predictions:
    """Classifies sequences of tokens of any number and any lengths from 1 on.

    They are padded to few lengths, so that at most `shapes` programs are compiled, and that little
    of what is computed is padding. The result does not depend on what stands beside a text.

    Args:
        model: a `Classifier`.
        classes: the names of what it tells apart.
        sequences: tokens of the texts, int32.
        batch_size: the most texts in a batch.
        shapes: the most shapes that batches may have.
        fill: what stands in the padding.
    """
    options = {"batch_size": batch_size, "shapes": shapes, "fill": fill}
    logits = logits_of(model, len(classes), sequences, **options)
    return to_predictions(classes, logits)


def to_predictions(
    classes: tuple[str, ...], logits: Float[np.ndarray, "texts classes"]
) -> Predictions:
    """Logits as probabilities of named classes."""
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return Predictions(classes, exponents / exponents.sum(axis=1, keepdims=True))


def logits_of(
    model: Any,
    classes: int,
    sequences: Sequence[Int[np.ndarray, " _"]],
    *,
    batch_size: int,
    shapes: int,
    fill: int,
) -> Float[np.ndarray, "texts classes"]:
    """The logits of all sequences, in float64; for the arguments see `predict`."""
    graph, params = split(model)
    logits = np.zeros((len(sequences), classes))
    for members, values in _batches(graph, params, sequences, batch_size, shapes, fill):
        logits[members] = np.asarray(values)[: len(members)]
    return logits


def _batches(
    graph: Graph,
    params: Params,
    sequences: Sequence[np.ndarray],
    batch_size: int,
    shapes: int,
    fill: int,
) -> Iterator[tuple[np.ndarray, Array]]:
    """The places of the sequences in each batch, and their logits."""
    if not sequences:
        return
    lengths = np.array([len(sequence) for sequence in sequences])
    # No more rows than there are texts, rounded up so that few numbers of them are compiled.
    size = min(batch_size, 1 << (len(sequences) - 1).bit_length())
    # To compile one more shape takes as long as to compute so many tokens.
    shapes = min(shapes, 1 + int(lengths.sum()) // _TOKENS_A_SHAPE)
    waiting = None
    parts = groups.group(_rounded(lengths, coarse=shapes == 1), size, shapes)
    for batch in progress_bar(groups.batches(parts), "predict"):
        members = [sequences[i] for i in batch.members]
        inputs = pad(members, batch.length, batch.rows, fill)
        valid = np.ones(batch.rows, np.int32)
        valid[: len(members)] = lengths[batch.members]
        # The next batch is laid out while the one before is computed.
        started = batch.members, _logits(graph, params, inputs, valid)
        if waiting is not None:
            yield waiting
        waiting = started
    if waiting is not None:
        yield waiting


def _rounded(lengths: Int[np.ndarray, " _"], coarse: bool) -> Int[np.ndarray, " _"]:
    """Lengths rounded up to few different ones, so that other texts find them compiled.

    Coarse: to a power of two from 16 on. Otherwise to five significant bits, by at most 6%.
    """
    bits = np.frexp(np.maximum(lengths - 1, 1))[1]
    step = 1 << np.maximum(bits if coarse else bits - 5, 0)
    rounded = -(-lengths // step) * step
    return np.maximum(rounded, 16) if coarse else rounded


@functools.partial(jax.jit, static_argnums=0)
def _logits(
    graph: Graph,
    params: Params,
    tokens: Int[Array, "time batch"],
    lengths: Int[Array, " batch"],
) -> Float[Array, "batch classes"]:
    return merge(graph, params)(tokens, lengths)
