"""Programs that use a forecaster: baseline, backtest, forecast, evaluate beside rivals."""

import json
import shutil

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

import lstm_jax
from lstm_jax.data import TimeSplit


@pytest.fixture
def own(forecaster, tmp_path):
    """A run of one's own, which a test may write into."""
    return shutil.copytree(forecaster, tmp_path / "run")


def lines(out):
    return [json.loads(line) for line in out.splitlines()]


def test_rivals_stand_beside_the_run_once_they_were_scored(program, own):
    alone = program("evaluate", f"--workdir={own}", "--json").out
    assert len(lines(alone)) == 1
    code, out, _ = program("baseline", f"--workdir={own}", "--json")
    assert code == 0
    rows = lines(out)
    names = [row["model"] for row in rows]
    assert names == ["repeat", "seasonal_naive", "drift", "naive2", "ridge"]
    for row in rows:
        assert row["split"] == "test"
        assert (row["windows"], row["horizon"]) == (24, 3)
        assert {"mse", "mae", "rmse", "smape", "mase"} <= row.keys()
    assert set(rows[-1]["chosen"]) == {"context", "strength", "form"}
    first, *beside = lines(program("evaluate", f"--workdir={own}", "--json").out)
    assert first == lines(alone)[0]
    assert (first["model"], first["horizon"], first["windows"]) == ("GRU Segments", 3, 24)
    assert beside == rows
    shown = program("evaluate", f"--workdir={own}").out
    assert "beside its rivals" in shown
    assert "by_step" not in shown
    # Of the validation part nothing was scored.
    assert (
        len(lines(program("evaluate", f"--workdir={own}", "--split=validation", "--json").out)) == 1
    )


def test_a_config_is_enough(program, series, tmp_path):
    config = tmp_path / "config.py"
    config.write_text(
        "from tests.runs import tiny_forecaster\n"
        f"def get_config():\n    return tiny_forecaster({series!r})\n"
    )
    flags = f"--config={config}", "--models=seasonal_naive,repeat", "--json"
    changes = "--config.data.horizon=2", "--config.data.split.test=14"
    code, out, err = program("baseline", *flags, *changes)
    assert code == 0, err
    assert [row["model"] for row in lines(out)] == ["seasonal_naive", "repeat"]
    assert lines(out)[0]["windows"] == 26
    shown = program("baseline", f"--config={config}", "--models=repeat,seasonal_naive").out
    assert shown.splitlines()[0].startswith("test split ")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_backtest_is_a_long_table(program, forecaster, tmp_path, suffix):
    path = tmp_path / f"table.{suffix}"
    flags = f"--workdir={forecaster}", "--stride=2", "--windows=3", f"--output={path}", "--json"
    code, out, err = program("backtest", *flags)
    assert code == 0, err
    read = pyarrow.csv.read_csv if suffix == "csv" else pyarrow.parquet.read_table
    table = read(path)
    assert table.column_names == [
        "item", "cutoff", "time", "step", "value", "actual", "forecast", "lower", "upper",
    ]  # fmt: skip
    assert table.num_rows == 2 * 3 * 3 * 2
    first = table.slice(0, 1).to_pylist()[0]
    assert (first["item"], first["step"], first["value"]) == ("a", 1, "load")
    found = lstm_jax.load(forecaster).backtest("test", stride=2, windows=3)
    assert np.allclose(table["forecast"].to_numpy(), found.point.reshape(-1), rtol=1e-5)
    ours, *rivals = lines(out)
    assert ours["mse"] == pytest.approx(np.mean((found.point - found.truth) ** 2), rel=1e-4)
    assert [row["model"] for row in rivals] == ["repeat", "seasonal_naive", "ridge"]
    comparison = ours["comparison"]
    assert comparison["best"] in ("repeat", "seasonal_naive", "ridge")
    best = next(row for row in rivals if row["model"] == comparison["best"])
    assert best["mse"] == min(row["mse"] for row in rivals)
    assert len(comparison["by_step"]["better_by"]) == 3


