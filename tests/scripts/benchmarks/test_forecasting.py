"""lstm_jax and PyTorch train the same forecasters, and what cannot be compared is refused.

PyTorch need not be installed: where the program itself is tried, something takes its place.
"""

import importlib.util
import json
import os
import pathlib
import sys
import time
import types
from typing import Any

import jax
import numpy as np
import pytest

from lstm_jax import Experiment, override
from lstm_jax.cells import GRU, LSTM
from lstm_jax.data import M4, SeriesTable, SeriesWindows
from lstm_jax.errors import UserError
from lstm_jax.modules import Gaussian, Recursive, Segments, StudentT, WindowNormalization
from lstm_jax.optimization import Optimizer
from lstm_jax.programs.program import load_experiment
from lstm_jax.recurrence import backend, native_library
from lstm_jax.tasks import Forecasting
from scripts.benchmarks import forecaster, lstm_jax_model, lstm_jax_runner, measuring
from scripts.benchmarks.comparable import forecaster_sizes_of
from tests.scripts.benchmarks.running import ROOT, needs

TABLE = SeriesTable("series.csv")
SEGRNN = Experiment(
    task=Forecasting(
        GRU(hidden=6),
        decoder=Segments(length=2, embedding=4),
        channels="independent",
        normalization=WindowNormalization("last"),
    ),
    data=SeriesWindows(TABLE, context=8, horizon=4, batch_size=3, standardised=True),
    optimizer=Optimizer("adam", 0.01),
    epochs=1,
)
DEEPAR = Experiment(
    task=Forecasting(
        LSTM(hidden=6),
        layers=2,
        decoder=Recursive(),
        head=Gaussian(),
        channels="independent",
        normalization=WindowNormalization("mean_absolute"),
    ),
    data=SeriesWindows(TABLE, context=6, horizon=3, batch_size=3, calendar=("hour",)),
    optimizer=Optimizer("adam", 0.01, clip_norm=0.1),
    epochs=1,
)
EXPERIMENTS = {
    "segrnn": SEGRNN,
    "deepar": DEEPAR,
    "student": override(DEEPAR, {"task.head": StudentT()}),
}
NATIVE = "scan" if native_library.why_not_built() else "native"


def losses(experiment: Experiment, channels: int, chosen: str) -> np.ndarray:
    """The losses of six training steps of lstm_jax."""
    sizes = forecaster_sizes_of(experiment, channels)
    train = lstm_jax_model.build(forecaster, sizes, experiment, chosen)
    return train(forecaster.make_batches(sizes, 6))


def torch_losses(experiment: Experiment, channels: int) -> np.ndarray:
    from scripts.benchmarks.peers import torch_forecaster

    sizes = forecaster_sizes_of(experiment, channels)
    train = torch_forecaster.build(sizes, forecaster.make_weights(sizes), threads=1)
    return train(forecaster.make_batches(sizes, 6))


@pytest.mark.parametrize(("name", "channels"), [("segrnn", 2), ("deepar", 1)])
def test_whole_training_steps_of_the_library(name: str, channels: int) -> None:
    with backend.recorded() as used:
        found = losses(EXPERIMENTS[name], channels, NATIVE)
    assert list(used) == [NATIVE]
    assert found.shape == (6,)
    assert np.isfinite(found).all()
    if importlib.util.find_spec("torch"):
        np.testing.assert_allclose(found, torch_losses(EXPERIMENTS[name], channels), rtol=1e-5)


@needs("torch")
@pytest.mark.parametrize(("name", "channels"), [("segrnn", 1), ("deepar", 2), ("student", 1)])
def test_pytorch_trains_the_same(name: str, channels: int) -> None:
    experiment = EXPERIMENTS[name]
    expected = losses(experiment, channels, "scan")
    np.testing.assert_allclose(torch_losses(experiment, channels), expected, rtol=1e-5)
    noisy = torch_losses(override(experiment, {"task.dropout": 0.5}), channels)
    assert np.isfinite(noisy).all()
    assert abs(noisy[0] - expected[0]) > 1e-5


@pytest.mark.parametrize("name", ["segrnn", "student"])
def test_the_weights_of_one_channel_are_those_of_the_model(name: str) -> None:
    sizes = forecaster_sizes_of(EXPERIMENTS[name], channels=1)
    params = forecaster.lstm_jax_params(forecaster.make_weights(sizes))
    (example,) = forecaster.make_batches(sizes, 1)
    prepared = lstm_jax_model.prepare(EXPERIMENTS[name], sizes, example)
    shapes = jax.tree.map(np.shape, prepared[0].params)
    assert jax.tree.map(np.shape, params) == shapes
    assert forecaster.count_windows(example) == 3


def test_the_networks_are_timed_in_their_full_size() -> None:
    files = "configs/forecast_etth1.py", "scripts/benchmarks/deepar.py"
    segrnn, deepar = (forecaster_sizes_of(load_experiment(str(ROOT / one)), 7) for one in files)
    assert segrnn == (
        *("SegRNN", (256,), "Squared", 336, 96, 7, 0, 64),
        *(0.5, 5e-4, None, 24, 256),  # dropout, learning rate, clipping, segment, embedding
    )
    # Network, hidden, head, context, horizon, channels, covariates, batch.
    assert deepar == (
        *("DeepAR", (40, 40, 40), "Gaussian", 168, 24, 1, 4, 64),
        *(0.1, 1e-3, None, 0, 0),
    )


