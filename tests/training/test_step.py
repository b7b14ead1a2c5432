import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.cells import LSTM
from lstm_jax.data import PaddedBatch
from lstm_jax.functional import losses
from lstm_jax.metrics.means import Mean
from lstm_jax.optimization.optimizers import Optimizer
from lstm_jax.optimization.schedules import Plateau
from lstm_jax.tasks import LanguageModeling, evaluation
from lstm_jax.tasks.base import Term, minimized
from lstm_jax.tasks.evaluation import EvalStep
from lstm_jax.training import step as training
from tests.runs import STEPS_PER_EPOCH, tiny, write_text


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return tiny(write_text(tmp_path_factory.mktemp("data") / "text"))


def prepare(experiment, **changes):
    experiment = dataclasses.replace(experiment, **changes)
    return training.prepare(experiment.task, experiment.data, experiment.optimizer, experiment.seed)


def run(prepared, steps, size=1):
    """The state after some steps, `size` in a dispatch, and the reports of all of them."""
    state, reports = jax.tree.map(jnp.copy, prepared.state), []
    for step in range(0, steps, size):
        batches = [prepared.dataset.batch(step + index) for index in range(size)]
        state, report = prepared.train_steps(state, training.stack(batches))
        reports.append(report)
    return state, jax.tree.map(lambda *parts: np.concatenate(parts), *reports)


def assert_same(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def differ(one, other):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return any(np.asarray(a).tobytes() != np.asarray(b).tobytes() for a, b in pairs)


# ---- steps --------------------------------------------------------------------------------------


def test_the_first_state_follows_from_the_seed_and_can_be_donated(experiment):
    first = prepare(experiment).state
    assert_same(prepare(experiment).state, first)
    assert differ(prepare(experiment, seed=1).state.params, first.params)
    buffers = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(first)]
    assert len(set(buffers)) == len(buffers)
    assert int(first.step) == 0
    assert first.metrics.keys() == {"nats_per_token", "gradient_norm"}


@pytest.mark.parametrize("chunk", [losses.CHUNK, 8], ids=["all logits", "logits by chunks"])
def test_several_steps_in_one_dispatch_give_the_bits_of_single_steps(
    chunk, experiment, monkeypatch
):
    monkeypatch.setattr(losses, "CHUNK", chunk)
    prepared = prepare(experiment, seed=chunk)  # programs are kept by their seed
    single, reports = run(prepared, 8)
    together, together_reports = run(prepared, 8, size=4)
    assert_same(together, single)
    assert_same(together_reports, reports)
    assert reports.loss.shape == reports.gradient_norm.shape == (8,)
    assert int(single.step) == 8


def test_a_step_is_the_optimizers_update_with_the_gradient_of_the_loss(experiment):
    task = LanguageModeling(cell=LSTM(hidden=4), layers=1, embedding=3)
    prepared = prepare(experiment, task=task, optimizer=Optimizer("sgd", learning_rate=0.5))
    before, batch = prepared.state, prepared.dataset.batch(0)
    build = functools.partial(task.build, preprocessor=prepared.preprocessor)
    graph = training.structure(build)[0]

    def loss(params: Any) -> Any:
        model = training.merge(graph, params)
        given = jax.tree.map(jnp.asarray, batch)
        return minimized(task.loss(model, given, before.carry, None).terms)

    value, gradients = jax.jit(jax.value_and_grad(loss))(before.params)
    after, report = run(prepared, 1)
    expected = jax.tree.map(lambda p, g: p - 0.5 * g, before.params, gradients)
    assert all(
        np.allclose(one, other, atol=1e-6)
        for one, other in zip(jax.tree.leaves(after.params), jax.tree.leaves(expected), strict=True)
    )
    squares = sum(jnp.square(gradient).sum() for gradient in jax.tree.leaves(gradients))
    np.testing.assert_allclose(report.loss, [value], rtol=1e-6)
    np.testing.assert_allclose(report.gradient_norm, [jnp.sqrt(squares)], rtol=1e-5)
    assert differ(after.carry, before.carry)


def test_the_noise_follows_from_the_seed_and_the_step(experiment):
    prepared, other = prepare(experiment), prepare(experiment, seed=1)
    batch = training.stack([prepared.dataset.batch(0)])

    def loss(prepared, step):
        state = jax.tree.map(jnp.copy, prepare(experiment).state)._replace(step=jnp.int32(step))
        return float(prepared.train_steps(state, batch)[1].loss[0])

    assert loss(prepared, 0) == loss(prepared, 0)
    assert len({loss(prepared, 0), loss(prepared, 1), loss(other, 0)}) == 3


