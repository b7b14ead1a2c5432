"""Drawing sequences of tokens from a model."""

import functools
import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from lstm_jax.errors import ConfigError
from lstm_jax.modules import merge, split
from lstm_jax.types import Array, Carry, Key, Params


def sample(
    model: Any,
    carry: Carry,
    prompt: Sequence[int],
    length: int,
    temperature: int | float,
    top_k: int | None,
    seed: int,
) -> list[int]:
    """Draws `length` tokens that follow `prompt` (at least one token) from `model`.

    `model(tokens [1, 1], carry)` gives logits [1, 1, vocabulary] and the next carry. See
    `LanguageModeling.generate` for the other arguments.

    Raises:
        ConfigError: a number is outside its range, or there is no prompt.
    """
    prompt = [_whole("a token of prompt", token) for token in prompt]
    if not prompt or min(prompt) < 0:
        raise ConfigError(f"prompt must be at least one token, each from 0 on, not {prompt}")
    length, seed = _whole("length", length), _whole("seed", seed)
    top_k = None if top_k is None else _whole("top_k", top_k)
    if length < 0:
        raise ConfigError(f"length must not be negative, not {length}")
    if not 0 <= temperature < float("inf"):
        raise ConfigError(f"temperature must not be negative or infinite, not {temperature}")
    if top_k is not None and top_k < 1:
        raise ConfigError(f"top_k must be at least 1, not {top_k}")
    if not -(2**63) <= seed < 2**63:
        raise ConfigError(f"seed must fit into 64 bits, not {seed}")
    graph, params = split(model)
    # Every number of steps is a compilation: rounding up to a power of two keeps them few.
    steps = len(prompt) + length
    padded = jnp.zeros((max(64, 1 << (steps - 1).bit_length()),), jnp.int32)
    padded = padded.at[: len(prompt)].set(jnp.array(prompt, jnp.int32))
    drawn = _sample(
        graph,
        params,
        carry,
        padded,
        jnp.array(len(prompt)),
        jnp.array(temperature, jnp.float32),
        top_k,
        jax.random.key(seed),
    )
    return drawn[len(prompt) - 1 : steps - 1].tolist()


def _whole(name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise ConfigError(f"{name} must be a whole number, not {value!r}") from None


@functools.partial(jax.jit, static_argnames=("graph", "top_k"))
def _sample(
    graph: Any,
    params: Params,
    carry: Carry,
    prompt: Int[Array, " steps"],
    prompt_length: Int[Array, ""],
    temperature: Float[Array, ""],
    top_k: int | None,
    key: Key,
) -> Int[Array, " steps"]:
    """The token drawn after each step, which reads the prompt or, after it, the last draw."""
    model = merge(graph, params)

    def step(state: Any, slices: Any) -> tuple[Any, Array]:
        carry, last = state
        index, prompted = slices
        token = jnp.where(index < prompt_length, prompted, last)
        logits, carry = model(token.reshape(1, 1), carry)
        drawn = _draw(logits[0, 0], temperature, top_k, jax.random.fold_in(key, index))
        return (carry, drawn), drawn

    indices = jnp.arange(prompt.shape[0])
    return jax.lax.scan(step, (carry, prompt[0]), (indices, prompt))[1]


def _draw(
    logits: Float[Array, " vocabulary"],
    temperature: Float[Array, ""],
    top_k: int | None,
    key: Key,
) -> Int[Array, ""]:
    if top_k is not None and top_k < logits.shape[0]:
        least = jax.lax.top_k(logits, top_k)[0][-1]
        logits = jnp.where(logits < least, -jnp.inf, logits)
    hot = jnp.where(temperature == 0, jnp.ones_like(temperature), temperature)
    drawn = jax.random.categorical(key, logits / hot)
    return jnp.where(temperature == 0, logits.argmax(), drawn).astype(jnp.int32)
