"""All libraries train the same model, and the benchmark reports how fast and in how much memory."""

import dataclasses
import importlib
import importlib.util
import json
import pathlib
from typing import Any

import jax
import numpy as np
import pytest

from lstm_jax import Experiment, override
from lstm_jax.cells import LSTM
from lstm_jax.data import LabelledTexts, TextWindows
from lstm_jax.errors import UserError
from lstm_jax.optimization.optimizers import Optimizer
from lstm_jax.optimization.schedules import WarmupCosine
from lstm_jax.programs.program import load_experiment
from lstm_jax.recurrence import backend, native_library
from lstm_jax.tasks import Classification, LanguageModeling
from scripts.benchmarks import (
    classifier,
    comparable,
    language_model,
    lstm_jax_model,
    lstm_jax_runner,
)
from tests.scripts.benchmarks.running import ROOT, needs

ZAREMBA = Experiment(
    task=LanguageModeling(LSTM(hidden=8), layers=2, reduction="sum_over_time"),
    data=TextWindows(batch_size=3, window=5),
    optimizer=Optimizer("sgd", learning_rate=1.0, clip_norm=0.5),
    epochs=1,
    steps_per_dispatch=2,
)
AWD = dataclasses.replace(
    ZAREMBA,
    task=LanguageModeling((LSTM(hidden=8), LSTM(hidden=6)), layers=2, embedding=6, tied=True),
    optimizer=Optimizer("sgd", learning_rate=5.0, clip_norm=0.1),
)
CLASSIFIER = Experiment(
    task=Classification(LSTM(hidden=4), embedding=3, variational=True),
    data=LabelledTexts(batch_size=3),
    optimizer=Optimizer("adam", 0.01, schedule=WarmupCosine(warmup=1, length=2), clip_norm=0.1),
    epochs=1,
)
MODELS = {"zaremba": ZAREMBA, "awd": AWD, "classifier": CLASSIFIER}


def sizes_of(experiment: Experiment) -> Any:
    return comparable.sizes_of(experiment, vocabulary=20, length=7)


def model_of(name: str) -> Any:
    """The module that has the weights and the batches."""
    return classifier if name == "classifier" else language_model


def plain_losses(implementation: str, name: str, experiment: Experiment) -> Any:
    """The losses of six training steps in another library."""
    model, sizes = model_of(name), sizes_of(experiment)
    train = importlib.import_module(model.PLAIN[implementation]).build(
        sizes, model.make_weights(sizes)
    )
    return train(model.make_batches(sizes, 6))


NATIVE = "scan" if native_library.why_not_built() else "native"


@pytest.mark.parametrize(
    ("name", "chosen"), [("zaremba", "scan"), ("awd", NATIVE), ("classifier", NATIVE)]
)
def test_whole_training_steps_agree(name: str, chosen: str) -> None:
    model, experiment = model_of(name), MODELS[name]
    sizes = sizes_of(experiment)
    with backend.recorded() as used:
        train = lstm_jax_model.build(model, sizes, experiment, chosen)
        losses = train(model.make_batches(sizes, 6))
    assert list(used) == [chosen]
    assert losses.shape == (6,)
    if importlib.util.find_spec("torch"):
        plain = plain_losses("torch", name, experiment)
        np.testing.assert_allclose(losses, plain, rtol=1e-5)
    if name == "zaremba":
        with jax.numpy_dtype_promotion("standard"):
            plain = plain_losses("flax_linen", name, experiment)
        np.testing.assert_allclose(losses, plain, rtol=1e-5)


@needs("torch")
@pytest.mark.parametrize(
    ("name", "noise"),
    [
        ("zaremba", "dropout"),
        ("awd", "dropout"),
        ("awd", "embedding_dropout"),
        ("awd", "weight_drop"),
        ("classifier", "dropout"),
        ("classifier", "word_dropout"),
    ],
)
def test_pytorch_has_the_noise_of_the_experiment(name: str, noise: str) -> None:
    experiment = MODELS[name]
    if name == "awd":
        experiment = override(experiment, {"task.variational": True})
    noisy = plain_losses("torch", name, override(experiment, {f"task.{noise}": 0.5}))
    assert np.isfinite(noisy).all()
    assert abs(noisy[0] - plain_losses("torch", name, experiment)[0]) > 1e-5


