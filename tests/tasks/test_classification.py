"""The loss of a classifier, and what has no part in it."""

import dataclasses
import functools
import inspect
from typing import Any

import jax
import numpy as np
import pytest

from lstm_jax.cells import LSTM, SimpleRNN
from lstm_jax.config.saved import from_json, to_json
from lstm_jax.config.tree import override
from lstm_jax.data import LabelledTextPreprocessor, PaddedBatch, TextPreprocessor, Vocabulary
from lstm_jax.errors import ConfigError
from lstm_jax.functional.adversarial import Adversarial, VirtualAdversarial
from lstm_jax.modules import merge, split, structure
from lstm_jax.tasks import Classification
from lstm_jax.tasks.base import minimized
from tests.reference import assert_close, drawn

CLASSES = ("bad", "dull", "good")
VOCABULARY = Vocabulary((*"abcdefg", "<eos>", "<unk>"), "words")
PREPROCESSOR = LabelledTextPreprocessor(VOCABULARY, CLASSES)
TASK = Classification(cell=SimpleRNN(hidden=3), embedding=4)
LM = dataclasses.replace(TASK, bidirectional=False, language_modeling=0.5)
KEY = jax.random.key(0)
TIME, BATCH, MASKED = 6, 5, 3


def batch(seed: int = 0) -> PaddedBatch:
    """Texts, of which one only fills the batch up."""
    random = np.random.default_rng(seed)
    tokens = random.integers(len(VOCABULARY), size=(TIME, BATCH)).astype(np.int32)
    lengths = np.array([6, 1, 4, 2, 5], np.int32)
    mask = np.ones(BATCH, np.float32)
    mask[MASKED] = 0
    place = np.array([3, 1, 0, -1, 2], np.int32)
    return PaddedBatch(tokens, lengths, np.array([0, 2, 1, 0, 2], np.int32), mask, place)


@functools.cache
def first(task: Classification) -> tuple[Any, Any]:
    """The structure and the parameters, which are the same whatever the noise."""
    return split(drawn(lambda rngs: task.build(rngs, PREPROCESSOR)))


@functools.partial(jax.jit, static_argnums=(0, 1))
def differentiated(task: Classification, graph: Any, params: Any, given: Any, key: Any) -> Any:
    """((loss, (metrics, logits without noise)), gradient)"""

    def loss(params: Any) -> Any:
        model = merge(graph, params)
        output = task.loss(model, given, (), key)
        assert output.carry == task.initial_carry(model, BATCH) == ()
        return minimized(output.terms), (output.metrics, model(given.inputs, given.lengths))

    return jax.value_and_grad(loss, has_aux=True)(params)


def results(task: Classification, given: PaddedBatch | None = None, key: Any = None) -> Any:
    return differentiated(task, *first(task), batch() if given is None else given, key)


@functools.partial(jax.jit, static_argnums=(0, 1))
def valued(task: Classification, graph: Any, params: Any, given: Any, key: Any) -> Any:
    return minimized(task.loss(merge(graph, params), given, (), key).terms)


def loss_of(task: Classification, key: Any = None) -> float:
    return float(valued(task, *first(task), batch(), key))


# ---- loss ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "smoothing"), [(None, 0.0), ((1.0, 3.0, 0.5), 0.2)], ids=["plain", "weighted"]
)
def test_the_loss_by_hand(weights, smoothing):
    task = dataclasses.replace(TASK, class_weights=weights, label_smoothing=smoothing)
    given = batch()
    (loss, (metrics, logits)), gradient = jax.tree.map(np.asarray, results(task, given))
    minus_log = np.log(np.exp(logits).sum(axis=1, keepdims=True)) - logits
    total, share, nats, right = 0.0, 0.0, 0.0, 0
    for row in set(range(BATCH)) - {MASKED}:
        label = given.targets[row]
        weight = 1.0 if weights is None else weights[label]
        cost = (1 - smoothing) * minus_log[row, label] + smoothing * minus_log[row].mean()
        total, share = total + weight * cost, share + weight
        nats += minus_log[row, label]
        right += int(np.argmax(logits[row]) == label)
    np.testing.assert_allclose(loss, total / share, rtol=1e-5)
    # What is measured knows neither weights nor smoothing.
    assert metrics.keys() == {"nats", "accuracy", "confusion", "calibration"}
    np.testing.assert_allclose(metrics["nats"].total, nats, rtol=1e-5)
    assert (metrics["accuracy"].total, metrics["accuracy"].count) == (right, BATCH - 1)
    assert all(np.any(np.asarray(leaf) != 0) for leaf in jax.tree.leaves(gradient))