def test_the_learning_rate_scale_of_a_plateau_reaches_the_optimizer(experiment):
    prepared = prepare(experiment, optimizer=Optimizer("sgd", 0.5, schedule=Plateau()))
    batch = training.stack([prepared.dataset.batch(0)])
    moved = []
    for scale in (1.0, 0.25):
        progress = prepared.state.progress._replace(learning_rate_scale=jnp.float32(scale))
        state = jax.tree.map(jnp.copy, prepared.state._replace(progress=progress))
        after = prepared.train_steps(state, batch)[0]
        kernel, first = (
            after.params["softmax"]["kernel"],
            prepared.state.params["softmax"]["kernel"],
        )
        moved.append(float(jnp.abs(kernel - first).max()))
    assert moved[1] == pytest.approx(0.25 * moved[0], rel=1e-3)


def test_the_same_arguments_give_the_same_program(experiment):
    one, two = prepare(experiment), prepare(experiment)
    assert one.train_steps.func is two.train_steps.func
    assert one.eval_step.observe.func is two.eval_step.observe.func
    other = prepare(experiment, seed=1)
    assert other.train_steps.func is one.train_steps.func
    assert other.train_steps.keywords != one.train_steps.keywords
    assert other.eval_step.observe.func is one.eval_step.observe.func
    assert prepare(experiment, optimizer=Optimizer()).train_steps.func is not one.train_steps.func


# ---- metrics ------------------------------------------------------------------------------------


def test_metrics_are_sums_over_the_steps_since_they_were_zero(experiment):
    prepared = prepare(experiment)
    state, reports = run(prepared, 3)
    optimizer = dataclasses.replace(experiment.optimizer, learning_rate=0.5)
    parts = experiment.task, optimizer, prepared.preprocessor, STEPS_PER_EPOCH
    assert training.summarize(prepared.state, *parts) == {}
    figures = training.summarize(state, *parts)
    assert figures["nats_per_token"] == pytest.approx(np.mean(reports.loss), rel=1e-6)
    assert figures["gradient_norm"] == pytest.approx(np.mean(reports.gradient_norm), rel=1e-6)
    assert figures["learning_rate"] == 0.5
    assert figures["tokens"] == 3 * 4 * 5
    zeroed = state._replace(metrics=training.zeros_like(state.metrics))
    assert training.summarize(zeroed, *parts) == {}


class Rows(NamedTuple):
    place: np.ndarray


def test_evaluation_hands_the_carry_on_and_merges_in_float64():
    batches, carries = [Rows(np.arange(7, dtype=np.int32))] * 5, []

    def observe(params, carry, batch):
        carries.append(carry)
        # In float32 each of these would be lost beside the first.
        total = jnp.float32(2**25 if len(carries) == 1 else 1)
        return len(carries), {"x": Mean(total, jnp.float32(1)), "last": Mean(len(carries), 1)}, {}

    step = EvalStep(lambda params, size: ("first", size), observe)
    merged, rows = evaluation.evaluate(step, {}, iter(batches))
    assert merged["x"] == Mean(2**25 + 4, 5)
    assert merged["last"] == Mean(1 + 2 + 3 + 4 + 5, 5)
    assert carries == [("first", 7), 1, 2, 3, 4]
    assert rows == {}


def test_evaluation_keeps_rows_in_the_order_of_their_places():
    places = [[4, 0, 2], [1, 3, -1], [0, 2, -1]]

    def observe(params, carry, batch):
        del params, carry
        return (), {}, {"place": batch.place, "twice": 2.0 * batch.place[:, None]}

    batches = (Rows(np.array(place, np.int32)) for place in places)
    sums, rows = evaluation.evaluate(EvalStep(lambda *_: (), observe), {}, batches)
    assert sums == {}
    # Of an example in two batches both rows are there, in the order of the batches.
    assert rows["place"].tolist() == [0, 0, 1, 2, 2, 3, 4]
    assert rows["twice"].tolist() == [[2.0 * place] for place in rows["place"]]


def test_terms_of_parts_of_a_batch_add_up():
    whole = {"a": Term(jnp.float32(6), 3), "b": Term(jnp.float32(1), 2, weight=0.5)}
    assert float(minimized(whole)) == 6 / 3 + 0.5 * 1 / 2
    assert jax.tree.map(lambda leaf: 2 * leaf, whole)["b"].weight == 0.5
    # A part of a batch in which nothing of a term counts changes nothing.
    nothing = {"a": whole["a"], "b": Term(jnp.float32(0), jnp.float32(0), weight=0.5)}
    assert float(minimized(nothing)) == 2.0


# ---- stacks -------------------------------------------------------------------------------------


def test_batches_of_unlike_shapes_are_dispatched_one_by_one():
    short, other, long = (
        PaddedBatch(np.full((time, 5), time, np.int32), *[np.zeros(5, np.int32)] * 4)
        for time in (6, 6, 9)
    )
    (both,) = training.stacks([short, other._replace(targets=np.ones(5, np.int32))])
    assert [array.shape for array in both] == [(2, 6, 5), *[(2, 5)] * 4]
    assert both.targets[:, 0].tolist() == [0, 1]
    parts = training.stacks([short, long, other])
    assert [part.inputs.shape for part in parts] == [(1, 6, 5), (1, 9, 5), (1, 6, 5)]
    assert [int(part.inputs[0, 0, 0]) for part in parts] == [6, 9, 6]
