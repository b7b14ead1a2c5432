import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lstm_jax.cells import GRU, LSTM, SimpleRNN
from lstm_jax.data import TextFiles, TextPreprocessor, TextWindows, Vocabulary, WindowBatch
from lstm_jax.errors import ConfigError
from lstm_jax.metrics.means import Mean
from lstm_jax.modules import Graph, initialize, merge, structure
from lstm_jax.tasks import LanguageModeling, evaluation
from lstm_jax.tasks.base import minimized
from tests.cells.table import MatrixMemory
from tests.data.sources import Documents, real_data
from tests.reference import assert_close

TEXT = "what is lost is lost and what is found is found\n" * 3
VOCABULARY = Vocabulary.build([TEXT], "words")
PREPROCESSOR = TextPreprocessor(VOCABULARY)
TIME, BATCH = 20, 3
PLACE = np.arange(BATCH, dtype=np.int32)
# Parameters this large make the carry matter.
TASK = LanguageModeling(cell=LSTM(hidden=4), layers=2, embedding=5, init_scale=1.5)


@functools.cache
def first(task: LanguageModeling) -> tuple[Graph, Any]:
    """The structure and parameters of a model; noise and reduction have no part in these."""
    plain = dataclasses.replace(task, dropout=0.0, reduction="mean")
    if plain != task:
        return structure(lambda rngs: task.build(rngs, PREPROCESSOR))[0], first(plain)[1]
    return initialize(lambda rngs: task.build(rngs, PREPROCESSOR), jax.random.key(0))


@functools.partial(jax.jit, static_argnames="graph")
def read(graph: Any, params: Any, tokens: Any, carry: Any) -> Any:
    """The logits and the carry."""
    return merge(graph, params)(tokens, carry)


@functools.partial(jax.jit, static_argnames=("task", "graph"))
def differentiated(task: Any, graph: Any, params: Any, batch: Any, carry: Any, key: Any) -> Any:
    def loss(params: Any) -> Any:
        output = task.loss(merge(graph, params), batch, carry, key)
        return minimized(output.terms), output

    return jax.value_and_grad(loss, has_aux=True)(params)


def begin(task: LanguageModeling, batch_size: int = BATCH) -> Any:
    """The carry before the first window."""
    return task.initial_carry(merge(*first(task)), batch_size)


def losses(task: LanguageModeling, batch: WindowBatch, carry: Any = None, key: Any = None) -> Any:
    """((loss, output), gradient)"""
    graph, params = first(task)
    carry = begin(task) if carry is None else carry
    return differentiated(task, graph, params, batch, carry, key)


def window(start: bool = True, length: int = TIME, seed: int = 0) -> WindowBatch:
    """Random tokens; some at the end of the last column are padding."""
    tokens = np.random.default_rng(seed).integers(len(VOCABULARY), size=(length + 1, BATCH))
    tokens = tokens.astype(np.int32)
    mask = np.ones((length, BATCH), np.float32)
    mask[-7:, -1] = 0
    return WindowBatch(tokens[:-1], tokens[1:], mask, np.bool_(start), PLACE)


def cut(batch: WindowBatch, first: int, end: int) -> WindowBatch:
    arrays = [array[first:end] for array in batch[:3]]
    return WindowBatch(*arrays, start=np.bool_(batch.start and first == 0), place=PLACE)


# ---- loss ---------------------------------------------------------------------------------------


def test_the_loss_is_the_mean_cross_entropy_of_the_tokens_that_count():
    batch = window()
    (loss, output), _ = losses(TASK, batch)
    graph, params = first(TASK)
    logits, carry = read(graph, params, jnp.asarray(batch.inputs), begin(TASK))
    assert logits.shape == (TIME, BATCH, len(VOCABULARY))
    nats = jax.jit(optax.softmax_cross_entropy_with_integer_labels)(logits, batch.targets)
    counted = np.asarray(nats)[batch.mask == 1]
    mean = output.metrics["nats_per_token"]
    assert output.metrics.keys() == {"nats_per_token"}
    assert mean.count == len(counted) == TIME * BATCH - 7
    np.testing.assert_allclose(loss, counted.mean(), rtol=1e-5)
    np.testing.assert_allclose(mean.total, counted.sum(), rtol=1e-5)
    assert_close(output.carry, carry, 1e-5)


