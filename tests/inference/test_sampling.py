from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lstm_jax.errors import ConfigError
from lstm_jax.inference.sampling import sample
from lstm_jax.types import Array

LOGITS = [0.0, 2.0, -1.0, 1.0, 0.5]


class Fixed(nnx.Module):
    """The same logits whatever was read."""

    def __init__(self, logits: Any):
        self.logits = nnx.Param(jnp.asarray(logits, np.float32))

    def __call__(self, tokens: Array, carry: Any) -> tuple[Array, Any]:
        return self.logits[...].reshape(*tokens.shape, -1), carry


class Sum(nnx.Module):
    """Very sure of the sum of all tokens so far, which is its carry."""

    def __init__(self):
        self.scale = nnx.Param(jnp.asarray(100.0))

    def __call__(self, tokens: Array, carry: Array) -> tuple[Array, Array]:
        carry = (carry + tokens[0, 0]) % 11
        return self.scale[...] * jax.nn.one_hot(carry, 11)[None, None], carry


def draw(length: int, logits: Any = LOGITS, **changes: Any) -> list[int]:
    arguments: dict[str, Any] = {"temperature": 1.0, "top_k": None, "seed": 0} | changes
    return sample(Fixed(logits), (), [0], length, **arguments)


def assert_shares(drawn: list[int], probabilities: np.ndarray) -> None:
    shares = np.bincount(drawn, minlength=len(probabilities)) / len(drawn)
    deviations = np.sqrt(probabilities * (1 - probabilities) / len(drawn))
    assert np.all(np.abs(shares - probabilities) <= 4.5 * deviations)


def softmax(logits: Any) -> np.ndarray:
    exponentials = np.exp(np.asarray(logits))
    return exponentials / exponentials.sum()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_are_drawn_with_the_probabilities_of_the_softmax(temperature):
    drawn = draw(4000, temperature=temperature)
    assert_shares(drawn, softmax(np.array(LOGITS) / temperature))
    # And each without regard to the one before.
    pairs = [5 * a + b for a, b in zip(drawn[::2], drawn[1::2], strict=True)]
    single = softmax(np.array(LOGITS) / temperature)
    assert_shares(pairs, np.outer(single, single).ravel())


def test_a_temperature_of_zero_takes_the_likeliest():
    assert draw(20, temperature=0.0) == [1] * 20
    assert draw(20, temperature=0.0, seed=1, top_k=2) == [1] * 20
    assert draw(20, temperature=1e-6) == [1] * 20


def test_top_k_never_leaves_the_likeliest():
    drawn = draw(4000, top_k=3, temperature=2.0)
    assert set(drawn) == {1, 3, 4}
    kept = np.where([False, True, False, True, True], np.array(LOGITS) / 2, -np.inf)
    assert_shares(drawn, softmax(kept))
    assert draw(20, top_k=1) == [1] * 20


@pytest.mark.parametrize("top_k", [5, 1000])
def test_as_many_as_there_are_tokens_is_no_limit(top_k):
    assert draw(50, top_k=top_k) == draw(50)


def test_the_seed_decides():
    assert draw(50) == draw(50)
    assert len({tuple(draw(50, seed=seed)) for seed in range(3)}) == 3


@pytest.mark.parametrize("prompt", [[7], [3, 1, 5], [2] * 64])
@pytest.mark.parametrize("length", [1, 70])
def test_the_prompt_is_read_before_the_first_draw_and_each_draw_before_the_next(prompt, length):
    carry = 4
    total, expected = carry + sum(prompt), []
    for _ in range(length):
        expected.append(total % 11)
        total += expected[-1]
    drawn = sample(Sum(), jnp.array(carry), prompt, length, 1.0, None, 0)
    assert drawn == expected
    assert all(type(token) is int for token in drawn)


def test_a_longer_text_begins_as_a_shorter_one():
    assert draw(100)[:10] == draw(10)


def test_nothing_is_drawn():
    assert draw(0) == []
    assert sample(Sum(), jnp.array(0), [1, 2, 3], 0, 1.0, None, 0) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"length": -1},
        {"temperature": -0.1},
        {"temperature": float("inf")},
        {"temperature": float("nan")},
        {"top_k": 0},
        {"top_k": -3},
        {"seed": 2**63},
    ],
    ids=str,
)
def test_numbers_outside_their_range(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        draw(**({"length": 3} | wrong))
