"""What the benchmarks share: a process for each measurement, medians, tables and a plot."""

import concurrent.futures
import difflib
import importlib.util
import math
import multiprocessing
import os
import pathlib
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from absl import flags

Values = Mapping[str, Mapping[str, float]]
"""Rows of a table: row name, then implementation, then the figure."""
Train = Callable[[Sequence[tuple[np.ndarray, ...]]], np.ndarray]
"""Takes a training step with each batch and returns the losses when the last step is done."""

_MEMORY = flags.DEFINE_enum(
    "memory",
    "own",
    ["own", "same"],
    "Own: each library has its memory as its users have it, and lstm_jax keeps what was freed, as "
    "its training does (lstm_jax.runtime.memory). Same: the others keep it, too.",
)


def parse_flags(arguments: list[str]) -> list[str]:
    """Absl's parser of flags, which says in one line what is wrong with them."""
    try:
        return flags.FLAGS(arguments)
    except flags.Error as error:
        print(str(error).replace("\n", " "), file=sys.stderr)
        sys.exit(2)


def in_own_process(function: Callable[..., Any], *args: Any) -> Any:
    """Calls `function` on the CPU in a fresh process: no implementation inherits another's state.

    Both `function` and what it returns must be picklable; an exception comes back as it is.
    """
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
        return executor.submit(function, *args).result()


def keeping_freed_memory(measure: Callable[..., Any], *args: Any) -> Any:
    """Calls `measure` in a process that keeps the memory it has freed."""
    from lstm_jax.runtime.memory import keep_freed_memory

    keep_freed_memory()
    return measure(*args)


def seconds_per_call(call: Callable[[], Any], seconds: float) -> float:
    """The median time of a call, over at least `seconds` and three calls, after one to compile."""
    call()  # compiles
    times: list[float] = []
    while len(times) < 3 or sum(times) < seconds:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def per_second(
    train: Train,
    make_batches: Callable[[int], Sequence[tuple[np.ndarray, ...]]],
    count: Callable[[tuple[np.ndarray, ...]], int],
    least: int,
    seconds: float,
    dispatch: int = 1,
) -> float:
    """The speed of training steps: tokens, or windows, a second.

    Args:
        train: takes the steps.
        make_batches: makes so many batches.
        count: the tokens of a batch.
        least: what is timed is a call of as many steps as have so many tokens.
        seconds: least time of the measurement.
        dispatch: steps that run in one dispatch.
    """
    (one,) = make_batches(1)
    batches = make_batches(math.ceil(least / count(one) / dispatch) * dispatch)
    taken = seconds_per_call(lambda: train(batches), seconds)
    return sum(map(count, batches)) / taken


def resident_mb() -> tuple[float, float]:
    """The memory of this process, in MB: what is resident now, and the most that ever was."""
    status = pathlib.Path("/proc/self/status")
    if not status.exists():
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes, on macOS
        return peak, peak
    # On Linux `getrusage` counts what the parent process had when it made this one.
    sizes = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", status.read_text(), re.MULTILINE))
    return int(sizes["VmRSS"]) * 1024 / 1e6, int(sizes["VmHWM"]) * 1024 / 1e6


def forget_peak() -> None:
    """Begins anew to look for the most that is resident, where the system can (Linux)."""
    clear = pathlib.Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")


def in_turn(
    measure: Callable[..., Mapping[str, float]],
    implementations: Sequence[str],
    rounds: int,
    *args: Any,
) -> dict[str, dict[str, float]]:
    """Medians over rounds of `measure(implementation, *args)`, each call in a process of its own.

    The implementations take turns (A, B, A, B, ...), so that a slow minute of the machine falls on
    all of them. Which of them keep the memory that was freed, the flag `--memory` says.
    """
    measured: dict[str, list[Mapping[str, float]]] = {name: [] for name in implementations}
    for _ in range(rounds):
        for name in implementations:
            keeps = _MEMORY.value == "same" or name.startswith("lstm_jax")
            call = (keeping_freed_memory, measure) if keeps else (measure,)
            measured[name].append(in_own_process(*call, name, *args))
    return {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for name, runs in measured.items()
    }


def select(kind: str, names: Iterable[str], known: Sequence[str]) -> list[str]:
    """The names as given.

    Raises:
        ValueError: a name is not known; the message gives the nearest one.
    """
    names = list(names)
    for name in names:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise ValueError(f"there is no {kind} {name!r}; did you mean {nearest!r}?")
    return names


