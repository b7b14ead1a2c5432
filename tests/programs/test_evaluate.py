import json

import pytest

import lstm_jax


def test_figures_for_people(program, trained):
    code, out, err = program("evaluate", f"--workdir={trained}")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "test split, step 12"
    metrics = lstm_jax.load(trained).evaluate("test")
    assert [line.split() for line in lines[1:]] == [
        [name, f"{value:,.6g}"] for name, value in metrics.items()
    ]


def test_one_json_object(program, trained):
    def evaluate(*flags):
        code, out, err = program("evaluate", f"--workdir={trained}", "--json", *flags)
        assert (code, err, out.count("\n")) == (0, "", 1)
        return json.loads(out)

    found = evaluate()
    expected = lstm_jax.load(trained).evaluate("test")
    assert found == {"split": "test", "step": 12, **expected}
    assert {"perplexity", "nats_per_token", "tokens", "bits_per_character"} <= found.keys()
    assert found["tokens"] == 70

    run = lstm_jax.load(trained, step="latest")
    assert evaluate("--split=validation")["tokens"] == 90
    assert evaluate("--step=10")["step"] == 10
    assert evaluate("--step=latest")["step"] == run.steps[-1] == 12
    assert evaluate("--step=best") == found
    several = evaluate("--batch_size=3")
    assert several == {"split": "test", "step": 12, **run.evaluate("test", batch_size=3)}
    assert several != found
    window = evaluate("--config.data.evaluation_window=1")
    assert window["perplexity"] == pytest.approx(found["perplexity"], rel=1e-5)


def test_mistakes_are_named_in_one_line(mistake, trained):
    workdir = f"--workdir={trained}"
    missing = mistake("evaluate")
    assert missing == "--workdir is missing: give the directory of a run"
    assert "value should be one of <train|validation|test>" in mistake(
        "evaluate", workdir, "--split=tst"
    )
    assert mistake("evaluate", f"--workdir={trained}s") == (
        f"{trained}s: no such directory; did you mean '{trained}'?"
    )
    assert mistake("evaluate", f"--workdir={trained.parent}") == (
        f"{trained.parent} is not a run directory: it has no config.json; "
        f"it holds the runs {trained}"
    )
    assert mistake("evaluate", workdir, "--step=11") == (
        f"{trained}/checkpoints has no checkpoint of step 11; it has 10, 12"
    )
    assert mistake("evaluate", workdir, "--step=first") == (
        "--step: expected a number, best or latest, got 'first'"
    )
    assert mistake("evaluate", workdir, "--config.data.windo=7") == (
        "data.windo: TextWindows has no such field; did you mean 'window'?"
    )
    assert mistake("evaluate", workdir, "--config.task.layers=7") == (
        "task.layers: an evaluation can only change fields of data"
    )
    assert "batch_size must be at least 1" in mistake("evaluate", workdir, "--batch_size=0")
    assert mistake("evaluate", workdir, "--config.data.source.directory=nowhere") == (
        "there is no folder nowhere"
    )


def test_a_config_of_classes_that_are_not_trusted(program, mistake, trained, tmp_path):
    workdir = tmp_path / "copy"
    workdir.mkdir()
    config = (trained / "config.json").read_text()
    (workdir / "config.json").write_text(config.replace("lstm_jax.cells.LSTM", "my_cells.Mine"))
    assert "my_cells.Mine is not trusted" in mistake("evaluate", f"--workdir={workdir}")
    refusal = mistake("evaluate", f"--workdir={workdir}", "--trust=my_cells,others")
    assert "my_cells.Mine cannot be imported" in refusal
