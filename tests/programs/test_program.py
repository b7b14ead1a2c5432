import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from lstm_jax.errors import ConfigError, NonFiniteError, StorageError, UserError
from lstm_jax.programs.program import parse_step, show

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("wrong"), 2),
        (ConfigError("wrong"), 2),
        (NonFiniteError("wrong"), 1),
        (StorageError("wrong"), 1),
    ],
)
def test_errors_become_one_line_and_an_exit_code(error, code, program):
    def main():
        raise error

    assert program(main) == (code, "", "error: wrong\n")


def test_a_program_that_ends_well_has_exit_code_0(program):
    assert program(lambda: print("done")) == (0, "done\n", "")


def test_errors_of_our_own_keep_their_traceback(program):
    def main():
        raise ZeroDivisionError("a defect")

    with pytest.raises(ZeroDivisionError, match="a defect"):
        program(main)


def test_a_line_of_an_error_stays_one_where_a_path_has_two(program):
    def main():
        raise UserError("two\nlines: no such directory")

    assert program(main) == (2, "", "error: two\\nlines: no such directory\n")


def test_a_path_that_is_no_text_is_printed_as_it_is(program, tmp_path, monkeypatch):
    with (tmp_path / "out").open("w", encoding="utf-8") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert program(lambda: print("runs/\udcff\u00e9")).code == 0
    assert (tmp_path / "out").read_bytes() == b"runs/\xff\xc3\xa9\n"


@pytest.mark.parametrize("size", [10, 100_000])
def test_nobody_reads_what_is_printed(size, program, monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert program(lambda: print("x" * size)) == (128 + signal.SIGPIPE, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_what_is_printed_has_no_room(program, monkeypatch):
    with open("/dev/full", "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        code, _, err = program(lambda: print("done"))
    wrong = "error: standard output cannot be written: No space left on device\n"
    assert (code, err) == (1, wrong)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_program_ends_at_once_when_a_signal_comes(number, program):
    def main():
        signal.raise_signal(number)
        print("still here")

    assert program(main) == (128 + number, "", "")


def test_a_mistyped_flag_in_a_process_of_its_own():
    command = [sys.executable, "-m", "experiments.train", "--config=configs/quickstart.py"]
    finished = subprocess.run(
        [*command, "--workdir=runs/never", "--config.task.hiden=3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr.startswith("error: task.hiden: LanguageModeling has no such field; ")
    assert finished.stderr.count("\n") == 1


def test_steps():
    for given, step in ((None, None), ("best", None), ("latest", "latest"), ("12", 12)):
        assert parse_step(given) == step
    for given in ("-1", "1.5", "", "first", "²"):
        with pytest.raises(ConfigError, match="expected a number, best or latest"):
            parse_step(given)


def test_metrics_are_shown_one_a_line():
    assert show({"perplexity": 114.52345, "tokens": 82430}) == (
        "perplexity  114.523\ntokens      82,430"
    )


def test_the_backend_is_a_flag(program, config, tmp_path, mistake):
    given = f"--config={config}", f"--workdir={tmp_path / 'run'}", "--config.epochs=1"
    ended = program("train", *given, "--backend=scan")
    assert (ended.code, "backend: scan\n" in ended.err) == (0, True)
    assert "auto|scan|native|cudnn" in mistake("train", *given, "--backend=fast")


def test_cudnn_without_a_gpu_is_refused_by_the_programs(config, trained, tmp_path, mistake):
    if jax.default_backend() != "cpu":
        pytest.skip("there may be a GPU")
    refused = "backend='cudnn': cuDNN runs on NVIDIA's GPUs, not on cpu; use 'auto' or 'scan'"
    given = f"--config={config}", f"--workdir={tmp_path / 'run'}"
    assert mistake("train", *given, "--backend=cudnn") == refused
    for program in ("evaluate", "generate"):
        assert mistake(program, f"--workdir={trained}", "--backend=cudnn") == refused