def test_the_reductions_differ_by_a_factor():
    summed = dataclasses.replace(TASK, reduction="sum_over_time")
    (mean, output), gradient = losses(TASK, window())
    (total, other), total_gradient = losses(summed, window())
    factor = (TIME * BATCH - 7) / BATCH
    np.testing.assert_allclose(total, factor * mean, rtol=1e-5)
    expected = jax.tree.map(lambda leaf: factor * np.asarray(leaf), gradient)
    assert_close(total_gradient, expected, 1e-4)
    found, expected = ((one.carry, one.metrics) for one in (other, output))
    assert_close(jax.tree.leaves(found), jax.tree.leaves(expected), 1e-5)


def test_masked_tokens_do_not_count():
    batch = window()
    tokens = np.where(batch.mask == 1, batch.targets, (batch.targets + 1) % len(VOCABULARY))
    assert np.any(tokens != batch.targets)
    (loss, _), gradient = losses(TASK, batch)
    (other, _), other_gradient = losses(TASK, batch._replace(targets=tokens))
    assert loss == other
    assert_close(other_gradient, gradient, 0.0)
    counted = batch._replace(targets=np.where(batch.mask == 0, batch.targets, 0).astype(np.int32))
    assert losses(TASK, counted)[0][0] != loss


def test_a_carry_goes_on_and_starts_afresh_where_the_batch_does():
    batch, going_on = window(), window(start=False, seed=1)
    carry = losses(TASK, batch)[0][1].carry
    fresh = losses(TASK, going_on._replace(start=np.bool_(True)))
    gone_on = losses(TASK, going_on, carry)
    started = losses(TASK, going_on._replace(start=np.bool_(True)), carry)
    assert abs(gone_on[0][0] - fresh[0][0]) > 1e-4
    assert_close(jax.tree.leaves(started), jax.tree.leaves(fresh), 0.0)


def test_a_fresh_carry_is_that_of_the_cell():
    # Its initial carry is not all zeros.
    task = LanguageModeling(cell=MatrixMemory(hidden=3), layers=1)
    carry = jax.tree.map(lambda leaf: np.asarray(leaf) + 1, begin(task))
    (fresh, _), _ = losses(task, window())
    assert losses(task, window(), carry)[0][0] == fresh
    assert losses(task, window(start=False), carry)[0][0] != fresh


def test_two_windows_are_as_one():
    whole = window()
    (_, expected), _ = losses(TASK, whole)
    (_, early), _ = losses(TASK, cut(whole, 0, 10))
    (_, late), _ = losses(TASK, cut(whole, 10, 20), early.carry)
    merged = early.metrics["nats_per_token"].merge(late.metrics["nats_per_token"])
    assert merged.count == expected.metrics["nats_per_token"].count
    assert merged.compute() == pytest.approx(expected.metrics["nats_per_token"].compute(), rel=1e-6)
    assert_close(late.carry, expected.carry, 1e-5)


def test_noise_comes_from_the_key():
    noisy = dataclasses.replace(TASK, dropout=0.5)
    keys = [None, jax.random.key(0), jax.random.key(0), jax.random.key(1)]
    quiet, one, same, other = (float(losses(noisy, window(), key=key)[0][0]) for key in keys)
    assert quiet == pytest.approx(float(losses(TASK, window())[0][0]), rel=1e-6)
    assert one == same
    assert len({quiet, one, other}) == 3


# ---- model --------------------------------------------------------------------------------------


def test_every_parameter_is_taught_and_starts_in_its_range():
    _, params = first(TASK)
    _, gradient = losses(TASK, window())
    assert all(np.any(np.asarray(leaf) != 0) for leaf in jax.tree.leaves(gradient))
    assert params["embedding"]["table"].shape == (len(VOCABULARY), 5)
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        forget = 1.0 if "bias" in str(path[-1]) and "stack" in str(path[0]) else 0.0
        assert 0.5 < np.abs(leaf).max() <= 1.5 + forget


def test_layers_may_be_unlike():
    task = LanguageModeling(cell=(SimpleRNN(hidden=3), GRU(hidden=4)), layers=2)
    _, params = structure(lambda rngs: task.build(rngs, PREPROCESSOR))
    assert params["embedding"]["table"].shape == (len(VOCABULARY), 3)
    assert params["softmax"]["kernel"].shape == (4, len(VOCABULARY))
    assert [type(carry).__name__ for carry in begin(task, 2)] == ["SimpleCarry", "GRUCarry"]


