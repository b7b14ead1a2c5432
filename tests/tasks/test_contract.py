"""What the loop and an evaluation ask of a task, shown by one that says what it was asked."""

import dataclasses
import sys
import types
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import lstm_jax
from lstm_jax import Experiment
from lstm_jax.data import Example, PaddedBatch, PaddedSequences, Source, TextPreprocessor
from lstm_jax.errors import ConfigError
from lstm_jax.metrics import Mean
from lstm_jax.modules import structure
from lstm_jax.optimization import Optimizer
from lstm_jax.tasks import Output, Score, Task, Term, capability, evaluation
from tests.data.test_preprocessing import AtMost
from tests.runs import assert_same_run


@dataclasses.dataclass(frozen=True)
class Lengths(Source):
    """Sequences of ones, whose length is wanted."""

    def examples(self, split):
        for length in (1, 2, 2, 1, 2):
            yield Example(np.ones((length, 2)), length, f"{split}, {length} ones")


@dataclasses.dataclass(frozen=True)
class Doubled(PaddedSequences):
    """Data whose augmentation shows: what a training step reads is twice what was cut, or more."""

    def augment(self, key, batch):
        return batch._replace(inputs=batch.inputs * (2 + jax.random.uniform(key)))


class Linear(nnx.Module):
    """One weight; its carry counts the batches that went before."""

    def __init__(self):
        self.weight = nnx.Param(jnp.ones(()))

    def initial_carry(self, batch_size):
        return jnp.zeros((batch_size,))


@dataclasses.dataclass(frozen=True)
class Counting(Task):
    """Says what it read, what it drew, and how many batches its carry has seen."""

    BATCH: ClassVar[type] = PaddedBatch

    metric: str = "read"

    @property
    def score(self):
        return Score(self.metric, "most" if self.metric == "best" else "max")

    def build(self, rngs, preprocessor):
        del rngs, preprocessor
        return Linear()

    def check(self, preprocessor, dataset):
        if self.metric == "refused":
            raise ConfigError(f"{preprocessor.inputs.size} features of {dataset.batch_size}: no")

    def loss(self, model, batch, carry, key):
        read = (batch.inputs.sum(axis=(0, 2)) * batch.mask).sum()
        count = batch.mask.sum()
        metrics: dict[str, Any] = {"read": Mean(read, count)}
        terms = {"read": Term(model.weight[...] * read, count)}
        return Output(terms, jax.tree.map(lambda seen: seen + 1, carry), metrics)

    def observe(self, model, batch, carry, key):
        keys = jax.vmap(lambda place: jax.random.fold_in(key, place))(batch.place)
        drawn = jax.vmap(jax.random.uniform)(keys)
        output = self.loss(model, batch, carry, None)
        return output._replace(rows={"drawn": drawn, "seen": carry, "target": batch.targets})

    def summarize(self, sums, rows, preprocessor):
        del rows, preprocessor
        return {"read": sums["read"].compute()}


DATA = PaddedSequences(Lengths(), AtMost(), batch_size=2, groups=2)


def observed(size: int, seed: int = 0) -> evaluation.Evaluated:
    task = Counting()
    graph, params = structure(lambda rngs: task.build(rngs, None))
    params = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, leaf.dtype), params)
    step = evaluation.make_eval_step(task, graph, seed)
    return evaluation.evaluate(step, params, DATA.open(DATA.fit()).evaluation("test", size))


def test_rows_are_in_the_order_of_the_examples_and_draw_the_same_whatever_the_batch():
    found = [observed(size).rows for size in (1, 2, 3)]
    for rows in found:
        assert rows["target"][:, 0].tolist() == [1, 2, 2, 1, 2]
        assert rows["drawn"].tolist() == found[0]["drawn"].tolist()
    assert len(set(found[0]["drawn"].tolist())) == 5
    assert observed(2, seed=1).rows["drawn"].tolist() != found[0]["drawn"].tolist()


def test_the_carry_starts_afresh_where_a_batch_has_other_columns():
    class Batch(NamedTuple):
        inputs: Any
        mask: Any
        targets: Any
        place: Any

    def batch(columns: int) -> Any:
        ones = np.ones(columns, np.float32)
        return Batch(np.ones((1, columns, 2), np.float32), ones, ones, np.arange(columns))

    task = Counting()
    graph, params = structure(lambda rngs: task.build(rngs, None))
    params = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, leaf.dtype), params)
    step = evaluation.make_eval_step(task, graph)
    found = evaluation.evaluate(step, params, map(batch, (2, 2, 3, 3, 3, 2)))
    # By place: the first column of all batches, then the second, then the third of those with it.
    assert found.rows["seen"].tolist() == [0, 1, 0, 1, 2, 0] * 2 + [0, 1, 2]


def experiment(**parts: Any) -> Experiment:
    given = {"task": Counting(), "data": DATA, "optimizer": Optimizer("sgd", 0.0)}
    return Experiment(**{**given, "epochs": 3, "seed": 3, **parts})


