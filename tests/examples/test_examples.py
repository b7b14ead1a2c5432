"""What users write, of public names alone, earns what the library's own tasks and data have."""

import dataclasses
import functools
import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_jax
from examples.adding import Adding, Numbers, Regression
from examples.spoken_vowels import SpokenVowels, Standardized
from lstm_jax import Experiment
from lstm_jax.data import (
    Example,
    LabelledTextPreprocessor,
    PaddedDataset,
    PaddedSequences,
    Vocabulary,
)
from lstm_jax.errors import ConfigError, DataError
from lstm_jax.sweeps import Sweep, run_sweep
from tests.processes import ROOT
from tests.runs import assert_same_run

FRAMES = 12
SMALL: dict[str, dict[str, Any]] = {
    "adding": {
        "data.source.count": 60,
        "data.source.shortest": 2,
        "data.source.longest": 9,
        "data.groups": 2,
    },
    "spoken_vowels": {"task.cell.hidden": 4, "data.groups": 1},
}


@pytest.fixture(scope="module")
def vowels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Utterances of three men in the files of the UEA archive."""
    folder = tmp_path_factory.mktemp("vowels")
    random = np.random.default_rng(0)
    for name, count in (("TRAIN", 48), ("TEST", 20)):
        lines = ["@classLabel true 1 2 3", "@data"]
        for number in range(count):
            values = random.normal(number % 3, 1.0, (FRAMES, random.integers(3, 9))).round(3)
            rows = [",".join(map(str, row)) for row in values]
            lines.append(":".join([*rows, str(number % 3 + 1)]))
        (folder / f"JapaneseVowels_{name}.ts").write_text("\n".join(lines) + "\n")
    return folder


def small(name: str, vowels: Path) -> Experiment:
    """An example's experiment, made small."""
    config = importlib.import_module(f"examples.configs.{name}").get_config()
    changes = {
        **SMALL[name],
        **({"data.source.folder": str(vowels)} if name == "spoken_vowels" else {}),
        "data.batch_size": 8,
        "epochs": 4,
        "log_every": 2,
    }
    return lstm_jax.override(config, changes)


@pytest.fixture(scope="module")
def trained(
    vowels: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], lstm_jax.Run]:
    """The run of an example, trained when it is first asked for."""
    folder = tmp_path_factory.mktemp("runs")
    return functools.cache(lambda name: lstm_jax.train(small(name, vowels), folder / name))


@pytest.fixture(params=SMALL)
def name(request: pytest.FixtureRequest) -> str:
    """Each example."""
    return request.param


@pytest.fixture
def build(name: str, vowels: Path) -> Callable[..., Experiment]:
    """An example's experiment with other changes."""
    return lambda **changes: lstm_jax.override(small(name, vowels), changes)


@pytest.fixture
def whole(name: str, trained: Callable[[str], lstm_jax.Run]) -> lstm_jax.Run:
    return trained(name)


def some(run: lstm_jax.Run) -> list[Any]:
    """Inputs of unequal lengths, as a user has them: arrays alone."""
    examples = run.experiment.data.source.examples("test")
    return [np.array(example.inputs, float) for example in examples][:6]


def plain(predictions: Any) -> list[dict[str, Any]]:
    return [one._asdict() if hasattr(one, "_asdict") else one for one in predictions]


def numbers(prediction: dict[str, Any]) -> list[float]:
    return prediction.get("values") or list(prediction["probabilities"].values())


def test_a_run_that_is_stopped_goes_on_to_the_same_bits(build, whole, tmp_path, monkeypatch):
    def stop(self, index, batch=PaddedDataset.batch):
        if index == 10:
            raise KeyboardInterrupt
        return batch(self, index)

    with monkeypatch.context() as patch:
        patch.setattr(PaddedDataset, "batch", stop)
        with pytest.raises(KeyboardInterrupt):
            lstm_jax.train(build(), tmp_path)
    assert not (tmp_path / "calibration").exists()
    lstm_jax.train(build(), tmp_path)
    assert_same_run(tmp_path, whole.workdir)
    assert lstm_jax.load(tmp_path, trust=["examples"]).calibration == whole.calibration


def test_it_learns_and_evaluates_the_same_whatever_the_batch(whole):
    log = whole.metrics["validation"]
    first, *later = log["nats" if "nats" in log else "squared_error"].tolist()
    assert min(later) < first
    one, *others = (whole.evaluate("test", batch_size=size) for size in (1, 5, 64))
    for other in others:
        assert other.keys() == one.keys()
        for name, value in one.items():
            same = pytest.approx(value, rel=1e-5) if isinstance(value, float) else value
            assert other[name] == same, name


def test_it_predicts_the_same_one_by_one(whole):
    inputs = some(whole)
    told = plain(whole.predict(inputs))
    one_by_one = plain(one for array in inputs for one in whole.predict([array], batch_size=1))
    assert [*told[0]] in (["values", "within"], ["label", "probabilities"])
    assert len({json.dumps(one) for one in told}) > 1
    for one, other in zip(one_by_one, told, strict=True):
        assert numbers(one) == pytest.approx(numbers(other), rel=1e-4)
    with pytest.raises(
        ConfigError, match=r"not trusted; if you trust it, say trust=\['examples'\]"
    ):
        lstm_jax.load(whole.workdir)


