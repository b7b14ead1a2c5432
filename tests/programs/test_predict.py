"""`python -m experiments.predict`."""

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lstm_jax.programs import predict


def records(out: str) -> list[dict]:
    return [json.loads(line) for line in out.splitlines()]


def test_a_file_of_texts_to_json_lines(program, classifier, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("the film was great\n\ndull \u00e9\n")
    arguments = (f"--workdir={classifier}", f"--input={tmp_path / 'texts.txt'}")
    code, out, _ = program("predict", *arguments)
    assert code == 0
    assert [record["text"] for record in records(out)] == ["the film was great", "", "dull \u00e9"]
    assert [records(out)[i]["label"] for i in (0, 2)] == ["1", "0"]
    assert records(out)[0]["probabilities"]["1"] > 0.5
    output = tmp_path / "out.jsonl"
    assert program("predict", *arguments, f"--output={output}", "--batch_size=1")[:2] == (0, "")
    assert [r["label"] for r in records(output.read_text())] == [r["label"] for r in records(out)]


def test_standard_input(program, classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(b"great\ndull"))
    monkeypatch.setattr(sys, "stdin", stream)
    code, out, _ = program("predict", f"--workdir={classifier}")
    assert (code, [record["label"] for record in records(out)]) == (0, ["1", "0"])


def test_json_lines(program, classifier, tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text('{"review": "great"}\n\n{"review": "dull", "id": 3}\n')
    code, out, _ = program("predict", f"--workdir={classifier}", f"--input={path}", "--text=review")
    assert (code, [record["label"] for record in records(out)]) == (0, ["1", "0"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("texts.txt", b"", "is empty"),
        ("texts.txt", b"good\nb\xe9d\n", "texts.txt, line 2: not UTF-8 text"),
        ("texts.jsonl", b'{"text": "a"}\n{"text"\n', "texts.jsonl, line 2, column"),
        ("texts.jsonl", b'{"review": "a"}\n', "line 1: no field 'text'; there are review"),
        ("texts.jsonl", b'["a"]\n', "line 1: expected a JSON object on every line"),
        ("texts.jsonl", b'{"text": 3}\n', "line 1: 'text' must be a string, got a number"),
        ("texts.jsonl", b'{"text": "\\ud800"}\n', "half a surrogate pair"),
        ("texts.jsonl", b"[" * 100_000, "line 1: malformed JSON"),
        ("texts.csv", b"review\ngood\n", "no column 'text'"),
    ],
)
def test_bad_input(mistake, classifier, tmp_path: Path, name, content, message) -> None:
    (tmp_path / name).write_bytes(content)
    # Good lines may have been classified before a bad one is met, but an old output stays.
    output = tmp_path / "out.jsonl"
    output.write_text("old")
    arguments = (f"--workdir={classifier}", f"--input={tmp_path / name}", f"--output={output}")
    assert message in mistake("predict", *arguments)
    assert output.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "out.jsonl"])


def test_the_output_may_be_the_input(program, classifier, tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "great"}\n' * 3)
    assert (
        program("predict", f"--workdir={classifier}", f"--input={path}", f"--output={path}")[0] == 0
    )
    assert [record["label"] for record in records(path.read_text())] == ["1"] * 3


def test_a_reader_that_has_enough(classifier, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("great\n" * 5000)
    command = [sys.executable, "-m", "experiments.predict", f"--workdir={classifier}"]
    command.append(f"--input={tmp_path / 'texts.txt'}")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [("", "Is a directory"), ("gone/out", "No such file or directory")],
    ids=["a folder", "in no folder"],
)
def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    program, classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name, reason
) -> None:
    (tmp_path / "texts.txt").write_text("great\n")
    monkeypatch.setattr(predict, "_predict", lambda *_: pytest.fail("hours of work"))
    arguments = (f"--workdir={classifier}", f"--input={tmp_path / 'texts.txt'}")
    code, out, err = program("predict", *arguments, f"--output={tmp_path / name}")
    assert (code, out) == (1, "")
    assert err == f"error: {tmp_path / name} cannot be written: {reason}\n"


def test_a_pipe_is_read_to_its_end_or_left(program, classifier, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("great\n" * 5000)  # more than a pipe holds
    os.mkfifo(tmp_path / "pipe")
    found = []

    def read(count: int) -> None:
        with (tmp_path / "pipe").open() as pipe:
            found.append([pipe.readline() for _ in range(count)])

    arguments = (f"--input={tmp_path / 'texts.txt'}", f"--output={tmp_path / 'pipe'}")
    for count in (5000, 3):
        reader = threading.Thread(target=read, args=(count,), daemon=True)
        reader.start()
        assert program("predict", f"--workdir={classifier}", *arguments) == (0, "", "")
        reader.join(timeout=60)
        assert [json.loads(line)["label"] for line in found.pop()] == ["1"] * count
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pipe", "texts.txt"]


def test_mistakes(mistake, classifier, trained, tmp_path: Path) -> None:
    assert mistake("predict") == "--workdir is missing: give the directory of a run"
    missing = f"--input={tmp_path / 'none.txt'}"
    assert "none.txt" in mistake("predict", f"--workdir={classifier}", missing)
    (tmp_path / "a.txt").write_text("a\n")
    language_model = mistake("predict", f"--workdir={trained}", f"--input={tmp_path / 'a.txt'}")
    assert language_model == "LanguageModeling has no 'predict'; a run of it can generate"
    changed = mistake("predict", f"--workdir={classifier}", "--config.task.dropout=0")
    assert changed == "--config.task.dropout: a trained model cannot be changed"
