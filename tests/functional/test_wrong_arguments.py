"""What is wrong with the arguments of losses, scores and noise is said in one line."""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.errors import UserError
from lstm_jax.functional.affine import affine
from lstm_jax.functional.dropouts import (
    activation_penalty,
    dropout,
    embedding_dropout,
    temporal_penalty,
    variational_dropout,
    weight_drop,
    word_dropout,
)
from lstm_jax.functional.losses import cross_entropy, smoothed, total_cross_entropy
from lstm_jax.inference.sampling import sample
from lstm_jax.metrics.classification import calibration_error, count, macro_f1
from tests.reference import assert_close
from tests.refusals import ADD_BATCH, TO_FLOATS, TO_INTEGERS, floats, integers

pytestmark = pytest.mark.usefixtures("unannotated")

TIME, BATCH, SIZE, CLASSES = 4, 3, 2, 300
KEY = jax.random.key(0)
INPUTS = jnp.ones((TIME, BATCH, SIZE))
TOKENS = jnp.zeros((TIME, BATCH), jnp.int32)
WEIGHTS = jnp.ones((TIME, BATCH))
LABELS = jnp.array([0, 3, 127], jnp.int32)
LOGITS = jnp.asarray(np.random.default_rng(0).normal(size=(BATCH, CLASSES)), jnp.float32)
KERNEL, BIAS = jnp.ones((SIZE, CLASSES)), jnp.zeros(CLASSES)
WHOLE = INPUTS.astype(jnp.int32)
NOISES = {
    "dropout": lambda key, rate: dropout(key, INPUTS, rate),
    "variational": lambda key, rate: variational_dropout(key, INPUTS, rate),
    "weights": lambda key, rate: weight_drop(key, KERNEL, rate),
    "words": lambda key, rate: word_dropout(key, TOKENS, rate, 0),
    "embedding": lambda key, rate: embedding_dropout(key, TOKENS, INPUTS, 9, rate),
}
# With a key or without, what cannot be dropped is refused.
WHOLE_NOISES = [
    (dropout, TOKENS, "inputs", "..."),
    (variational_dropout, WHOLE, "inputs", "time, batch, features"),
    (weight_drop, TOKENS, "kernel", "..."),
]


def total(inputs: Any = INPUTS, labels: Any = TOKENS, weights: Any = WEIGHTS) -> Any:
    return total_cross_entropy(inputs, KERNEL, BIAS, labels, weights)


def draw(**changes: Any) -> Any:
    given = {"prompt": [1], "length": 2, "temperature": 1.0, "top_k": None, "seed": 0} | changes
    return sample(SimpleNamespace(), (), **given)


