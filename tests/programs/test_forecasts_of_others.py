"""Programs that score the forecasts which another program has made of their windows."""

import json
import shutil

import pyarrow.parquet
import pytest

import lstm_jax
from tests.baselines.by_hand import answers, save


@pytest.fixture
def own(forecaster, tmp_path):
    """A run of one's own, which a test may write into."""
    return shutil.copytree(forecaster, tmp_path / "run")


@pytest.fixture
def forecasts(program, tmp_path):
    """Makes a file of forecasts of the windows that flags choose."""

    def make(*flags):
        path = tmp_path / "new" / "windows.parquet"
        assert program("baseline", *flags, f"--write_windows={path}") == (0, "", "")
        return save(tmp_path / "f.jsonl", answers(pyarrow.parquet.read_table(path)))

    return make


def lines(out):
    return [json.loads(line) for line in out.splitlines()]


def test_they_stand_beside_the_run(program, own, forecasts):
    path = forecasts(f"--workdir={own}")
    flags = "--models=repeat,auto_ets", f"--forecasts={path}", "--json"
    code, out, err = program("baseline", f"--workdir={own}", *flags)
    assert (code, err) == (0, "")
    repeat, given = lines(out)
    assert (given["model"], given["package"]) == ("auto_ets", "by hand 1.0")
    assert given["seconds"] == 0.5 * 2 * given["windows"]
    for name in ("mse", "mae", "mase", "windows", "by_step"):
        assert given[name] == repeat[name]
    assert lstm_jax.load(own).rivals("test")["auto_ets"]["mse"] == given["mse"]
    assert "auto_ets" in program("evaluate", f"--workdir={own}").out
    assert "auto_ets" in program("baseline", f"--workdir={own}", f"--forecasts={path}").out


def test_rows_of_other_windows_are_not_kept_with_the_run(program, own, forecasts):
    chosen = f"--workdir={own}", "--stride=2", "--windows=3"
    path = forecasts(*chosen)
    flags = f"--forecasts={path}", "--models=repeat,auto_ets", "--json"
    code, out, err = program("baseline", *chosen, *flags)
    assert code == 0
    assert err == "not kept with the run, which is evaluated on other windows\n"
    assert [row["windows"] for row in lines(out)] == [6, 6]
    assert lstm_jax.load(own).rivals("test") == {}


def test_a_backtest_is_compared_with_them(program, forecaster, forecasts):
    chosen = f"--workdir={forecaster}", "--stride=2", "--windows=3"
    path = f"--forecasts={forecasts(*chosen)}"
    code, out, err = program("backtest", *chosen, path, "--json")
    assert code == 0, err
    rows = {row["model"]: row for row in lines(out)[1:]}
    assert [*rows] == ["repeat", "seasonal_naive", "ridge", "auto_ets"]
    assert rows["auto_ets"]["mse"] == rows["repeat"]["mse"]
    # Who names rivals means those alone.
    for name in ("repeat", "auto_ets"):
        ours, alone = lines(program("backtest", *chosen, path, f"--rivals={name}", "--json").out)
        assert alone["model"] == ours["comparison"]["best"] == name


def test_mistakes_are_named_in_one_line(mistake, own, forecasts, text, tmp_path):
    workdir = f"--workdir={own}"
    path = forecasts(workdir, "--windows=2")
    assert mistake("baseline", workdir, f"--forecasts={path}").startswith(
        f"{path} lacks 40 of the forecasts by auto_ets"
    )
    assert mistake("baseline", workdir, "--models=auto_ets") == (
        "--models: auto_ets comes by a file: `make rivals`, then --forecasts"
    )
    assert mistake("baseline", workdir, "--stride=0").startswith("flag --stride=0: ")
    for program in ("baseline", "backtest"):
        assert mistake(program, workdir, f"--forecasts={tmp_path / 'none'}") == (
            f"cannot read {tmp_path / 'none'}: No such file or directory"
        )
    assert mistake("backtest", workdir, f"--forecasts={path}", "--rivals=auto_est").startswith(
        "--rivals: there is none 'auto_est'; did you mean 'auto_ets'?"
    )
    config = tmp_path / "config.py"
    config.write_text(
        f"from tests.runs import tiny\ndef get_config():\n    return tiny({str(text)!r})\n"
    )
    for flag in ("--stride=2", "--windows=2", f"--forecasts={path}"):
        assert mistake("baseline", f"--config={config}", flag).startswith(
            "--stride, --windows, --forecasts: LanguageModeling is no forecast"
        )
    assert mistake("baseline", f"--config={config}", f"--write_windows={path}").startswith(
        "--write_windows: "
    )


def test_a_folder_that_cannot_be_made_is_named(program, own, tmp_path):
    path = tmp_path / "file" / "windows.parquet"
    path.parent.touch()
    code, out, err = program("baseline", f"--workdir={own}", f"--write_windows={path}")
    assert (code, out) == (1, "")
    assert err == f"error: {path} cannot be written: File exists\n"