def test_training_reads_what_augmentation_makes_and_evaluation_does_not(tmp_path):
    # What is stateful has as many columns in every batch: here one shape has all examples.
    whole = dataclasses.replace(DATA, batch_size=5, groups=1)
    doubled = Doubled(
        **{field.name: getattr(whole, field.name) for field in dataclasses.fields(whole)}
    )
    run = lstm_jax.train(experiment(data=whole, log_every=1), tmp_path / "plain")
    assert run.metrics["train"]["read"].tolist() == [2 * 8 / 5] * 3
    run = lstm_jax.train(experiment(data=doubled, log_every=1), tmp_path / "doubled")
    read = run.metrics["train"]["read"] / (2 * 8 / 5)
    assert ((read > 2) & (read < 3)).all()
    assert len({*read.tolist()}) == 3, "the noise of each step is its own"
    assert run.metrics["validation"]["read"].tolist() == [2 * 8 / 5] * 3
    # What a run reads that was stopped is what it would have read.
    lstm_jax.train(experiment(data=doubled, log_every=1, epochs=1), tmp_path / "cut")
    lstm_jax.train(experiment(data=doubled, log_every=1), tmp_path / "cut")
    assert_same_run(tmp_path / "cut", tmp_path / "doubled")


@dataclasses.dataclass(frozen=True)
class Stepping(Counting):
    def summarize(self, sums, rows, preprocessor):
        return super().summarize(sums, rows, preprocessor) | {"step": 1000.0}


@dataclasses.dataclass(frozen=True)
class Loading(Counting):
    @capability
    def evaluate(self, use):
        return use


@pytest.mark.usefixtures("unannotated")
@pytest.mark.parametrize(
    ("task", "message"),
    [
        (
            Counting("accuracy"),
            "Counting.score is 'accuracy', which is not among its metrics: read",
        ),
        (Counting("refused"), "2 features of 5: no"),
        (Counting("best"), "the direction of a score is min or max, not 'most'"),
        (
            Stepping(),
            "Stepping.summarize: 'step' is a column of the log already: call the figure otherwise",
        ),
        (
            Loading(),
            "Loading.evaluate: a run has its own 'evaluate': call the capability otherwise",
        ),
    ],
    ids=["score", "check", "direction", "figure", "capability"],
)
def test_what_cannot_be_is_said_before_the_first_step(task, message, tmp_path):
    whole = dataclasses.replace(DATA, batch_size=5, groups=1)
    with pytest.raises(ConfigError) as caught:
        lstm_jax.train(experiment(task=task, data=whole), tmp_path)
    assert str(caught.value) == message
    # The directory takes the experiment once that is mended.
    lstm_jax.train(experiment(data=whole), tmp_path)


def test_a_task_that_needs_another_preprocessor_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(Counting, "PREPROCESSOR", TextPreprocessor)
    with pytest.raises(ConfigError) as caught:
        lstm_jax.train(experiment(), tmp_path)
    assert str(caught.value) == (
        "Counting needs a TextPreprocessor, and PaddedSequences gives AtMost"
    )


class Remembering(nnx.Module):
    """Keeps a mean of what it read, beside its weight."""

    def __init__(self):
        self.weight = nnx.Param(jnp.ones(()))
        self.mean = nnx.BatchStat(jnp.zeros(()))


def test_the_state_of_a_model_is_its_parameters(monkeypatch, tmp_path):
    """What changes with the data is carry: whatever a module keeps would be trained."""
    monkeypatch.setattr(Counting, "build", lambda self, rngs, preprocessor: Remembering())
    with pytest.raises(ConfigError) as caught:
        lstm_jax.train(experiment(), tmp_path)
    assert str(caught.value).startswith("Remembering keeps ['mean'], which is no nnx.Param: ")


@dataclasses.dataclass(frozen=True)
class Lists(AtMost):
    """Learns what no config can hold as it is, and something that does not fit its field."""

    learned: tuple[float, ...] = ()
    wrong: bool = False

    def fit(self, source, given=None):
        learned: Any = ["a"] if self.wrong else np.arange(3)
        return dataclasses.replace(self, learned=learned)


def test_what_is_learned_is_settled_before_the_first_step(tmp_path):
    whole = dataclasses.replace(DATA, preprocessor=Lists(), batch_size=5, groups=1)
    run = lstm_jax.train(experiment(data=whole), tmp_path / "run")
    assert run.preprocessor.learned == (0.0, 1.0, 2.0)
    assert lstm_jax.load(tmp_path / "run", trust=["tests"]).preprocessor == run.preprocessor
    wrong = dataclasses.replace(whole, preprocessor=Lists(wrong=True))
    with pytest.raises(ConfigError, match=r"^Lists: learned: expected tuple\[float, \.\.\.\], got"):
        lstm_jax.train(experiment(data=wrong), tmp_path / "wrong")
    with pytest.raises(ConfigError, match=r"preprocessor\.most: what was learned of the data"):
        run.evaluate("test", changes={"data.preprocessor.most": 1})


def test_what_is_learned_is_of_a_package_that_the_config_names(tmp_path, monkeypatch):
    """Who trusts the config alone could not load the run: no word of it is in the config."""
    other = dataclasses.make_dataclass("Other", [], bases=(AtMost,), frozen=True)
    module = types.ModuleType("somebodys_preprocessor")
    module.Other = other
    other.__module__ = module.__name__
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(PaddedSequences, "fit", lambda self, given=None: other())
    with pytest.raises(ConfigError, match="Other is of somebodys_preprocessor, which the config"):
        lstm_jax.train(experiment(), tmp_path)