# What is called, and the line that it says.
CALLS: list[tuple[Any, str]] = [
    (
        lambda: affine(INPUTS > 0, KERNEL, BIAS),
        floats("inputs", "..., features", "bool [4, 3, 2]", TO_FLOATS),
    ),
    (
        lambda: jax.grad(lambda bias: affine(WHOLE, KERNEL, bias).sum())(BIAS),
        floats("inputs", "..., features", "int32 [4, 3, 2]", TO_FLOATS),
    ),
    (
        lambda: affine(INPUTS, KERNEL.astype(int), BIAS),
        floats("kernel", "features=2, units", "int32 [2, 300]", TO_FLOATS),
    ),
    (
        lambda: affine(INPUTS, KERNEL, jnp.zeros(1)),
        floats("bias", "units=300", "float32 [1]"),
    ),
    (
        lambda: cross_entropy(LOGITS.astype(int), LABELS),
        floats("logits", "..., classes", "int32 [3, 300]", TO_FLOATS),
    ),
    (lambda: cross_entropy(LOGITS, LABELS > 0), integers("labels", "3", "bool [3]")),
    (
        lambda: jax.grad(lambda logits: cross_entropy(logits, WEIGHTS[0]).sum())(LOGITS),
        integers("labels", "3", "float32 [3]", TO_INTEGERS),
    ),
    (lambda: cross_entropy(LOGITS, LABELS[:1]), integers("labels", "3", "int32 [1]")),
    (lambda: cross_entropy(LOGITS, 0), integers("labels", "3", "a value of type int")),
    (lambda: total(labels=TOKENS > 0), integers("labels", "4, 3", "bool [4, 3]")),
    (lambda: total(weights=WEIGHTS[:1]), floats("weights", "4, 3", "float32 [1, 3]")),
    (
        lambda: total(weights=TOKENS),
        floats("weights", "4, 3", "int32 [4, 3]", TO_FLOATS),
    ),
    (
        lambda: total(WHOLE),
        floats("inputs", "..., features", "int32 [4, 3, 2]", TO_FLOATS),
    ),
    (lambda: smoothed(WEIGHTS, LOGITS, 0.1), floats("nats", "3", "float32 [4, 3]")),
    (
        lambda: smoothed(LABELS, LOGITS, 0.1),
        floats("nats", "3", "int32 [3]", TO_FLOATS),
    ),
    (
        lambda: count(LOGITS, LABELS > 0, WEIGHTS[0]),
        integers("labels", "batch=3", "bool [3]"),
    ),
    (
        lambda: count(LOGITS, LABELS, WEIGHTS[0] > 0),
        floats("mask", "batch=3", "bool [3]", TO_FLOATS),
    ),
    (
        lambda: count(LOGITS, LABELS, WEIGHTS[0, :1]),
        floats("mask", "batch=3", "float32 [1]"),
    ),
    (
        lambda: macro_f1(np.ones((2, 3))),
        "confusion must be [classes=2, classes=2] of values, got float64 [2, 3]",
    ),
    (
        lambda: calibration_error(np.ones((3, 2))),
        "bins must be [bins, values=3] of values, got float64 [3, 2]",
    ),
    *(
        (
            lambda noise=noise, key=key, given=given: noise(key, given, 0.5),
            floats(name, axes, f"int32 {[*given.shape]}", TO_FLOATS),
        )
        for key in (None, KEY)
        for noise, given, name, axes in WHOLE_NOISES
    ),
    *(
        (
            lambda noise=noise, key=key, rate=rate: noise(key, rate),
            f"rate must lie in [0, 1], not {rate}",
        )
        for noise in NOISES.values()
        for rate, key in ((-0.1, KEY), (1.5, KEY), (float("nan"), KEY), (1.5, None))
    ),
    (
        lambda: smoothed(WEIGHTS[0], LOGITS, float("nan")),
        "share must lie in [0, 1], not nan",
    ),
    (
        lambda: variational_dropout(KEY, INPUTS[:, 0], 0.5),
        floats("inputs", "time, batch, features", "float32 [4, 2]", ADD_BATCH),
    ),
    (
        lambda: word_dropout(KEY, WEIGHTS, 0.5, 0),
        integers("tokens", "time, batch", "float32 [4, 3]", TO_INTEGERS),
    ),
    (
        lambda: embedding_dropout(KEY, TOKENS > 0, INPUTS, 9, 0.5),
        integers("tokens", "...", "bool [4, 3]"),
    ),
    (
        lambda: embedding_dropout(KEY, TOKENS, INPUTS[:, :1], 9, 0.5),
        floats("vectors", "4, 3, features", "float32 [4, 1, 2]"),
    ),
    *(
        (lambda penalty=penalty, given=given: penalty(*given, 1.0), line)
        for penalty in (activation_penalty, temporal_penalty)
        for given, line in (
            (
                (WHOLE, WEIGHTS),
                floats("outputs", "time, batch, hidden", "int32 [4, 3, 2]", TO_FLOATS),
            ),
            (
                (INPUTS, WEIGHTS[:, :1]),
                "mask must be [time=4, batch=3] of values, got float32 [4, 1]",
            ),
        )
    ),
    (lambda: draw(prompt=[1, 2.5]), "a token of prompt must be a whole number, not 2.5"),
    (lambda: draw(prompt=[]), "prompt must be at least one token, each from 0 on, not []"),
    (
        lambda: draw(prompt=[3, -1]),
        "prompt must be at least one token, each from 0 on, not [3, -1]",
    ),
    (lambda: draw(length=2.5), "length must be a whole number, not 2.5"),
    (lambda: draw(top_k=2.0), "top_k must be a whole number, not 2.0"),
    (lambda: draw(seed=0.5), "seed must be a whole number, not 0.5"),
]


@pytest.mark.parametrize(("call", "line"), CALLS, ids=[line for _, line in CALLS])
def test_what_is_wrong_is_said_in_one_line(call, line):
    with pytest.raises(UserError) as caught:
        call()
    assert str(caught.value) == line


# ---- what is taken ------------------------------------------------------------------------------


def slopes(labels: Any) -> Any:
    """Of labels that also are those of a class 256 further on, to a narrow integer."""
    return jax.value_and_grad(lambda logits: cross_entropy(logits, labels).sum())(LOGITS)


def slopes_by_chunks(labels: Any) -> Any:
    many = jnp.concatenate([labels] * 300)
    rows, weights = jnp.ones((len(many), SIZE)), jnp.ones(len(many))
    return jax.value_and_grad(
        lambda kernel: total_cross_entropy(rows, kernel, BIAS, many, weights)
    )(KERNEL)


TAKES = {
    "cross_entropy": slopes,
    "total_cross_entropy": slopes_by_chunks,
    "count": lambda labels: count(LOGITS, labels, WEIGHTS[0]),
    "embedding_dropout": lambda labels: embedding_dropout(KEY, labels, LOGITS, CLASSES, 0.5),
}


@pytest.mark.parametrize("dtype", [jnp.int8, jnp.uint8])
@pytest.mark.parametrize("call", TAKES.values(), ids=TAKES.keys())
def test_narrow_labels_do_not_wrap(call, dtype):
    run = jax.jit(call)
    assert_close(run(LABELS.astype(dtype)), run(LABELS), 0.0)


def test_arrays_of_numpy_are_taken():
    plain = [np.asarray(array) for array in (LOGITS, LABELS, INPUTS, TOKENS, WEIGHTS)]

    def results(logits: Any, labels: Any, inputs: Any, tokens: Any, weights: Any) -> Any:
        dropped = dropout(KEY, inputs, 0.5)
        return cross_entropy(logits, labels), total(inputs, tokens, weights), dropped

    found = jax.jit(lambda: results(*plain))()
    assert_close(found, jax.jit(results)(*plain), 1e-6)