def available(
    names: Sequence[str], packages: Mapping[str, str], unfit: Mapping[str, str] | None = None
) -> list[str]:
    """The implementations that can run here; of the others stderr says why not.

    Args:
        names: of implementations.
        packages: what each of them needs.
        unfit: why some cannot take part, whatever is installed.

    Raises:
        ValueError: none is left.
    """
    found = []
    for name in names:
        if reason := (unfit or {}).get(name) or _why_not_installed(name, packages[name]):
            print(f"{name} is skipped: {reason}", file=sys.stderr)
        else:
            found.append(name)
    if not found:
        raise ValueError("no implementation is left to be timed")
    return found


def _why_not_installed(name: str, package: str) -> str | None:
    if not importlib.util.find_spec(package):
        return f"{package} is not installed"
    if name != "lstm_jax_native":
        return None
    from lstm_jax.recurrence import native_library

    return native_library.why_not_built()


def speedups(
    values: Mapping[str, float], baseline: str, *, higher_is_better: bool
) -> dict[str, float]:
    """How many times faster the baseline is than each implementation (1.0 for itself)."""
    own = values[baseline]
    return {
        name: own / value if higher_is_better else value / own for name, value in values.items()
    }


def table(title: str, values: Values, baseline: str, *, higher_is_better: bool) -> str:
    """A Markdown table, with how many times faster the baseline is in brackets where it took part.

    >>> print(table("ms", {"a": {"ours": 2.0, "theirs": 3.0}}, "ours", higher_is_better=False))
    | ms | ours | theirs |
    |---|---|---|
    | a | 2.00 | 3.00 (1.50x) |
    | geometric mean | | 1.50x |
    """
    columns = list(dict.fromkeys(name for row in values.values() for name in row))
    lines = [f"| {title} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    ratios: dict[str, list[float]] = {name: [] for name in columns}
    for row, figures in values.items():
        cells = {name: _figure(value) for name, value in figures.items()}
        if baseline in figures:
            faster = speedups(figures, baseline, higher_is_better=higher_is_better)
            for name, ratio in faster.items():
                ratios[name].append(ratio)
                if name != baseline:
                    cells[name] += f" ({ratio:.2f}x)"
        lines.append(f"| {row} | {' | '.join(cells.get(name, '') for name in columns)} |")
    if ratios.get(baseline):
        means = {
            name: f" {math.prod(all_) ** (1 / len(all_)):.2f}x" if all_ else ""
            for name, all_ in ratios.items()
        }
        means[baseline] = ""
        lines.append(f"| geometric mean |{' |'.join(means[name] for name in columns)} |")
    return "\n".join(lines)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" if value >= 100 else f"{value:.2f}"


def plot(path: str, panels: Mapping[str, Values]) -> None:
    """Writes an image of grouped bars, a panel for each title.

    A bar's height is its figure relative to the first implementation's; the figure stands above it.
    Where a row lacks an implementation there is a gap.
    """
    from matplotlib.figure import Figure

    image = Figure(figsize=(11, 4.5 * len(panels)), layout="constrained")
    for index, (title, values) in enumerate(panels.items()):
        axes = image.add_subplot(len(panels), 1, index + 1)
        columns = list(dict.fromkeys(name for row in values.values() for name in row))
        width = 0.84 / len(columns)
        for position, name in enumerate(columns):
            offset = (position - (len(columns) - 1) / 2) * width
            figures = [row.get(name, math.nan) for row in values.values()]
            own = [row.get(columns[0], math.nan) for row in values.values()]
            heights = [figure / first for figure, first in zip(figures, own, strict=True)]
            bars = axes.bar(
                [row + offset for row in range(len(values))], heights, width, label=name
            )
            labels = ["" if math.isnan(figure) else _figure(figure) for figure in figures]
            axes.bar_label(bars, labels, padding=2, rotation=90, fontsize="small")
        axes.margins(y=0.15)
        axes.set_xticks(range(len(values)), list(values))
        axes.set_ylabel(f"relative to {columns[0]}")
        axes.set_title(title)
        axes.legend(fontsize="small")
    save(image, path)


def save(figure: Any, path: str) -> None:
    """Writes a figure of matplotlib into a file, in a folder that may be new."""
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    print(f"plot written to {path}", file=sys.stderr)
