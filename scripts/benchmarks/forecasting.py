"""Times training steps of forecasters on the CPU, in windows per second.

    python -m scripts.benchmarks.forecasting
    python -m scripts.benchmarks.forecasting --configs=configs/forecast_etth1.py --json

By default SegRNN and DeepAR (`scripts/benchmarks/forecaster.py` says what they are).
`lstm_jax_native` and `lstm_jax_scan` are the training step of the library; `lstm_jax_runner` is
`lstm_jax.train` around it, which cuts the batches out of a series as well; `torch` is the same
network and the same training written plainly, on one thread or on one for each core, whichever is
faster here. Values are random, batches are made beforehand, and a window has all channels.

Before anything is timed, all train the same steps without dropout from the same weights: where
losses differ by more than `TOLERANCE`, the benchmark says so and ends. Each measurement runs in a
process of its own, the implementations in turn; the figures are medians over `--rounds`. Run it on
a machine that does nothing else: PyTorch's threads above all suffer when another process holds a
core. LSTM_JAX_NUM_THREADS bounds the threads of lstm_jax's kernel.
"""

import functools
import importlib
import json
import os
import pathlib
import sys

import numpy as np
from absl import app, flags

from scripts.benchmarks import forecaster, measuring
from scripts.benchmarks.forecaster import Sizes

PACKAGES = {
    "lstm_jax_native": "lstm_jax",
    "lstm_jax_scan": "lstm_jax",
    "lstm_jax_runner": "lstm_jax",
    "torch": "torch",
}
CONFIGS = ("configs/forecast_etth1.py", "scripts/benchmarks/deepar.py")
WINDOWS_PER_CALL = 256
"""What is timed is a call of as many training steps as have so many windows."""
CHECKED_STEPS = 5
TOLERANCE = 1e-4
"""How far losses may lie apart, relative to their size or absolutely."""

_CONFIGS = flags.DEFINE_list("configs", list(CONFIGS), "Config files.")
_IMPLEMENTATIONS = flags.DEFINE_list("implementations", list(PACKAGES), "What to compare.")
_CHANNELS = flags.DEFINE_integer(
    "channels", 7, "Channels of a series, where the config names none.", lower_bound=1
)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Processes an implementation.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 8.0, "Least time of one measurement.", lower_bound=0.0)
_JSON = flags.DEFINE_bool("json", False, "Print one JSON object a line instead of a table.")


def measure(
    implementation: str, config: str, sizes: Sizes, threads: int, seconds: float
) -> dict[str, float]:
    """Windows per second of one implementation; runs in a process of its own."""
    if implementation == "lstm_jax_runner":
        from lstm_jax.programs.program import load_experiment
        from scripts.benchmarks import lstm_jax_runner

        experiment = load_experiment(config)
        speed = lstm_jax_runner.windows_per_second(experiment, sizes, seconds)
    else:
        train = build(implementation, config, sizes, threads)
        make_batches = functools.partial(forecaster.make_batches, sizes)
        speed = measuring.per_second(
            train, make_batches, forecaster.count_windows, WINDOWS_PER_CALL, seconds
        )
    return {"windows_per_second": speed}


def losses(implementation: str, config: str, sizes: Sizes) -> np.ndarray:
    """The losses of the first training steps without dropout."""
    train = build(implementation, config, sizes._replace(dropout=0.0), threads=1)
    return train(forecaster.make_batches(sizes, CHECKED_STEPS))


def build(implementation: str, config: str, sizes: Sizes, threads: int) -> measuring.Train:
    """Training by one implementation; the number of threads is that of PyTorch."""
    if implementation in forecaster.PLAIN:
        module = importlib.import_module(forecaster.PLAIN[implementation])
        return module.build(sizes, forecaster.make_weights(sizes), threads)
    import lstm_jax
    from lstm_jax.programs.program import load_experiment
    from scripts.benchmarks import lstm_jax_model

    experiment = lstm_jax.override(load_experiment(config), {"task.dropout": sizes.dropout})
    chosen = implementation.removeprefix("lstm_jax_")
    return lstm_jax_model.build(forecaster, sizes, experiment, chosen)


def check_losses(names: list[str], config: str, sizes: Sizes) -> None:
    """Makes sure that all train the same.

    Raises:
        ValueError: they do not.
    """
    found = {
        name: measuring.in_own_process(losses, name, config, sizes)
        for name in names
        if name != "lstm_jax_runner"  # it has weights and data of its own
    }
    for name, values in found.items():
        first = next(iter(found))
        apart = np.abs(values - found[first]) / np.maximum(np.abs(found[first]), 1)
        if not (apart <= TOLERANCE).all():
            raise ValueError(f"{config}: losses of {name} and {first} are {apart.max():.1e} apart")
        if name != first:
            print(f"losses of {name} and {first}: {apart.max():.1e} apart", file=sys.stderr)


def best_threads(names: list[str], config: str, sizes: Sizes, seconds: float) -> int:
    """The number of threads with which PyTorch is fastest here: one, or one for each core."""
    counts = {1, os.cpu_count() or 1}
    if "torch" not in names or len(counts) == 1:
        return 1
    speeds = {}
    for threads in sorted(counts):
        given = "torch", config, sizes, threads, seconds
        speeds[threads] = measuring.in_own_process(measure, *given)["windows_per_second"]
        print(f"torch, threads={threads}: {speeds[threads]:,.0f} windows/s", file=sys.stderr)
    return max(speeds, key=lambda threads: speeds[threads])


def main(argv: list[str]) -> int:
    """Checks, measures and prints."""
    from lstm_jax.programs.program import load_experiment
    from scripts.benchmarks.comparable import forecaster_sizes_of

    seconds = _SECONDS.value
    speeds: dict[str, dict[str, float]] = {}
    try:
        if argv[1:]:
            raise ValueError(f"unexpected argument {argv[1]!r}; flags are written --name=value")
        names = measuring.select("implementation", _IMPLEMENTATIONS.value, tuple(PACKAGES))
        names = measuring.available(names, PACKAGES)
        compared = {
            config: forecaster_sizes_of(load_experiment(config), _CHANNELS.value)
            for config in _CONFIGS.value
        }
        for config, sizes in compared.items():
            print(f"timing {config}", file=sys.stderr)
            check_losses(names, config, sizes)
            threads = best_threads(names, config, sizes, seconds)
            given = config, sizes, threads, seconds
            figures = measuring.in_turn(measure, names, _ROUNDS.value, *given)
            name = f"{pathlib.Path(config).stem} ({sizes.network})"
            speeds[name] = {one: figure["windows_per_second"] for one, figure in figures.items()}
            if _JSON.value:
                for one, figure in figures.items():
                    print(
                        json.dumps({"config": config, "implementation": one, **figure}), flush=True
                    )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if not _JSON.value:
        print("\n" + measuring.table("windows/s", speeds, names[0], higher_is_better=True))
    return 0


if __name__ == "__main__":
    app.run(main, flags_parser=measuring.parse_flags)
