"""The benchmark of predictions compares like with like."""

import importlib
import importlib.util
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import lstm_jax

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"
needs_torch = pytest.mark.skipif(
    not importlib.util.find_spec("torch"), reason="torch is not installed"
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / "benchmark_prediction.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@needs_torch
@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
def test_the_same_network_in_pytorch_predicts_the_same(
    classifier: pathlib.Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    monkeypatch.syspath_prepend(SCRIPTS)
    script = importlib.import_module("_torch_classifier")
    loaded = lstm_jax.load(classifier)
    texts = ["the film was great", "dull", "", "plot and film and plot " * 3]
    sequences = [loaded.experiment.data.encode(text, loaded.vocabulary) for text in texts]
    model = script.of_run(loaded.experiment.task, loaded.params, packed)
    logits = script.predict(model, sequences, batch_size=3)
    exponents = np.exp(logits)
    found = exponents / exponents.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, loaded.predict(texts).probabilities, atol=1e-5)


def test_it_prints_an_object_for_each_figure(classifier: pathlib.Path) -> None:
    arguments = (f"--workdir={classifier}", "--implementations=lstm_jax", "--rounds=1", "--json")
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["implementation"] for record in records] == ["lstm_jax", "lstm_jax_again"]
    assert all(record["texts_per_second"] > 0 for record in records)
    assert "the predicted classes are the same" in done.stderr


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--rounds=1", "--workdir is missing"),
        ("--workdir=nowhere", "nowhere: no such directory"),
    ],
)
def test_a_mistake_is_named_in_one_line(argument: str, message: str) -> None:
    done = run(argument)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
