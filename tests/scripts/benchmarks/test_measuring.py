"""The benchmarks take turns, leave out what cannot run, and report what they measured."""

import math
import mmap
import os
from typing import Any

import pytest
from absl.testing import flagsaver

from scripts.benchmarks import measuring


def test_a_measurement_has_a_process_of_its_own_and_its_error_comes_back() -> None:
    assert measuring.in_own_process(os.getppid) == os.getpid()
    with pytest.raises(ValueError, match="math domain error"):
        measuring.in_own_process(math.sqrt, -1.0)


def test_implementations_take_turns_and_medians_are_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    def fake_process(measure: Any, name: str, scale: float) -> dict[str, float]:
        calls.append(name)
        return {"ms": scale * [5.0, 1.0, 2.0][calls.count(name) - 1]}

    monkeypatch.setattr(measuring, "in_own_process", fake_process)
    with flagsaver.flagsaver():
        measuring.flags.FLAGS(["benchmark"])
        figures = measuring.in_turn(None, ["a", "b"], 3, 10.0)
    assert calls == ["a", "b", "a", "b", "a", "b"]
    assert figures == {"a": {"ms": 20.0}, "b": {"ms": 20.0}}


@pytest.mark.parametrize(
    ("memory", "keeping"), [("own", ["lstm_jax_scan"]), ("same", ["lstm_jax_scan", "torch"])]
)
def test_whose_processes_keep_freed_memory(
    memory: str, keeping: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []

    def fake_process(*call: Any) -> dict[str, float]:
        if call[0] is measuring.keeping_freed_memory:
            kept.append(call[2])
        return {}

    monkeypatch.setattr(measuring, "in_own_process", fake_process)
    with flagsaver.flagsaver():
        measuring.flags.FLAGS(["benchmark", f"--memory={memory}"])
        measuring.in_turn(None, ["lstm_jax_scan", "torch"], 1)
    assert kept == keeping


def test_an_implementation_that_is_not_installed_is_skipped_by_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    packages = {"here": "json", "gone": "no_such_package"}
    assert measuring.available(["gone", "here"], packages) == ["here"]
    assert "gone is skipped: no_such_package is not installed" in capsys.readouterr().err
    with pytest.raises(ValueError, match="no implementation is left"):
        measuring.available(["here"], packages, {"here": "it is another model"})
    assert "here is skipped: it is another model" in capsys.readouterr().err


def test_table_says_how_many_times_faster_the_baseline_is() -> None:
    times = {"small": {"ours": 2.0, "theirs": 3.0}, "large": {"ours": 1000.0, "theirs": 6000.0}}
    assert measuring.table("ms", times, "ours", higher_is_better=False).splitlines() == [
        "| ms | ours | theirs |",
        "|---|---|---|",
        "| small | 2.00 | 3.00 (1.50x) |",
        "| large | 1,000 | 6,000 (6.00x) |",
        "| geometric mean | | 3.00x |",
    ]
    speeds = {"small": {"theirs": 100.0, "ours": 150.0}}
    assert "100 (1.50x)" in measuring.table("tokens/s", speeds, "ours", higher_is_better=True)
    assert "x)" not in measuring.table(
        "ms", {"small": {"theirs": 3.0}}, "ours", higher_is_better=True
    )


def test_memory_is_that_of_this_process() -> None:
    before, _ = measuring.resident_mb()
    # Not from what earlier tests have freed.
    with mmap.mmap(-1, 64_000_000) as memory:
        for _ in range(64):
            memory.write(bytes(1_000_000))
        during, peak = measuring.resident_mb()
    assert during - before == pytest.approx(64, rel=0.1)
    assert peak >= during
