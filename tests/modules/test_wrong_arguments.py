"""What is wrong with the arguments of layers is said in one line; narrow integers do not wrap."""

import functools
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lstm_jax.cells import LSTM
from lstm_jax.errors import UserError
from lstm_jax.functional.adversarial import Adversarial, Texts, VirtualAdversarial
from lstm_jax.modules import (
    AdaptiveSoftmax,
    Bidirectional,
    Classifier,
    Dense,
    Embedding,
    Pooling,
    PoolingKind,
    Recurrent,
    Softmax,
)
from tests.cells.table import MatrixMemory
from tests.reference import Noise, array, assert_close, call, drawn, stack_of
from tests.refusals import ADD_BATCH, TO_ARRAY, TO_FLOATS, TO_INTEGERS, floats, integers

pytestmark = pytest.mark.usefixtures("unannotated")

TIME, BATCH, SIZE, HIDDEN, VOCABULARY = 300, 3, 2, 3, 300
KEY = jax.random.key(0)
INPUTS = array(np.ones((TIME, BATCH, SIZE)), np.float32)
WEIGHTS = array(np.ones((TIME, BATCH)), np.float32)
TOKENS = array(np.zeros((TIME, BATCH)), np.int32)
LENGTHS = array([1, 127, 2], np.int32)
WHOLE = array(INPUTS, np.int32)


def classifier(rngs: Any) -> Classifier:
    stack = stack_of((LSTM(hidden=HIDDEN),), SIZE, Noise(), rngs)
    pooling = Pooling("concatenated", HIDDEN, False, rngs)
    embedding, softmax = Embedding(9, SIZE, rngs), Softmax(HIDDEN, 9, rngs)
    return Classifier(embedding, stack, pooling, (5,), rngs, softmax=softmax)


BUILDS: dict[str, Any] = {
    "stack": lambda rngs: stack_of(
        (LSTM(hidden=HIDDEN), MatrixMemory(hidden=2)), SIZE, Noise(), rngs
    ),
    "both": lambda rngs: Bidirectional(LSTM(hidden=HIDDEN), SIZE, rngs),
    "dense": lambda rngs: Dense(SIZE, 5, rngs),
    "embedding": lambda rngs: Embedding(VOCABULARY, SIZE, rngs, 0.5),
    "softmax": lambda rngs: AdaptiveSoftmax(SIZE, VOCABULARY, (200,), rngs),
    "classifier": classifier,
} | {
    kind: lambda rngs, kind=kind: Pooling(kind, SIZE, False, rngs) for kind in get_args(PoolingKind)
}


@functools.cache
def model(name: str) -> Any:
    with jax.ensure_compile_time_eval():
        return drawn(BUILDS[name])


def carries(count: int) -> Any:
    return (LSTM(hidden=HIDDEN).initial_carry(BATCH),) * count


def shifted(kind: Any, vectors: Any = INPUTS, lengths: Any = LENGTHS) -> Any:
    def logits(vectors: Any) -> Any:
        return jnp.sin(vectors).sum(axis=0)

    scale = array(1, np.float32)
    return kind().cost(Texts(vectors, lengths, scale, logits, logits, lambda x: x[:, 0]), KEY)


def next_token(lengths: Any = LENGTHS, mask: Any = None) -> Any:
    mask = array(np.ones(BATCH), np.float32) if mask is None else mask
    outputs = array(np.ones((TIME, BATCH, HIDDEN)), np.float32)
    return model("classifier").next_token(TOKENS, outputs, lengths, mask).total


def total_nats(hidden: Any = INPUTS, tokens: Any = TOKENS, weights: Any = WEIGHTS) -> Any:
    return model("softmax").total_nats(hidden, tokens, weights, None)


NO_SIZE = "input_size must be a whole number of at least 1, not 0"
BOOLEANS, SHORT = array(np.array(LENGTHS) > 1), array([1], np.int32)


def part(values: Any, *index: Any) -> jax.Array:
    return array(np.asarray(values)[index])