def test_a_tied_softmax_uses_the_embedding_table():
    task = LanguageModeling(cell=LSTM(hidden=4), layers=1, tied=True)
    graph, params = first(task)
    assert list(params["softmax"]) == ["bias"]
    tokens = np.zeros((TIME, BATCH), np.int32)
    _, gradient = losses(task, window()._replace(inputs=tokens))
    # No row but the first is read; the others are taught through the softmax alone.
    assert np.all(np.abs(np.asarray(gradient["embedding"]["table"])[1:]).max(axis=1) > 0)
    logits, _ = read(graph, params, tokens, begin(task))
    table = np.array(params["embedding"]["table"])
    table[1:] *= 2
    twice, _ = read(graph, {**params, "embedding": {"table": table}}, tokens, begin(task))
    assert_close(np.asarray(twice)[..., 1:], 2 * np.asarray(logits)[..., 1:], 1e-6)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"tied": True, "embedding": 5}, r"embedding \(5\) and the last layer's hidden \(200\)"),
        (
            {"tied": True, "cell": (LSTM(hidden=3), LSTM(hidden=4))},
            r"embedding \(3\) and the last layer's hidden \(4\)",
        ),
        ({"cell": (LSTM(),), "layers": 2}, "layers is 2 but cell has 1 cells"),
        ({"cell": (LSTM(), LSTM(), LSTM())}, "layers is 2 but cell has 3 cells"),
        ({"layers": 0}, "at least one layer"),
        ({"cell": (), "layers": 0}, "at least one layer"),
        ({"dropout": 1.0}, "dropout"),
        ({"dropout": -0.1}, "dropout"),
        ({"dropout": float("nan")}, "dropout"),
        ({"embedding": 0}, "embedding"),
        ({"init_scale": 0.0}, "init_scale"),
        ({"init_scale": float("nan")}, "init_scale"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        LanguageModeling(**wrong)


# ---- figures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "name"),
    [("words", None), ("characters", "bits_per_character"), ("bytes", "bits_per_byte")],
)
def test_figures_are_named_by_the_unit_of_the_tokens(unit, name):
    preprocessor = TextPreprocessor(Vocabulary.build([TEXT], unit))
    figures = TASK.summarize({"nats_per_token": Mean(6.0 * np.log(2), 3)}, {}, preprocessor)
    expected = {"nats_per_token": 2 * np.log(2), "perplexity": 4.0, "tokens": 3}
    assert figures == pytest.approx(expected | ({name: 2.0} if name else {}))
    assert TASK.score.metric in figures
    assert TASK.score.improves(1.0, 2.0)


def assert_window_does_not_matter(config: TextWindows, tokens: int) -> list[float]:
    """Returns the perplexities in one column and in twenty."""
    task = LanguageModeling(cell=LSTM(hidden=4), layers=1, init_scale=1.5)
    preprocessor = config.fit()
    graph, params = initialize(lambda rngs: task.build(rngs, preprocessor), jax.random.key(0))
    step = evaluation.make_eval_step(task, graph)
    perplexities = []
    for batch_size in (1, 20):
        found = []
        for length in (20, 70, 1000):
            opened = dataclasses.replace(config, evaluation_window=length).open(preprocessor)
            batches = opened.evaluation("test", batch_size)
            found_here = evaluation.evaluate(step, params, batches)
            figures = task.summarize(*found_here, preprocessor)
            assert figures["tokens"] == tokens
            found.append(figures["perplexity"])
        np.testing.assert_allclose(found, found[0], rtol=1e-5)
        perplexities.append(found[0])
    return perplexities


def test_the_evaluation_window_does_not_matter():
    text = " ".join(f"{i * i}" for i in range(600))
    config = TextWindows(Documents(train=(text,), test=(text,)), tokens="characters")
    one, twenty = assert_window_does_not_matter(config, len(text))
    # Nineteen more columns start without context: the carry does matter.
    assert abs(one / twenty - 1) > 1e-5


@pytest.mark.slow
def test_the_evaluation_window_does_not_matter_on_penn_treebank():
    # Rarer words are read as unknown, which costs a tenth of the time and drops no token.
    config = TextWindows(TextFiles(str(real_data("ptb"))), max_vocabulary=500)
    assert_window_does_not_matter(config, 82_430)