@needs("torch")
def test_variational_dropout_of_pytorch_drops_the_same_at_all_steps() -> None:
    import torch

    from scripts.benchmarks.peers.torch_language_model import LanguageModel

    sizes = sizes_of(override(AWD, {"task.variational": True, "task.dropout": 0.5}))
    model = LanguageModel(sizes, model_of("awd").make_weights(sizes))
    kept = model._drop(torch.ones(7, 3, 50))
    assert sorted(kept.unique().tolist()) == [0.0, 2.0]
    assert (kept == kept[0]).all()
    assert (kept[0, 0] != kept[0, 1]).any()


def test_the_loop_is_timed_while_it_trains() -> None:
    assert lstm_jax_runner.tokens_per_second(ZAREMBA, sizes_of(ZAREMBA), seconds=0.01) > 0


def test_only_experiments_that_the_plain_models_repeat_are_compared() -> None:
    assert sizes_of(ZAREMBA) == (
        *(20, 8, (8, 8), 5, 3),  # vocabulary, embedding, hidden, window, batch
        *(0.0, False, 0.0, 0.0),  # dropout, variational, embedding dropout, weight drop
        *(False, True, 0.5, 1.0),  # tied, sum over time, clipping, learning rate
    )
    # Vocabulary, embedding, hidden, length, batch, dropout, word dropout, clipping, learning rate.
    assert sizes_of(CLASSIFIER) == (20, 3, 4, 7, 3, 0.0, 0.0, 0.1, 0.01)
    for experiment, change in (
        (ZAREMBA, {"optimizer.name": "adam"}),
        (ZAREMBA, {"optimizer.clip_norm": None}),
        (ZAREMBA, {"optimizer.weight_decay": 0.1}),
        (ZAREMBA, {"task.cutoffs": (5,)}),
        (ZAREMBA, {"task.cell.peepholes": True}),
        (CLASSIFIER, {"optimizer.name": "sgd"}),
        (CLASSIFIER, {"task.bidirectional": False}),
        (CLASSIFIER, {"task.variational": False}),
    ):
        with pytest.raises(UserError, match="plain models"):
            sizes_of(override(experiment, change))


def test_awd_lstm_is_timed_in_its_full_size() -> None:
    sizes = sizes_of(load_experiment(str(ROOT / "scripts/benchmarks/awd_lstm.py")))
    assert (sizes.embedding, sizes.hidden) == (400, (1150, 1150, 400))
    assert (sizes.window, sizes.batch, sizes.weight_drop) == (70, 80, 0.5)
    assert "flax_linen" in model_of("awd").unfit(sizes)
    assert not model_of("zaremba").unfit(sizes_of(ZAREMBA))


CONFIG = """
from tests.scripts.benchmarks.test_training import ZAREMBA

def get_config():
    return ZAREMBA
"""


@pytest.mark.slow  # what it prints is tried on layers, what it measures on each model
def test_training_prints_an_object_for_each_implementation(
    run: Any, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "tiny.py").write_text(CONFIG)
    names = ["lstm_jax_scan", "flax_linen"]
    what = [f"--configs={tmp_path}/tiny.py", f"--implementations={','.join(names)}"]
    sizes = ["--vocabulary=20", "--rounds=1", "--seconds=0"]
    done = run("training", *what, *sizes, "--json", "--plot=")
    assert done.code == 0, done.err
    records = [json.loads(line) for line in done.out.splitlines()]
    assert all(record.pop("tokens_per_second") > 0 for record in records)
    assert all(0 < record.pop("peak_memory_mb") < 2000 for record in records)
    assert records == [{"config": "tiny", "implementation": name} for name in names]