def test_a_backtest_says_whether_it_beats_the_best_rival(program, forecaster, tmp_path):
    flags = f"--workdir={forecaster}", f"--plots={tmp_path / 'p'}", "--rivals=repeat"
    code, out, err = program("backtest", *flags)
    assert code == 0, err
    assert "GRU Segments beats repeat, the best rival: mean squared error " in out
    assert "intervals (adaptive, nominal 90%): " in out
    assert {path.name for path in (tmp_path / "p").iterdir()} == {
        "forecasts.png",
        "error_by_step.png",
    }


def test_trained_anew_before_each_origin(program, own, tmp_path):
    flags = f"--workdir={own}", "--refit", "--windows=2", "--stride=4", "--rivals=repeat", "--json"
    code, out, err = program("backtest", *flags, f"--output={tmp_path / 'x.csv'}")
    assert code == 0, err
    assert sorted(path.name for path in (own / "refits").iterdir()) == ["50", "54"]
    ours, _ = lines(out)
    assert ours["windows"] == 4
    run = lstm_jax.load(own / "refits" / "54")
    assert run.experiment.data.split == TimeSplit(validation=12, test=3, end=57)
    # Its training ends before its validation, which ends at the origin.
    assert run.preprocessor.center != lstm_jax.load(own).preprocessor.center
    table = pyarrow.csv.read_csv(tmp_path / "x.csv").to_pylist()
    found = run.backtest("test")
    window = [row["forecast"] for row in table if str(row["cutoff"]) == "2024-02-23 00:00:00"]
    assert np.allclose(window, found.point.reshape(-1), rtol=1e-5)
    # Started again, nothing is left to train.
    again = program("backtest", *flags)
    assert lines(again.out)[0]["mse"] == ours["mse"]


def test_from_file_to_file(program, forecaster, series, tmp_path):
    output = tmp_path / "next.csv"
    flags = f"--workdir={forecaster}", f"--input={series}/series.csv", f"--output={output}"
    assert program("forecast", *flags, "--horizon=2") == (0, "", "")
    rows = pyarrow.csv.read_csv(output).to_pylist()
    assert len(rows) == 2 * 2 * 2
    assert str(rows[0]["time"]) == "2024-03-01"
    found = lstm_jax.load(forecaster).forecast(f"{series}/series.csv", 2)
    assert rows[0]["forecast"] == pytest.approx(found.point[0, 0, 0], rel=1e-6)


def test_mistakes_are_named_in_one_line(mistake, forecaster, series, tmp_path):
    workdir, table = f"--workdir={forecaster}", f"{series}/series.csv"
    assert mistake("baseline") == "give --config, or --workdir of a run: one of the two"
    assert mistake("baseline", workdir, "--models=ridg").startswith(
        "--models: there is no rival 'ridg'; did you mean 'ridge'?"
    )
    assert mistake("baseline", workdir, "--contexts=a").startswith("--contexts: expected numbers")
    assert mistake("backtest", workdir, "--output=x.txt") == (
        "--output: 'x.txt' must end with .parquet, .pq, .csv"
    )
    assert mistake("backtest", workdir, "--intervals=head").startswith(
        "intervals: the head Squared has none"
    )
    assert mistake("backtest", workdir, "--windows=0").startswith("windows must be a whole number")
    assert mistake("backtest", workdir, "--interval=1.5") == (
        "interval lies between 0 and 1, not 1.5"
    )
    assert mistake("evaluate", workdir, "--config.data.split.test=3").startswith(
        "data.split.test: what was learned of the data stays"
    )
    assert mistake("forecast", workdir, f"--input={table}").startswith("give a table of series")
    output = tmp_path / "out.csv"
    flags = f"--input={table}", f"--output={output}"
    assert mistake("forecast", workdir, *flags, "--horizon=9").startswith(
        "horizon: this model forecasts 1 to 3 steps, not 9"
    )
    assert not output.exists()