def test_class_weights_by_name():
    by_name, by_place = (
        dataclasses.replace(TASK, class_weights=weights)
        for weights in ({"good": 0.5, "bad": 1.0, "dull": 3.0}, (1.0, 3.0, 0.5))
    )
    assert hash(by_name) != hash(by_place), "programs are kept by their task"
    assert results(by_name, batch())[0][0] == results(by_place, batch())[0][0]
    assert from_json(to_json(by_name)) == by_name
    assert override(TASK, {"class_weights": "{'good': 0.5}"}).class_weights == {"good": 0.5}


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"class_weights": (1.0, 3.0, 0.5), "label_smoothing": 0.2}, None),
        ({"perturbation": Adversarial(0.5)}, KEY),
        ({"bidirectional": False, "language_modeling": 0.5}, None),
    ],
    ids=["weighted", "perturbed", "language modeling"],
)
def test_masked_rows_change_neither_loss_nor_gradient(changes, key):
    task = dataclasses.replace(TASK, **changes)
    given = batch()
    arrays = [array.copy() for array in given]
    arrays[0][:, MASKED], arrays[1][MASKED], arrays[2][MASKED] = 3, 5, 2
    (loss, (metrics, _)), gradient = results(task, given, key)
    (other, (other_metrics, _)), other_gradient = results(task, PaddedBatch(*arrays), key)
    assert_close((other, other_gradient), (loss, gradient), 1e-6)
    assert_close(jax.tree.leaves(other_metrics), jax.tree.leaves(metrics), 1e-6)
    counted = given._replace(mask=np.ones(BATCH, np.float32))
    assert abs(results(task, counted, key)[0][0] - loss) > 1e-3


def test_padding_changes_neither_loss_nor_gradient():
    given = batch()
    inside = np.arange(TIME)[:, None] < given.lengths
    garbage = given._replace(inputs=np.where(inside, given.inputs, 7).astype(np.int32))
    assert np.any(garbage.inputs != given.inputs)
    assert_close(results(TASK, garbage), results(TASK, given), 0.0)


def test_a_language_model_may_be_trained_beside():
    given = batch()
    graph, params = first(LM)
    (loss, (metrics, logits)), gradient = results(LM, given)
    log_softmax = jax.jit(jax.nn.log_softmax)
    labels = -np.asarray(log_softmax(logits))[np.arange(BATCH), given.targets]
    model, softmax = merge(graph, params), params["softmax"]
    read = jax.jit(lambda tokens, lengths: model.read(model.embed(tokens), lengths))
    outputs, softmax = jax.tree.map(np.asarray, (read(given.inputs, given.lengths), softmax))
    costs = -np.asarray(log_softmax(outputs @ softmax["kernel"] + softmax["bias"]))
    rows = [row for row in range(BATCH) if row != MASKED]
    tokens = [
        costs[step - 1, row, given.inputs[step, row]]
        for row in rows
        for step in range(1, given.lengths[row])
    ]
    np.testing.assert_allclose(loss, labels[rows].mean() + 0.5 * np.mean(tokens), rtol=1e-5)
    assert metrics["nats_per_token"].count == len(tokens) == 5 + 0 + 3 + 4
    np.testing.assert_allclose(metrics["nats_per_token"].compute(), np.mean(tokens), rtol=1e-5)
    assert np.abs(gradient["softmax"]["kernel"]).max() > 0
    _, adaptive = first(dataclasses.replace(LM, cutoffs=(4,)))
    assert adaptive["softmax"].keys() == {"head", "projections", "tails"}
    assert "softmax" not in first(TASK)[1]


# ---- noise --------------------------------------------------------------------------------------

# One direction compiles in half the time.
QUIET = dataclasses.replace(TASK, bidirectional=False)
NOISY = dataclasses.replace(
    QUIET,
    dropout=0.5,
    variational=True,
    embedding_dropout=0.3,
    word_dropout=0.3,
    weight_drop=0.5,
    perturbation=VirtualAdversarial(),
)