def test_they_predict_the_same_in_a_process_that_trusts_them(trained):
    runs = [trained(name) for name in SMALL]
    script = (
        "import json, sys, numpy as np, lstm_jax\n"
        "for given in map(json.loads, sys.stdin):\n"
        "    run = lstm_jax.load(given['workdir'], trust=['examples'])\n"
        "    found = run.predict([np.array(one) for one in given['inputs']])\n"
        "    print(json.dumps([x._asdict() if hasattr(x, '_asdict') else x for x in found]))\n"
    )
    given = [
        {"workdir": str(run.workdir), "inputs": [array.tolist() for array in some(run)]}
        for run in runs
    ]
    again = subprocess.run(
        [sys.executable, "-c", script],
        input="".join(json.dumps(one) + "\n" for one in given),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    told = [plain(run.predict(some(run))) for run in runs]
    assert [json.loads(line) for line in again.stdout.splitlines()] == told


def test_the_program_reads_the_files_of_the_source(whole, vowels, program):
    arguments = f"--workdir={whole.workdir}", "--trust=examples"
    path = vowels / "JapaneseVowels_TEST.ts"
    code, out, err = program("predict", *arguments, f"--input={path}")
    if isinstance(whole.experiment.data.source, Adding):
        assert (code, out) == (2, "")
        assert err == f"error: Adding reads nothing but its splits, not {path}\n"
        return
    records = [json.loads(line) for line in out.splitlines()]
    assert len(records) == 20
    assert records[0].keys() == {"place", "label", "probabilities"}
    assert records[0]["place"] == f"{path}, line 3"


def test_it_sweeps(build, tmp_path):
    # Of lengths: another learning rate, say, would be another program to be compiled.
    space = Sweep({"epochs": (1, 2)}, sampler="grid")
    sweep = run_sweep(space, build(), tmp_path)
    assert len(sweep.table()) == 2
    assert lstm_jax.load_sweep(tmp_path, trust=["examples"]).best().number == sweep.best().number


def test_wrong_inputs_are_one_line(whole):
    data = whole.experiment.data
    for wrong, error, message in (
        ("text", ConfigError, "a list of sequences is needed, not a str"),
        (np.array(3.0), ConfigError, "a list of sequences is needed, not one number: 3.0"),
        ([np.zeros((3, 99))], DataError, r"sequence 0: expected numbers \[time, "),
        ([np.zeros((0, 2))], DataError, "at least one step, got"),
        ([some(whole)[0] * np.nan], DataError, "sequence 0: a number is not finite"),
        ([["a", "b"]], DataError, r"sequence 0: expected numbers \[time, "),
    ):
        with pytest.raises(error, match=message) as caught:
            whole.predict(wrong)
        assert "\n" not in str(caught.value)
    assert isinstance(data, PaddedSequences)
    with pytest.raises(ConfigError, match="batch_size must be at least 1"):
        dataclasses.replace(data, batch_size=0)
    with pytest.raises(ConfigError, match="read from no table"):
        data.read([], column="text")


def test_a_target_that_is_none(whole):
    preprocessor = whole.preprocessor
    for target in (None, "nobody", float("nan")):
        with pytest.raises(DataError, match=r"^line 7: ") as caught:
            preprocessor.encode_target(Example([[0.0]], target, "line 7"))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "has no examples"),
        (["1,2:3:1", "1:2:2"], "line 3: coefficients of unequal length"),
        (["1:a:1", "2:3:2"], "line 3: expected numbers"),
        (["1:2:1", "1:2:1"], "tells at least 2 classes apart"),
        (["1:2:1", "nan:2:2"], "line 4: a number is not finite"),
    ],
    ids=["none", "ragged", "words", "one class", "nan"],
)
def test_malformed_utterances_are_one_line(lines, message, tmp_path):
    for name in ("TRAIN", "TEST"):
        path = tmp_path / f"JapaneseVowels_{name}.ts"
        path.write_text("\n".join(["@header", "@data", *lines]) + "\n")
    data = PaddedSequences(SpokenVowels(str(tmp_path)), Standardized())
    with pytest.raises(DataError, match=message) as caught:
        data.open(data.fit()).batch(0)
    assert "\n" not in str(caught.value)


def test_a_coefficient_that_never_changes_is_no_division_by_zero(tmp_path):
    (tmp_path / "JapaneseVowels_TRAIN.ts").write_text("1,2:7,7:a\n3:7:b\n")
    data = PaddedSequences(SpokenVowels(str(tmp_path)), Standardized())
    assert np.isfinite(data.open(data.fit()).batch(0).inputs).all()


def test_another_runs_scaling_is_taken_with_its_parameters(vowels):
    data = PaddedSequences(SpokenVowels(str(vowels)), Standardized())
    given = Standardized(("x", "y"), (1.0,) * FRAMES, (2.0,) * FRAMES)
    fitted = data.fit(given)
    assert (fitted.mean, fitted.deviation) == (given.mean, given.deviation)
    assert fitted.classes == ("1", "2", "3")


def test_what_does_not_fit_an_example_is_one_line(vowels):
    data = PaddedSequences(SpokenVowels(str(vowels)), Standardized())
    of_texts = LabelledTextPreprocessor(Vocabulary(("a", "<unk>"), "words"), ("x", "y"))
    with pytest.raises(ConfigError) as caught:
        data.fit(of_texts)
    assert str(caught.value) == (
        "task.pretrained: that model reads 2 tokens, and these data are vectors of 12 features"
    )
    with pytest.raises(ConfigError) as caught:
        Regression().check(data.fit(), None)
    assert str(caught.value) == "a regression learns values, not 3 classes"
    Regression().check(Numbers(), None)
