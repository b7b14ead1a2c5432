"""The benchmark of predictions compares like with like."""

import json
import pathlib
from typing import Any

import numpy as np
import pytest

import lstm_jax
from lstm_jax.data import Example
from tests.scripts.benchmarks.running import needs


@needs("torch")
@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
def test_the_same_network_in_pytorch_predicts_the_same(
    classifier: pathlib.Path, packed: bool
) -> None:
    from scripts.benchmarks.peers import torch_classifier

    loaded = lstm_jax.load(classifier)
    texts = ["the film was great", "dull", "", "plot and film and plot " * 3]
    sequences = [loaded.preprocessor.encode(Example(text, None, text)).inputs for text in texts]
    model = torch_classifier.of_run(loaded.experiment.task, loaded.params, packed)
    logits = torch_classifier.predict(model, sequences, batch_size=3)
    exponents = np.exp(logits)
    found = exponents / exponents.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, loaded.predict(texts).probabilities, atol=1e-5)


def test_it_prints_an_object_for_each_figure(
    run: Any, in_this_process: None, classifier: pathlib.Path
) -> None:
    arguments = (f"--workdir={classifier}", "--implementations=lstm_jax", "--rounds=1", "--json")
    done = run("prediction", *arguments)
    assert done.code == 0, done.err
    records = [json.loads(line) for line in done.out.splitlines()]
    assert [record["implementation"] for record in records] == ["lstm_jax", "lstm_jax_again"]
    assert all(record["texts_per_second"] > 0 for record in records)
    assert "the predicted classes are the same" in done.err


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--rounds=1", "--workdir is missing"),
        ("--workdir=nowhere", "nowhere: no such directory"),
    ],
)
def test_a_mistake_is_named_in_one_line(run: Any, argument: str, message: str) -> None:
    done = run("prediction", argument)
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
