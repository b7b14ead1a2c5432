"""What a trained model says of new examples."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, overload

import jax
import numpy as np
from jaxtyping import Float, Int, Shaped

from lstm_jax.data import groups
from lstm_jax.data.kinds import Features, Tokens
from lstm_jax.data.padded import pad
from lstm_jax.data.preprocessing import encoded
from lstm_jax.data.sources import Example
from lstm_jax.errors import ConfigError
from lstm_jax.modules import Graph, merge, split
from lstm_jax.reporting.reporter import progress_bar, say
from lstm_jax.types import Array, Params

_TOKENS_A_SHAPE = 50_000
_SHAPES = 8


class Prediction(NamedTuple):
    """What an example is classified as."""

    label: str
    """The likeliest class."""
    probabilities: dict[str, float]
    """Of every class."""


class Predictions(Sequence[Prediction]):
    """The predictions of several examples, in their order.

    Attributes:
        classes: the names of the classes.
        probabilities: float64 [examples, classes].

    >>> predictions = Predictions(("neg", "pos"), np.array([[0.25, 0.75]]))
    >>> predictions.labels, predictions[0].probabilities["pos"]
    (['pos'], 0.75)
    """

    def __init__(
        self, classes: tuple[str, ...], probabilities: Float[np.ndarray, "examples classes"]
    ):
        self.classes = classes
        self.probabilities = probabilities

    @property
    def labels(self) -> list[str]:
        """The likeliest class of every example."""
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


def predict_classes(task: Any, use: Any, given: Any, *, batch_size: int = 64) -> Predictions:
    """What a classifier says of any number of examples: labels and probabilities.

        run.predict(["a great film", "not my kind of film"]).labels
        run.predict(open("texts.txt"))

    An example is read as in training: `data.max_length` cuts a text, and an empty one is a text of
    no words.

    Args:
        task: the classifier's.
        use: a trained model; a run gives it by itself.
        given: what the data read, in any iterable that has an order: texts, an open file of lines,
            arrays [time, features]; or the `pathlib.Path` of a file.
        batch_size: how many are computed side by side; the result does not depend on it.

    Raises:
        ConfigError: there is something else, or `batch_size` is below 1.
        DataError: an example is malformed.
    """
    del task
    outputs = predict(use, given, batch_size=batch_size)
    return to_predictions(use.preprocessor.targets.names, outputs)


def predict(use: Any, given: Any, *, batch_size: int = 64) -> Float[np.ndarray, "examples ..."]:
    """The outputs of a model for what a caller hands over, in float64.

    For capabilities of tasks whose model maps inputs [time, batch, ...] and lengths [batch] to
    outputs [batch, ...].

    Args:
        use: a trained model, its data and their preprocessor.
        given: what `use.data.read` takes, or a list of examples.
        batch_size: how many are computed side by side; the result does not depend on it.

    Raises:
        ConfigError: there is something else, or `batch_size` is below 1.
        DataError: an example is malformed.
    """
    is_read = isinstance(given, list) and all(isinstance(one, Example) for one in given)
    if getattr(given, "shape", None) == ():  # which looks as if one could go through it
        raise ConfigError(f"a list of sequences is needed, not one number: {given}")
    examples = given if is_read else list(use.data.read(given))
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1, got {batch_size}")
    read = [encoded(use.preprocessor, example) for example in examples]
    kind = use.preprocessor.inputs
    dropped = [one.dropped for one in read]
    if any(dropped):
        count = f"{sum(dropped):,} {kind.unit} of {sum(map(bool, dropped)):,} examples"
        say(f"{count} are dropped")
    sequences = [one.inputs for one in read]
    return outputs_of(use.model, kind, sequences, batch_size=batch_size)


def to_predictions(
    classes: tuple[str, ...], logits: Float[np.ndarray, "examples classes"]
) -> Predictions:
    """Logits as probabilities of named classes."""
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return Predictions(classes, exponents / exponents.sum(axis=1, keepdims=True))


def to_record(prediction: Any) -> dict[str, Any]:
    """A prediction of any task as plain Python, ready for JSON.

    >>> to_record(Prediction("pos", {"pos": 1.0})), to_record(np.array([0.5]))
    ({'label': 'pos', 'probabilities': {'pos': 1.0}}, {'values': [0.5]})
    """
    if hasattr(prediction, "_asdict"):
        return prediction._asdict()
    if isinstance(prediction, Mapping):
        return dict(prediction)
    return {"values": np.asarray(prediction).tolist()}


def outputs_of(
    model: Any,
    kind: Tokens | Features,
    sequences: Sequence[Shaped[np.ndarray, "_ ..."]],
    *,
    batch_size: int,
    shapes: int = _SHAPES,
) -> Float[np.ndarray, "sequences ..."]:
    """The outputs of a model for sequences of any number and any lengths from 1 on, in float64.

    They are padded to few lengths, so that at most `shapes` programs are compiled, and that little
    of what is computed is padding. The result does not depend on what stands beside a sequence.

    Args:
        model: maps inputs [time, batch, ...] and lengths [batch] to outputs [batch, ...].
        kind: what a step of a sequence is.
        sequences: encoded inputs.
        batch_size: the most sequences in a batch.
        shapes: the most shapes that batches may have.
    """
    if not sequences:
        graph, params = split(model)
        one = jax.ShapeDtypeStruct((1, 1, *kind.shape), kind.dtype)
        lengths = jax.ShapeDtypeStruct((1,), np.int32)
        shape = jax.eval_shape(functools.partial(_outputs, graph), params, one, lengths).shape
        return np.zeros((0, *shape[1:]))
    outputs = None
    for members, values in batches(model, kind, sequences, batch_size, shapes):
        found = np.asarray(values)[: len(members)]
        if outputs is None:
            outputs = np.zeros((len(sequences), *found.shape[1:]))
        outputs[members] = found
    assert outputs is not None
    return outputs


def batches(
    model: Any,
    kind: Tokens | Features,
    sequences: Sequence[np.ndarray],
    batch_size: int,
    shapes: int = _SHAPES,
) -> Iterator[tuple[Int[np.ndarray, " members"], Any]]:
    """The outputs of a model batch by batch, each with the places of its sequences in the list.

    For outputs that fit no one array; for the arguments see `outputs_of`. Rows behind the sequences
    only fill up.
    """
    graph, params = split(model)
    if not sequences:
        return
    lengths = np.array([len(sequence) for sequence in sequences])
    # No more rows than there are sequences, rounded up so that few numbers of them are compiled.
    size = min(batch_size, 1 << (len(sequences) - 1).bit_length())
    # To compile one more shape takes as long as to compute so many tokens.
    shapes = min(shapes, 1 + int(lengths.sum() * kind.cost) // _TOKENS_A_SHAPE)
    waiting = None
    parts = groups.group(_rounded(lengths, coarse=shapes == 1), size, shapes, kind.cost)
    for batch in progress_bar(groups.batches(parts), "predict"):
        members = [sequences[i] for i in batch.members]
        inputs = pad(members, batch.length, batch.rows, kind)
        valid = np.ones(batch.rows, np.int32)
        valid[: len(members)] = lengths[batch.members]
        # The next batch is laid out while the one before is computed.
        started = batch.members, _outputs(graph, params, inputs, valid)
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
def _outputs(
    graph: Graph,
    params: Params,
    inputs: Shaped[Array, "time batch ..."],
    lengths: Int[Array, " batch"],
) -> Any:
    return merge(graph, params)(inputs, lengths)