def test_channels_are_those_of_the_data_where_they_name_them() -> None:
    source = SeriesTable("series.csv", values=("a", "b"))
    for wide, channels in ((False, 2), (True, 1)):
        table = {"data.source": source, "data.source.wide": wide}
        assert forecaster_sizes_of(override(SEGRNN, table), 7).channels == channels
    assert forecaster_sizes_of(override(SEGRNN, {"data.source": M4()}), 5).channels == 5


@pytest.mark.parametrize(
    ("experiment", "change"),
    [
        (SEGRNN, {"optimizer.name": "sgd"}),
        (SEGRNN, {"optimizer.weight_decay": 0.1}),
        (SEGRNN, {"task.channels": "joint"}),
        (SEGRNN, {"task.layers": 2}),
        (SEGRNN, {"task.cell": LSTM(hidden=6)}),
        (SEGRNN, {"task.autoregressive": True}),
        (SEGRNN, {"task.normalization.kind": "mean"}),
        (SEGRNN, {"task.head": Gaussian()}),
        (SEGRNN, {"data.horizon": 3}),
        (SEGRNN, {"data.calendar": ("hour",)}),
        (SEGRNN, {"data.shortest_context": 2}),
        (SEGRNN, {"data.source.past": ("price",)}),
        (SEGRNN, {"data.source.missing": "mask"}),
        (DEEPAR, {"task.cell.peepholes": True}),
        (DEEPAR, {"task.cell": (LSTM(hidden=6), LSTM(hidden=5))}),
        (DEEPAR, {"task.decoder.whole_window": False}),
        (DEEPAR, {"task.normalization.kind": "last"}),
        (DEEPAR, {"task.variational": True}),
        (DEEPAR, {"data.source.known": ("price",)}),
    ],
)
def test_only_what_the_plain_networks_repeat_is_compared(
    experiment: Experiment, change: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match="plain forecasters are SegRNN"):
        forecaster_sizes_of(override(experiment, change), 2)


def test_the_loop_is_timed_while_it_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lstm_jax_runner, "STEPS", 2000)
    sizes = forecaster_sizes_of(SEGRNN, 2)
    assert lstm_jax_runner.windows_per_second(SEGRNN, sizes, seconds=0.01) > 0


CONFIG = """
from tests.scripts.benchmarks.test_forecasting import SEGRNN

def get_config():
    return SEGRNN
"""


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch, in_this_process: None) -> Any:
    """Puts training in the place of both libraries, of which PyTorch's has the loss `torch`.

    It waits for less time the more threads it has.
    """
    found = types.SimpleNamespace(torch=1.0, threads=[])

    def build_lstm_jax(*_: Any) -> measuring.Train:
        return lambda batches: np.full(len(batches), 1.0)

    def build_torch(sizes: Any, weights: Any, threads: int) -> measuring.Train:
        found.threads.append(threads)

        def train(batches: Any) -> np.ndarray:
            time.sleep(0.02 / threads)
            return np.full(len(batches), found.torch)

        return train

    peer = types.ModuleType(forecaster.PLAIN["torch"])
    monkeypatch.setattr(peer, "build", build_torch, raising=False)
    monkeypatch.setitem(sys.modules, peer.__name__, peer)
    monkeypatch.setattr(lstm_jax_model, "build", build_lstm_jax)
    monkeypatch.setattr(measuring, "available", lambda names, *_: names)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    return found


def forecasting(run: Any, folder: pathlib.Path, *arguments: str) -> Any:
    (folder / "tiny.py").write_text(CONFIG)
    names = "--implementations=lstm_jax_scan,torch"
    what = [f"--configs={folder}/tiny.py", names, "--rounds=1", "--seconds=0"]
    return run("forecasting", *what, *arguments)


def test_pytorch_has_its_best_number_of_threads(
    run: Any, tmp_path: pathlib.Path, stand_ins: Any
) -> None:
    done = forecasting(run, tmp_path, "--json")
    assert done.code == 0, done.err
    records = [json.loads(line) for line in done.out.splitlines()]
    assert [record["implementation"] for record in records] == ["lstm_jax_scan", "torch"]
    assert all(record["windows_per_second"] > 0 for record in records)
    assert stand_ins.threads == [1, 1, 2, 2]  # the losses, each number, the measurement
    assert "torch, threads=2:" in done.err
    assert "losses of torch and lstm_jax_scan: 0.0e+00 apart" in done.err


def test_other_losses_are_not_timed(run: Any, tmp_path: pathlib.Path, stand_ins: Any) -> None:
    stand_ins.torch = 1.001
    done = forecasting(run, tmp_path)
    assert done.code == 2
    assert "losses of torch and lstm_jax_scan are 1.0e-03 apart" in done.err
    assert not done.out
    stand_ins.torch = 1.00001
    done = forecasting(run, tmp_path)
    assert done.code == 0, done.err
    assert "| tiny (SegRNN) |" in done.out


def test_forecasting_names_a_mistake_in_one_line(run: Any) -> None:
    done = run("forecasting", "--configs=configs/lm_ptb_small.py")
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith("the plain forecasters are SegRNN")
