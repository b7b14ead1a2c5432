"""Times the classification of all test texts of a run on the CPU, in texts per second.

    python -m scripts.benchmarks.prediction --workdir=runs/sentiment_imdb

`lstm_jax` is `run.predict`, compilation included (`lstm_jax_again`: a second call, compiled
already); `torch` is the same network with the same weights in PyTorch, in padded batches in the
order of the texts, `torch_packed` the same with packed sequences. All of them cut the texts into
tokens first. Each measurement runs in a process of its own, the implementations in turn; the
figures are medians over `--rounds`. The predicted classes of all are compared.
"""

import json
import sys
import time

from absl import app, flags, logging

from scripts.benchmarks import measuring

PACKAGES = {"lstm_jax": "lstm_jax", "torch": "torch", "torch_packed": "torch"}

_WORKDIR = flags.DEFINE_string("workdir", None, "Directory of a run of a classifier.")
_IMPLEMENTATIONS = flags.DEFINE_list("implementations", list(PACKAGES), "What to compare.")
_TEXTS = flags.DEFINE_integer("texts", None, "Only so many texts.", lower_bound=1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Texts side by side.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Processes an implementation.", lower_bound=1)
_JSON = flags.DEFINE_bool("json", False, "Print one JSON object a line instead of a table.")


def measure(
    implementation: str, workdir: str, most: int | None, batch_size: int
) -> dict[str, float]:
    """Texts per second of one implementation, and a sum that tells predictions apart."""
    import numpy as np

    import lstm_jax
    from lstm_jax.data import LabelledTexts

    run = lstm_jax.load(workdir)
    data = run.experiment.data
    if not isinstance(data, LabelledTexts):
        raise ValueError(f"{workdir} is not a run of a classifier")
    texts = [example.inputs for example in data.source.examples("test")][:most]
    figures = {}
    start = time.perf_counter()
    if implementation == "lstm_jax":
        found = run.predict(texts, batch_size=batch_size).probabilities.argmax(axis=1)
        figures["seconds"] = time.perf_counter() - start
        start = time.perf_counter()
        run.predict(texts, batch_size=batch_size)
        figures["seconds_again"] = time.perf_counter() - start
    else:
        from scripts.benchmarks.peers import torch_classifier

        packed = implementation == "torch_packed"
        model = torch_classifier.of_run(run.experiment.task, run.params, packed)
        start = time.perf_counter()
        sequences = [run.preprocessor.encode(one).inputs for one in data.read(texts)]
        found = torch_classifier.predict(model, sequences, batch_size).argmax(axis=1)
        figures["seconds"] = time.perf_counter() - start
    weights = np.arange(1, len(found) + 1)
    return figures | {"texts": len(texts), "checksum": float((weights * found).sum())}


def main(argv: list[str]) -> int:
    """Measures and prints."""
    import lstm_jax

    logging.set_verbosity(logging.WARNING)  # JAX tells much at INFO
    try:
        if argv[1:]:
            raise ValueError(f"unexpected argument {argv[1]!r}; flags are written --name=value")
        if _WORKDIR.value is None:
            raise ValueError("--workdir is missing: give the directory of a run")
        lstm_jax.load(_WORKDIR.value)  # says here, in one line, what is wrong with it
        names = measuring.select("implementation", _IMPLEMENTATIONS.value, tuple(PACKAGES))
        names = measuring.available(names, PACKAGES)
        options = _WORKDIR.value, _TEXTS.value, _BATCH_SIZE.value
        figures = measuring.in_turn(measure, names, _ROUNDS.value, *options)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    speeds: dict[str, float] = {}
    for name, figure in figures.items():
        speeds[name] = figure["texts"] / figure["seconds"]
        if "seconds_again" in figure:
            speeds[f"{name}_again"] = figure["texts"] / figure["seconds_again"]
    same = len({figure["checksum"] for figure in figures.values()}) == 1
    if _JSON.value:
        for name, speed in speeds.items():
            print(json.dumps({"implementation": name, "texts_per_second": speed}), flush=True)
    else:
        row = {f"{_WORKDIR.value}, test texts": speeds}
        print(measuring.table("texts/s", row, names[0], higher_is_better=True))
    print(f"the predicted classes are {'the same' if same else 'NOT the same'}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    app.run(main, flags_parser=measuring.parse_flags)
