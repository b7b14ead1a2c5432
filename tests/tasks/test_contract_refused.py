"""What a task must not give is refused in a line, before anything is computed."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.errors import ConfigError
from lstm_jax.metrics import Mean
from lstm_jax.modules import structure
from lstm_jax.optimization import Optimizer
from lstm_jax.storage.metrics_log import MetricsLog, read_log
from lstm_jax.tasks import Task, Term, contract, evaluation
from lstm_jax.training import step as training
from lstm_jax.training.progress import check_score
from tests.tasks.test_contract import DATA, Counting

CASES: dict[str, Any] = {
    "no terms": lambda output, batch: output._replace(terms={}),
    "no Term": lambda output, batch: output._replace(terms={"cost": output.metrics["read"].total}),
    "a vector": lambda output, batch: output._replace(
        terms={"cost": Term(jnp.ones(3) * output.terms["read"].total, 3)}
    ),
    "integers": lambda output, batch: output._replace(terms={"cost": Term(batch.place.sum(), 3)}),
    "counts": lambda output, batch: output._replace(
        terms={"cost": Term(output.terms["read"].total, batch.mask)}
    ),
    "no Output": lambda output, batch: output.terms["read"].total,
    "no metric": lambda output, batch: output._replace(metrics={"read": batch.mask.sum()}),
    "metrics": lambda output, batch: output._replace(metrics=[output.metrics["read"]]),
    "a scalar": lambda output, batch: output._replace(rows={"x": batch.mask.sum()}),
    "another length": lambda output, batch: output._replace(rows={"x": jnp.ones(3)}),
    "time first": lambda output, batch: output._replace(rows={"x": batch.inputs[..., 0]}),
    "unequal": lambda output, batch: output._replace(rows={"x": batch.inputs[..., 0].T}),
    "noiseless": lambda output, batch: output,
}


@dataclasses.dataclass(frozen=True)
class Wrong(Counting):
    """Gives something else than a task must."""

    case: str = ""

    def initial_carry(self, model, batch_size):
        return ()

    def loss(self, model, batch, carry, key):
        output = super().loss(model, batch, carry, key)
        if key is not None and self.case == "noiseless":
            return output._replace(metrics={"noisy": Mean(batch.mask.sum(), batch.mask.sum())})
        return CASES[self.case](output, batch)

    def observe(self, model, batch, carry, key):
        return self.loss(model, batch, carry, None)


def prepared(task: Task, data: Any = DATA) -> training.Prepared:
    return training.prepare(task, data, Optimizer("sgd", 0.0), 0)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (
            "no terms",
            "Wrong.loss returns no terms: what is to be minimized is {'name': Term(total, count)}",
        ),
        ("no Term", "Wrong: the term 'cost' must be a Term(total, count), not float32 []"),
        (
            "a vector",
            "Wrong: the term 'cost' must have the sum of the batch as its total, one floating "
            "number, not float32 [3]",
        ),
        (
            "integers",
            "Wrong: the term 'cost' must have the sum of the batch as its total, one floating "
            "number, not int32 []",
        ),
        ("counts", "Wrong: the term 'cost' must have one number as its count, not float32 [2]"),
        (
            "no Output",
            "Wrong must return an Output(terms, carry, metrics) of a batch, not float32 []",
        ),
        (
            "no metric",
            "Wrong: the metric 'read' must be a Mean or a Sum of lstm_jax.metrics, which are "
            "merged over batches, not float32 []",
        ),
        ("metrics", "Wrong: metrics must be a dict with names as keys, not a list"),
        (
            "a scalar",
            "Wrong: the rows 'x' must be an array [batch, ...] with a row for each of the 2 "
            "columns of the batch, not float32 []",
        ),
        (
            "another length",
            "Wrong: the rows 'x' must be an array [batch, ...] with a row for each of the 2 "
            "columns of the batch, not float32 [3]",
        ),
        (
            "unequal",
            "Wrong: the rows 'x' are [2, 2] of one batch and [2, 1] of another, and must be equal "
            "behind the first axis: keep what does not depend on the batch's length, or pad to a "
            "length of the task's own",
        ),
    ],
)
def test_what_a_task_gives_otherwise_is_said_before_anything_is_computed(case, message):
    with pytest.raises(ConfigError) as caught:
        prepared(Wrong(case=case))
    assert str(caught.value) == message


def test_rows_with_time_first_are_no_rows_of_examples():
    one = dataclasses.replace(DATA, batch_size=5, groups=1)
    with pytest.raises(ConfigError, match=r"the 5 columns of the batch, not float32 \[2, 5\]"):
        prepared(Wrong(case="time first"), one)


def test_rows_that_fit_no_one_array_are_found_in_an_evaluation_of_any_batches():
    task = Wrong(case="unequal")
    graph, params = structure(lambda rngs: task.build(rngs, None))
    params = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, leaf.dtype), params)
    step = evaluation.make_eval_step(task, graph)
    with pytest.raises(ConfigError, match=r"^Wrong: the rows 'x' are \[2, 2\] of one batch and"):
        evaluation.evaluate(step, params, DATA.open(DATA.fit()).evaluation("test"))


def test_a_training_step_has_the_metrics_that_it_has_without_noise():
    found = prepared(Wrong(case="noiseless"))
    with pytest.raises(ConfigError) as caught:
        jax.eval_shape(found.train_steps, found.state, training.stack([found.dataset.batch(0)]))
    assert str(caught.value) == (
        "Wrong.loss must return the same metrics with a key as without, not noisy, read in one "
        "case alone"
    )


def test_a_task_says_which_batches_it_learns_from(monkeypatch):
    monkeypatch.delattr(Counting, "BATCH")
    with pytest.raises(ConfigError) as caught:
        prepared(Counting())
    assert str(caught.value) == (
        "Counting does not say which batches it learns from: give it BATCH: ClassVar[type], for "
        "these data PaddedBatch"
    )


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        (None, "what it returns must be a dict with names as keys, not None"),
        ({3: 1.0}, "what it returns must be a dict with names as keys, not a dict"),
        ({"read": None}, "'read' must be a number, not None"),
        ({"read": "much"}, "'read' must be a number, not 'much'"),
        ({"read": [1, 2]}, "'read' must be a number, not a list"),
        ({"read": jnp.ones(2)}, "'read' must be a number, not float32 [2]"),
        ({"read": 1.0, "step": 3}, "'step' is a column of the log already: call the figure othe"),
    ],
)
def test_figures_have_names_and_are_numbers(figures, message, monkeypatch):
    monkeypatch.setattr(Counting, "summarize", lambda *given: figures)
    found = prepared(Counting())
    parts = found.eval_step, found.state.params, found.dataset.evaluation("validation")[:1]
    with pytest.raises(ConfigError) as caught:
        check_score(Counting(), *parts, found.preprocessor)
    assert str(caught.value).startswith(f"Counting.summarize: {message}")


def test_a_figure_is_a_number_whatever_computed_it(tmp_path, monkeypatch):
    given = {"read": jnp.float32(1.5), "count": np.int64(3), "share": np.array(0.5), "half": 0.5}
    monkeypatch.setattr(Counting, "summarize", lambda *given_: given)
    plain = contract.figures(Counting(), {}, {}, None)
    assert plain == {"read": 1.5, "count": 3, "share": 0.5, "half": 0.5}
    assert [type(value) for value in plain.values()] == [float, int, float, float]
    with MetricsLog(tmp_path / "log") as log:
        log.append({"split": "validation", "step": 1, **given})
    assert read_log(tmp_path / "log")["validation"]["read"].tolist() == [1.5]
