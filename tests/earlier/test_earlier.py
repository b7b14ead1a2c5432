"""What earlier versions began goes on as it began."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import lstm_jax
from lstm_jax.config import saved
from lstm_jax.data.held_out import words
from lstm_jax.storage import checkpoints
from tests.earlier import make
from tests.processes import ROOT

FORMATS = sorted(path.name for path in (ROOT / make.HERE).iterdir() if path.name.isdecimal())
RUNS = [(one, name) for one in FORMATS for name in make.EXPERIMENTS]


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # the runs know their data by relative paths


def expected(form: str, name: str) -> dict[str, Any]:
    return json.loads((make.HERE / form / "expected.json").read_text())[name]


def near(value: Any) -> Any:
    """The same on another processor."""
    if isinstance(value, dict):
        return {key: near(one) for key, one in value.items()}
    if isinstance(value, list):
        return [near(one) for one in value]
    return pytest.approx(value, rel=1e-3, abs=1e-6) if isinstance(value, float) else value


@pytest.mark.parametrize(("form", "name"), RUNS)
def test_a_run_is_what_it_was(form, name):
    said = make.said(lstm_jax.load(make.HERE / form / name))
    wanted = expected(form, name)
    for split in ("train", "validation", "test"):
        figures = said.pop(split)
        before = wanted.pop(split)
        assert {part: figures[part] for part in before} == near(before), split
    assert said == near(wanted)


@pytest.mark.parametrize(("form", "name"), RUNS)
def test_a_run_goes_on(form, name, tmp_path):
    begun = make.HERE / form / name
    workdir = tmp_path / name
    shutil.copytree(begun, workdir)
    # So few that they are one dispatch: another length would be another program to be compiled.
    steps = expected(form, name)["step"] + 2
    run = lstm_jax.train(make.EXPERIMENTS[name](steps=steps), workdir)
    assert checkpoints.steps(workdir / "checkpoints")[-1] == steps
    assert run.metrics["train"]["step"][-1] == steps
    learned = begun / ("vocabulary.json" if form == "1" else "preprocessor.json")
    log = begun / "metrics.jsonl"
    assert (workdir / learned.name).read_bytes() == learned.read_bytes()
    latest = checkpoints.steps(begun / "checkpoints")[-1]
    size = checkpoints.read_manifest(begun / "checkpoints", latest)["metadata"]["metrics_size"]
    assert (workdir / log.name).read_bytes()[:size] == log.read_bytes()[:size]


@pytest.mark.parametrize("form", FORMATS)
def test_a_sweep_is_what_it_was_and_goes_on(form, tmp_path):
    workdir = tmp_path / "sweep"
    shutil.copytree(make.HERE / form / "sweep", workdir)
    sweep = lstm_jax.load_sweep(workdir)
    before = expected(form, "sweep")
    places = [one["workdir"] for one in before["trials"]]
    table = [row | {"workdir": place} for row, place in zip(sweep.table(), places, strict=True)]
    assert table == near(before["trials"])
    assert sweep.best().number == before["best"]
    assert make.sweep(workdir).table() == sweep.table(), "nothing is left to do"


@pytest.mark.parametrize("name", ["classifier", "sweep"])
def test_what_is_begun_from_an_earlier_experiment_reads_as_that_did(name):
    """A new trial of an old sweep, and a run of an old run's experiment with a change."""
    folder = make.HERE / "1"
    if name == "sweep":
        data = lstm_jax.load_sweep(folder / name).definition.experiment.data
        name = "sweep/trials/0000"
    else:
        data = lstm_jax.override(lstm_jax.load(folder / name).experiment, {"seed": 5}).data
    saved = data.restore((folder / name / "vocabulary.json").read_text())
    assert data.fit() == saved
    today = make.classifier().data.fit()
    assert saved.classes[:4] == ("0", "1", "10", "11")
    assert today.classes[:4] == ("0", "1", "2", "3")
    assert (saved.vocabulary.rules, today.vocabulary.rules) == (1, 2)


def test_texts_are_equal_by_the_rule_they_were_split_by():
    """The first version compared words alone, and its runs know no other rule."""
    source = lstm_jax.load(make.HERE / "1" / "classifier").experiment.data.source
    assert (source.compared_by, source.source.compared_by) == ("words", "words")
    assert make.classifier().data.source.compared_by == "text"
    assert words("🎉")
    assert not words("🎉", "words")


def test_every_format_has_its_files():
    """But for the last one, which is kept when the next one comes."""
    assert {*map(int, FORMATS)} >= {*range(1, saved.FORMAT)}
    for form in FORMATS:
        names = {path.name for path in Path(make.HERE / form).iterdir()}
        assert names == {*make.EXPERIMENTS, "sweep", "expected.json"}
