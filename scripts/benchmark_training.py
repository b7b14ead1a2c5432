"""Times whole training steps of language models on the CPU, in tokens per second.

    python scripts/benchmark_training.py
    python scripts/benchmark_training.py --configs=configs/lm_ptb_small.py --json

`lstm_jax` is the training step of the library; `lstm_jax_runner` is `lstm_jax.train` around it,
with its input, logging and dispatch; `flax_linen` and `torch` are the same model and the same
training written plainly. Tokens are random, as many different ones as in the Penn Treebank. Each
measurement runs in a process of its own, the implementations in turn; the figures are medians over
`--rounds`. Run it on a machine that does nothing else: PyTorch's threads above all suffer when
another process holds a core. In the table, 1.05x beside `lstm_jax_runner` says that the loop takes
5% longer than its training steps.
"""

import json
import pathlib
import sys

import _benchmark
import _models
from absl import app, flags

PACKAGES = {
    "lstm_jax": "lstm_jax",
    "lstm_jax_runner": "lstm_jax",
    "flax_linen": "flax",
    "torch": "torch",
}
PLAIN = {"flax_linen": _models.flax_linen_model, "torch": _models.torch_model}

_CONFIGS = flags.DEFINE_list(
    "configs", ["configs/lm_ptb_small.py", "configs/lm_ptb_medium.py"], "Config files."
)
_IMPLEMENTATIONS = flags.DEFINE_list("implementations", list(PACKAGES), "What to compare.")
_VOCABULARY = flags.DEFINE_integer("vocabulary", 10_000, "Different tokens.", lower_bound=3)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Processes an implementation.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 8.0, "Least time of one measurement.", lower_bound=0.0)
_JSON = flags.DEFINE_bool("json", False, "Print one JSON object a line instead of a table.")
_PLOT = flags.DEFINE_string("plot", "build/benchmark_training.png", "Image to write; '' for none.")


def measure(
    implementation: str, config: str, sizes: _models.Sizes, seconds: float
) -> dict[str, float]:
    """Tokens per second of one implementation; runs in a process of its own."""
    weights = _models.make_model_weights(sizes)
    steps = 8
    if implementation in PLAIN:
        train = PLAIN[implementation](sizes, weights)
    else:
        import _lstm_jax_model

        from experiments.program import load_experiment

        experiment = load_experiment(config)
        if implementation == "lstm_jax_runner":
            speed = _lstm_jax_model.runner_tokens_per_second(experiment, sizes, seconds)
            return {"tokens_per_second": speed}
        train = _lstm_jax_model.lstm_jax_model(experiment, sizes, weights)
        steps = -(-steps // experiment.steps_per_dispatch) * experiment.steps_per_dispatch
    windows = _models.make_windows(sizes, steps)
    tokens = steps * sizes.window * sizes.batch
    taken = _benchmark.seconds_per_call(lambda: train(windows), seconds)
    return {"tokens_per_second": tokens / taken}


def main(argv: list[str]) -> int:
    """Measures, prints and plots."""
    import _lstm_jax_model

    from experiments.program import load_experiment

    try:
        if argv[1:]:
            raise ValueError(f"unexpected argument {argv[1]!r}; flags are written --name=value")
        names = _benchmark.select("implementation", _IMPLEMENTATIONS.value, tuple(PACKAGES))
        sizes = {
            config: _lstm_jax_model.sizes_of(load_experiment(config), _VOCABULARY.value)
            for config in _CONFIGS.value
        }
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    names = _benchmark.available(names, PACKAGES)
    speeds: dict[str, dict[str, float]] = {}
    for config, size in sizes.items():
        print(f"timing {config}", file=sys.stderr)
        figures = _benchmark.in_turn(measure, names, _ROUNDS.value, config, size, _SECONDS.value)
        name = pathlib.Path(config).stem
        speeds[name] = {one: figure["tokens_per_second"] for one, figure in figures.items()}
        if _JSON.value:
            for one, figure in figures.items():
                print(json.dumps({"config": name, "implementation": one, **figure}), flush=True)
    if not _JSON.value:
        print("\n" + _benchmark.table("tokens/s", speeds, "lstm_jax", higher_is_better=True))
    if _PLOT.value:
        _benchmark.plot(_PLOT.value, {"training, tokens per second": speeds})
    return 0


if __name__ == "__main__":
    app.run(main, flags_parser=_benchmark.parse_flags)
