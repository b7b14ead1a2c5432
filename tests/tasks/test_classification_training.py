"""What is measured of a classifier, and that it learns."""

from typing import Any

import jax
import numpy as np
import pytest

from lstm_jax.cells import SimpleRNN
from lstm_jax.data import LabelledTextPreprocessor, LabelledTexts, Vocabulary
from lstm_jax.metrics.means import Mean, Sum
from lstm_jax.modules import merge, split
from lstm_jax.optimization.optimizers import Optimizer
from lstm_jax.tasks import Classification, evaluation
from lstm_jax.tasks.evaluation import EvalStep
from lstm_jax.training import step as training
from lstm_jax.training.finite import check_report
from tests.data.sources import LabelledDocuments
from tests.reference import drawn

CLASSES = ("bad", "dull", "good")
TASK = Classification(cell=SimpleRNN(hidden=3), embedding=4)
OPTIMIZER = Optimizer("adam", learning_rate=0.05)


def documents(count: int, seed: int) -> tuple[tuple[str, str], ...]:
    """Texts whose class is that of the one word in them that is one."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        words = random.choice(list("abcdefg"), size=random.integers(0, 9)).tolist()
        label = random.choice(CLASSES)
        words.insert(random.integers(len(words) + 1), label)
        found.append((" ".join(words), str(label)))
    return tuple(found)


DATA = LabelledTexts(
    LabelledDocuments(documents(90, 0), documents(40, 1)), "words", batch_size=8, groups=2
)


def test_figures_and_predictions_do_not_depend_on_the_batch():
    dataset = DATA.open(DATA.fit())
    graph, params = split(drawn(lambda rngs: TASK.build(rngs, dataset.preprocessor)))

    @jax.jit
    def run(params: Any, given: Any) -> Any:
        model = merge(graph, params)
        return model(given.inputs, given.lengths), TASK.loss(model, given, (), None).metrics

    figures, details, predictions = [], [], []
    for size in (1, 7, 64):
        logits = {}

        def step(params: Any, carry: Any, given: Any, logits: Any = logits) -> Any:
            values, metrics = run(params, given)
            for row in np.flatnonzero(given.mask):
                text = given.inputs[: given.lengths[row], row]
                logits[tuple(text.tolist())] = np.asarray(values[row])
            return carry, metrics, {}

        batches = dataset.evaluation("validation", size)
        found = evaluation.evaluate(EvalStep(lambda *_: (), step), params, batches)
        figures.append(TASK.summarize(*found, dataset.preprocessor))
        details.append(TASK.details(*found, dataset.preprocessor))
        predictions.append({text: int(values.argmax()) for text, values in logits.items()})
    assert predictions[0] == predictions[1] == predictions[2]
    assert details[0] == details[1] == details[2]
    for name in ("accuracy", "macro_f1", "examples"):
        assert figures[0][name] == figures[1][name] == figures[2][name]
    for other in figures[1:]:
        assert other == pytest.approx(figures[0], rel=1e-5)
    assert figures[0]["examples"] == 40
    assert np.sum(details[0]["confusion_matrix"]) == 40
    right = np.trace(details[0]["confusion_matrix"])
    assert 0 < figures[0]["accuracy"] == right / 40 < 1


def test_figures_and_details_are_named():
    preprocessor = LabelledTextPreprocessor(Vocabulary(("<unk>",), "words"), ("bad", "good"))
    sums = {
        "accuracy": Mean(3.0, 4.0),
        "nats": Mean(2.0, 4.0),
        "confusion": Sum(np.array([[2.0, 1.0], [0.0, 1.0]])),
        "calibration": Sum(np.array([[4.0, 2.0, 3.0]])),
    }
    assert TASK.summarize(sums, {}, preprocessor) == {
        "accuracy": 0.75,
        "macro_f1": pytest.approx((4 / 5 + 2 / 3) / 2),
        "nats": 0.5,
        "calibration_error": 0.25,
        "examples": 4,
    }
    beside = sums | {"nats_per_token": Mean(6.0, 3)}
    assert TASK.summarize(beside, {}, preprocessor)["nats_per_token"] == 2
    assert TASK.details(sums, {}, preprocessor) == {
        "classes": ["bad", "good"],
        "confusion_matrix": [[2, 1], [0, 1]],
    }
    assert TASK.score.improves(0.9, 0.8)
    assert TASK.score.metric == "accuracy"


# ---- training -----------------------------------------------------------------------------------


def test_it_learns_and_compiles_one_program_for_each_shape():
    cell = SimpleRNN(hidden=8)
    task = Classification(cell=cell, bidirectional=False, embedding=8, pooling="max")
    prepared = training.prepare(task, DATA, OPTIMIZER, seed=0)
    state, losses, shapes = prepared.state, [], set()
    for step in range(60):
        given = training.stack([prepared.dataset.batch(step)])
        shapes.add(given.inputs.shape)
        state, report = prepared.train_steps(state, given)
        losses.append(check_report(report, step))
    assert np.mean(losses[-5:]) < losses[0] / 5
    assert prepared.train_steps.func._cache_size() == len(shapes) == 2
    batches = prepared.dataset.evaluation("validation")
    found = evaluation.evaluate(prepared.eval_step, state.params, batches)
    assert task.summarize(*found, prepared.preprocessor)["accuracy"] == 1.0
    assert prepared.eval_step.observe.func._cache_size() <= 2
    summary = training.summarize(state, task, OPTIMIZER, prepared.preprocessor, 12)
    assert summary["examples"] == sum(prepared.dataset.batch(i).mask.sum() for i in range(60))
