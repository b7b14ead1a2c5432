"""Times whole training steps on the CPU, in tokens per second, and says how much memory they take.

    python -m scripts.benchmarks.training
    python -m scripts.benchmarks.training --configs=configs/lm_ptb_small.py --json

By default the small and the medium language model of Penn Treebank, an AWD-LSTM in full size, and
the bidirectional classifier of IMDB reviews. `lstm_jax_native` and `lstm_jax_scan` are the training
step of the library; `lstm_jax_runner` is `lstm_jax.train` around it, with its input, logging and
dispatch; `flax_linen` and `torch` are the same model and the same training written plainly. Tokens
are random. Texts to be classified are padded to `--length` steps, of which their tokens count, in
PyTorch too.

Memory is the most that was resident in training, from the first step on, less what was before the
model was built, when everything was imported: parameters, moments, gradients, activations, in JAX
its compiler. lstm_jax keeps the memory that was freed (`lstm_jax.runtime.memory`);
`--memory=same` has the others keep it, too. Each measurement runs in a process of its own, the
implementations in turn; the figures are medians over `--rounds`. Run it on a machine that does
nothing else: PyTorch's threads above all suffer when another process holds a core. In the tables,
1.05x beside `lstm_jax_runner` says that the loop takes 5% longer than its training steps, or 5%
more memory, where both have the same backend: the first column's, and what `LSTM_JAX_BACKEND` says.
"""

import functools
import importlib
import json
import pathlib
import sys
from typing import Any

from absl import app, flags

from scripts.benchmarks import classifier, language_model, measuring

PACKAGES = {
    "lstm_jax_native": "lstm_jax",
    "lstm_jax_scan": "lstm_jax",
    "lstm_jax_runner": "lstm_jax",
    "flax_linen": "flax",
    "torch": "torch",
}
LSTM_JAX = {
    "lstm_jax_native": "scripts.benchmarks.lstm_jax_model",
    "lstm_jax_scan": "scripts.benchmarks.lstm_jax_model",
    "lstm_jax_runner": "scripts.benchmarks.lstm_jax_runner",
}
"""The modules that train with lstm_jax; `PLAIN` of a model has the others."""
CONFIGS = (
    "configs/lm_ptb_small.py",
    "configs/lm_ptb_medium.py",
    "scripts/benchmarks/awd_lstm.py",
    "configs/sentiment_imdb.py",
)
TOKENS_PER_CALL = 5000
"""What is timed is a call of as many training steps as have so many tokens."""

_CONFIGS = flags.DEFINE_list("configs", list(CONFIGS), "Config files.")
_IMPLEMENTATIONS = flags.DEFINE_list("implementations", list(PACKAGES), "What to compare.")
_VOCABULARY = flags.DEFINE_integer(
    "vocabulary", 10_000, "Different tokens, where the config has no max_vocabulary.", lower_bound=3
)
_LENGTH = flags.DEFINE_integer("length", 256, "Steps of a text to be classified.", lower_bound=2)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Processes an implementation.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 8.0, "Least time of one measurement.", lower_bound=0.0)
_JSON = flags.DEFINE_bool("json", False, "Print one JSON object a line instead of a table.")
_PLOT = flags.DEFINE_string("plot", "build/benchmark_training.png", "Image to write; '' for none.")


def measure(implementation: str, config: str, sizes: Any, seconds: float) -> dict[str, float]:
    """Tokens per second and memory of one implementation; runs in a process of its own."""
    model = _model_of(sizes)
    module = importlib.import_module((LSTM_JAX | model.PLAIN)[implementation])
    experiment = None
    if implementation in LSTM_JAX:
        from lstm_jax.programs.program import load_experiment

        experiment = load_experiment(config)
    before, _ = measuring.resident_mb()  # the library is imported, and nothing is built
    if implementation == "lstm_jax_runner":
        speed = module.tokens_per_second(experiment, sizes, seconds)
    elif experiment:
        chosen = implementation.removeprefix("lstm_jax_")
        train = module.build(model, sizes, experiment, chosen)
        measuring.forget_peak()
        speed = _tokens_per_second(train, model, sizes, seconds, experiment.steps_per_dispatch)
    else:
        train = module.build(sizes, model.make_weights(sizes))
        measuring.forget_peak()
        speed = _tokens_per_second(train, model, sizes, seconds)
    _, peak = measuring.resident_mb()
    return {"tokens_per_second": speed, "peak_memory_mb": peak - before}


def _tokens_per_second(
    train: measuring.Train, model: Any, sizes: Any, seconds: float, dispatch: int = 1
) -> float:
    make_batches = functools.partial(model.make_batches, sizes)
    how = TOKENS_PER_CALL, seconds, dispatch
    return measuring.per_second(train, make_batches, model.count_tokens, *how)


def _model_of(sizes: Any) -> Any:
    return classifier if isinstance(sizes, classifier.Sizes) else language_model


def main(argv: list[str]) -> int:
    """Measures, prints and plots."""
    from lstm_jax.programs.program import load_experiment
    from scripts.benchmarks.comparable import sizes_of

    try:
        if argv[1:]:
            raise ValueError(f"unexpected argument {argv[1]!r}; flags are written --name=value")
        names = measuring.select("implementation", _IMPLEMENTATIONS.value, tuple(PACKAGES))
        names = measuring.available(names, PACKAGES)
        compared = {}
        for config in _CONFIGS.value:
            sizes = sizes_of(load_experiment(config), _VOCABULARY.value, _LENGTH.value)
            unfit = _model_of(sizes).unfit(sizes)
            compared[config] = sizes, measuring.available(names, PACKAGES, unfit)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    speeds: dict[str, dict[str, float]] = {}
    memory: dict[str, dict[str, float]] = {}
    for config, (sizes, fit) in compared.items():
        print(f"timing {config}", file=sys.stderr)
        figures = measuring.in_turn(measure, fit, _ROUNDS.value, config, sizes, _SECONDS.value)
        name = pathlib.Path(config).stem
        speeds[name] = {one: figure["tokens_per_second"] for one, figure in figures.items()}
        memory[name] = {one: figure["peak_memory_mb"] for one, figure in figures.items()}
        if _JSON.value:
            for one, figure in figures.items():
                print(json.dumps({"config": name, "implementation": one, **figure}), flush=True)
    if not _JSON.value:
        print("\n" + measuring.table("tokens/s", speeds, names[0], higher_is_better=True))
        title = "peak memory, MB"
        print("\n" + measuring.table(title, memory, names[0], higher_is_better=False))
    if _PLOT.value:
        panels = {"training, tokens per second": speeds, "training, peak memory in MB": memory}
        measuring.plot(_PLOT.value, panels)
    return 0


if __name__ == "__main__":
    app.run(main, flags_parser=measuring.parse_flags)