def test_noise_comes_from_the_key():
    quiet, one, same, other = (
        loss_of(NOISY, key) for key in (None, KEY, jax.random.key(0), jax.random.key(1))
    )
    assert quiet == pytest.approx(loss_of(QUIET), rel=1e-6)
    assert one == same
    assert len({quiet, one, other}) == 3


def test_a_perturbed_text_meets_the_same_dropout():
    dropped = dataclasses.replace(QUIET, dropout=0.5)
    small = {"epsilon": 1e-6}
    alone, adversarial, virtual = (
        loss_of(dataclasses.replace(dropped, perturbation=perturbation), KEY)
        for perturbation in (None, Adversarial(**small, weight=3.0), VirtualAdversarial(**small))
    )
    assert adversarial == pytest.approx(4 * alone, rel=1e-4)
    assert virtual == pytest.approx(alone, rel=1e-4)


def test_a_perturbation_costs_more_the_longer_it_is():
    clean = loss_of(QUIET)
    losses = [
        loss_of(dataclasses.replace(QUIET, perturbation=kind(epsilon=0.5)), KEY)
        for kind in (Adversarial, VirtualAdversarial)
    ]
    assert losses[0] > 2.02 * clean
    assert losses[1] > clean + 0.001


# ---- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cell": (LSTM(),), "layers": 2}, "layers is 2 but cell has 1 cells"),
        ({"layers": 0}, "there must be at least one layer"),
        ({"cell": (), "layers": 0}, "there must be at least one layer"),
        ({"embedding": 0}, "embedding and head must be at least 1"),
        ({"head": (3, 0)}, "embedding and head must be at least 1"),
        *(
            ({name: value}, f"{name} lies in [0, 1), not {value}")
            for name in ("dropout", "embedding_dropout", "word_dropout", "weight_drop")
            for value in (1.0, -0.1)
        ),
        ({"label_smoothing": float("nan")}, "label_smoothing lies in [0, 1), not nan"),
        ({"class_weights": (1.0, 0.0)}, "class_weights must be positive, not (1.0, 0.0)"),
        ({"class_weights": {"bad": 0.0}}, "class_weights must be positive, not {'bad': 0.0}"),
        (
            {"language_modeling": -1.0, "bidirectional": False},
            "language_modeling must not be negative: -1.0",
        ),
        (
            {"language_modeling": float("nan"), "bidirectional": False},
            "language_modeling must not be negative: nan",
        ),
        ({"cutoffs": (4,)}, "cutoffs are for language_modeling, which is 0"),
        (
            {"language_modeling": 0.1},
            "language_modeling needs bidirectional=False: backward reads ahead",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(wrong, message):
    with pytest.raises(ConfigError) as caught:
        Classification(**wrong)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("task", "preprocessor", "message"),
    [
        (
            TASK,
            TextPreprocessor(VOCABULARY),
            "the data have no classes: classification needs labelled examples",
        ),
        (
            dataclasses.replace(TASK, class_weights=(1.0, 2.0)),
            PREPROCESSOR,
            "class_weights has 2 values for 3 classes: bad, dull, good",
        ),
        (
            dataclasses.replace(TASK, class_weights={"bad": 1.0, "god": 2.0}),
            PREPROCESSOR,
            "class_weights: no class 'god'; did you mean 'good'?",
        ),
        (
            dataclasses.replace(TASK, class_weights={"bad": 1.0, "good": 2.0}),
            PREPROCESSOR,
            "class_weights: no weight for the class 'dull'",
        ),
        (
            dataclasses.replace(TASK, word_dropout=0.1),
            LabelledTextPreprocessor(Vocabulary.build([], "bytes"), CLASSES),
            "word_dropout: the tokens have none for unknown words",
        ),
    ],
    ids=["no classes", "class weights", "no such class", "a class missing", "word dropout"],
)
def test_what_does_not_fit_the_data_is_refused(task, preprocessor, message):
    def prepare() -> None:
        inspect.unwrap(type(task).check)(task, preprocessor, None)  # nothing is asked of a dataset
        structure(lambda rngs: task.build(rngs, preprocessor))

    with pytest.raises(ConfigError) as caught:
        prepare()
    assert str(caught.value) == message
