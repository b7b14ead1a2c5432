import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.data import TextWindows
from lstm_jax.errors import ConfigError
from lstm_jax.modules import merge
from lstm_jax.tasks import Use
from tests.tasks.test_language_modeling import PREPROCESSOR, TASK, VOCABULARY, first, read


def generate(prompt: str = "what is", **changes: Any) -> str:
    graph, params = first(TASK)
    use = Use(merge(graph, params), PREPROCESSOR, TextWindows())
    return TASK.generate(use, prompt, **({"length": 8} | changes))


def test_generated_text_follows_from_the_seed():
    assert generate() == generate(seed=0)
    assert len({generate(seed=seed) for seed in range(3)}) == 3


def test_generated_text_goes_on_from_the_prompt():
    assert generate().startswith("what is ")
    assert len(VOCABULARY.encode(generate())) == 2 + 8
    assert len(VOCABULARY.encode(generate(prompt=""))) == 8
    assert generate(length=0) == "what is"


def test_unknown_words_of_a_prompt_are_read_as_unknown():
    assert generate(prompt="what zzz").startswith("what <unk> ")
    assert generate(prompt="what zzz") == generate(prompt="what yyy")


def test_without_temperature_each_token_is_the_likeliest_after_those_before():
    text = generate(temperature=0.0)
    assert text == generate(temperature=0.0, seed=1)
    graph, params = first(TASK)
    ids = VOCABULARY.encode(text)
    tokens = jnp.asarray([VOCABULARY.start, *ids[:-1]])[:, None]
    logits, _ = read(graph, params, tokens, merge(graph, params).initial_carry(1))
    np.testing.assert_array_equal(logits[2:, 0].argmax(axis=-1), ids[2:])


def test_noise_is_not_for_generation():
    noisy = dataclasses.replace(TASK, dropout=0.5)
    graph, params = first(noisy)
    use = Use(merge(graph, params), PREPROCESSOR, TextWindows())
    text = noisy.generate(use, "what is", length=8)
    assert text == generate()


@pytest.mark.parametrize("wrong", [{"length": -1}, {"temperature": -1.0}, {"top_k": 0}], ids=str)
def test_generation_refuses_numbers_outside_their_range(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        generate(**wrong)