# What is called, and the line that it says.
CALLS: list[tuple[Any, str]] = [
    (lambda: model("stack")(WHOLE), floats("inputs", "...", "int32 [300, 3, 2]", TO_FLOATS)),
    (
        lambda: model("stack")(part(INPUTS, slice(None), 0)),
        floats("inputs", "time, batch, input", "float32 [300, 2]", ADD_BATCH),
    ),
    (
        lambda: model("stack")(INPUTS, carries(1)),
        "carries must be 2, one for each layer, got 1",
    ),
    (
        lambda: model("stack")(INPUTS, dict(enumerate(carries(2)))),
        "carries must be 2, one for each layer, got a value of type dict",
    ),
    (
        lambda: model("stack")(INPUTS, carries(2)),
        "carry must be as cell.initial_carry makes it, a MatrixMemoryCarry of memory, total; "
        "got a LSTMCarry of hidden, cell",
    ),
    (
        lambda: model("both")(WHOLE),
        floats("inputs", "time, batch, input", "int32 [300, 3, 2]", TO_FLOATS),
    ),
    (
        lambda: model("both")(INPUTS, carries(1)),
        "carries must be 2, forward and backward, got 1",
    ),
    (lambda: Recurrent(MatrixMemory(hidden=2), 0, nnx.Rngs(0)), NO_SIZE),
    (lambda: stack_of((LSTM(hidden=2),), 0, Noise(), nnx.Rngs(0)), NO_SIZE),
    (
        lambda: model("dense")(part(WHOLE, 0)),
        floats("inputs", "..., features", "int32 [3, 2]", TO_FLOATS),
    ),
    (
        lambda: model("dense")(array(np.ones((3, 4)), np.float32)),
        floats("kernel", "features=4, units", "float32 [2, 5]"),
    ),
    (
        lambda: model("mean")(WHOLE, LENGTHS),
        floats("outputs", "time, batch, features=2", "int32 [300, 3, 2]", TO_FLOATS),
    ),
    (
        lambda: model("concatenated")(part(INPUTS, ..., slice(1)), LENGTHS),
        floats("outputs", "time, batch, features=2", "float32 [300, 3, 1]"),
    ),
    (
        lambda: model("last")(INPUTS, array(LENGTHS, np.float32)),
        integers("lengths", "batch=3", "float32 [3]", TO_INTEGERS),
    ),
    (lambda: model("max")(INPUTS, BOOLEANS), integers("lengths", "batch=3", "bool [3]")),
    (lambda: model("mean")(INPUTS, SHORT), integers("lengths", "batch=3", "int32 [1]")),
    (
        lambda: model("max")(part(INPUTS, slice(0)), LENGTHS),
        "outputs must have at least one step to be pooled, got none",
    ),
    (
        lambda: model("embedding")(WEIGHTS),
        integers("tokens", "time, batch", "float32 [300, 3]", TO_INTEGERS),
    ),
    (
        lambda: model("embedding")(array(WEIGHTS, bool)),
        integers("tokens", "time, batch", "bool [300, 3]"),
    ),
    (
        lambda: model("embedding")(part(TOKENS, slice(None), 0)),
        integers("tokens", "time, batch", "int32 [300]", ADD_BATCH),
    ),
    (
        lambda: model("embedding")(TOKENS.tolist()),
        integers("tokens", "time, batch", "a value of type list", TO_ARRAY),
    ),
    (
        lambda: total_nats(tokens=WEIGHTS),
        integers("tokens", "time=300, batch=3", "float32 [300, 3]", TO_INTEGERS),
    ),
    (
        lambda: total_nats(WHOLE),
        floats("hidden", "time, batch, hidden", "int32 [300, 3, 2]", TO_FLOATS),
    ),
    (
        lambda: total_nats(weights=part(WEIGHTS, slice(None), slice(1))),
        floats("weights", "time=300, batch=3", "float32 [300, 1]"),
    ),
    (lambda: next_token(SHORT), integers("lengths", "batch=3", "int32 [1]")),
    (lambda: next_token(BOOLEANS), integers("lengths", "batch=3", "bool [3]")),
    (
        lambda: next_token(mask=BOOLEANS),
        floats("mask", "batch=3", "bool [3]", TO_FLOATS),
    ),
    *(
        (lambda kind=kind, given=given: shifted(kind, **given), line)
        for kind in (Adversarial, VirtualAdversarial)
        for given, line in (
            (
                {"vectors": WHOLE},
                floats("vectors", "time, batch, features", "int32 [300, 3, 2]", TO_FLOATS),
            ),
            ({"lengths": SHORT}, integers("lengths", "batch=3", "int32 [1]")),
            ({"lengths": BOOLEANS}, integers("lengths", "batch=3", "bool [3]")),
        )
    ),
]


@pytest.mark.parametrize(("wrong", "line"), CALLS, ids=[line for _, line in CALLS])
def test_what_is_wrong_is_said_in_one_line(wrong, line):
    with pytest.raises(UserError) as caught:
        wrong()
    assert str(caught.value) == line


# ---- what is taken ------------------------------------------------------------------------------

VALID = np.arange(TIME)[:, None] < np.asarray(LENGTHS)
PADDED = array(np.where(VALID[..., None], INPUTS, np.nan), np.float32)
RARE = array(np.where(VALID, TOKENS, 127), np.int32)
TAKES: dict[str, tuple[Any, Any, Any]] = {
    "next token": (next_token, LENGTHS, jnp.uint8),
    "virtual": (lambda lengths: shifted(VirtualAdversarial, lengths=lengths), LENGTHS, jnp.int8),
    "embedding": (lambda tokens: model("embedding")(tokens, KEY), RARE, jnp.int8),
    "softmax": (lambda tokens: total_nats(tokens=tokens), RARE, jnp.int8),
} | {
    kind: (
        lambda lengths, kind=kind: jax.value_and_grad(
            lambda outputs: jnp.square(model(kind)(outputs, lengths)).sum()
        )(PADDED),
        LENGTHS,
        jnp.int8,
    )
    for kind in get_args(PoolingKind)
}


@pytest.mark.parametrize(("taking", "given", "dtype"), TAKES.values(), ids=TAKES.keys())
def test_narrow_integers_do_not_wrap(taking, given, dtype):
    run = jax.jit(taking)
    expected = run(given)
    assert_close(run(array(given, dtype)), expected, 0.0)
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(expected))


@pytest.mark.parametrize("kind", get_args(PoolingKind))
def test_a_length_beyond_the_steps_is_that_of_all_steps(kind):
    outputs = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    found, expected = (call(model(kind), outputs, np.array([n, 1, n], np.int32)) for n in (3, 2))
    assert_close(found, expected, 0.0)
