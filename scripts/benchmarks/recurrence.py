"""Times one recurrent layer on the CPU: lstm_jax's kernel and scan beside Flax, Haiku and PyTorch.

    python -m scripts.benchmarks.recurrence
    python -m scripts.benchmarks.recurrence --cell=GRU --plot=build/benchmark_gru.png
    python -m scripts.benchmarks.recurrence --shapes=growth --plot=build/benchmark_growth.png
    python -m scripts.benchmarks.recurrence --shapes=20x20x200x200,200x64x128x128 --json

Forward is the outputs of all time steps. Training is the loss (a sum over all outputs) and its
gradient with respect to the parameters and the inputs. All implementations compute with the same
weights on the same inputs, [time, batch, input] in float32. Each measurement runs in a process of
its own, the implementations in turn; the figures are medians over `--rounds`. Run it on a machine
that does nothing else: PyTorch's threads above all suffer when another process holds a core.
Processes of lstm_jax keep the memory they have freed, as its training does
(`lstm_jax.runtime.memory`), those of other libraries do as installed; with `--memory=same` all
keep it.

`--shapes=growth` shows how the time grows: one size of 100x32x256x256 after the other (time; batch;
input and hidden) is doubled from half of it to four times. Haiku has no part in GRUs, for its reset
gate falls on the hidden state before the recurrent product: other arithmetic than everyone else's.
"""

import json
import sys

from absl import app, flags

from scripts.benchmarks import growth, layer_weights, layers, measuring
from scripts.benchmarks.timed_layer import Shape

SHAPES = (
    "20x20x200x200",
    "35x20x650x650",
    "35x20x1500x1500",
    "70x80x400x1150",
    "200x64x128x128",
    "1000x32x256x256",
)
PACKAGES = {
    "lstm_jax_native": "lstm_jax",
    "lstm_jax_scan": "lstm_jax",
    "flax_linen": "flax",
    "flax_nnx": "flax",
    "haiku": "haiku",
    "torch": "torch",
}

_CELL = flags.DEFINE_enum("cell", "LSTM", list(layer_weights.GATES), "What the layer is made of.")
_SHAPES = flags.DEFINE_list(
    "shapes", list(SHAPES), "What to time: TIMExBATCHxINPUTxHIDDEN, ...; or growth."
)
_IMPLEMENTATIONS = flags.DEFINE_list("implementations", list(PACKAGES), "What to compare.")
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Processes an implementation and shape.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 0.5, "Least time of one measurement.", lower_bound=0.0)
_JSON = flags.DEFINE_bool("json", False, "Print one JSON object a line instead of tables.")
_PLOT = flags.DEFINE_string(
    "plot", "build/benchmark_recurrence.png", "Image to write; '' for none."
)


def measure(implementation: str, cell: str, shape: Shape, seconds: float) -> dict[str, float]:
    """Milliseconds of a forward and of a training call; runs in a process of its own."""
    layer = layers.build(cell, implementation, shape)
    return {
        "forward_ms": 1e3 * measuring.seconds_per_call(layer.forward, seconds),
        "training_ms": 1e3 * measuring.seconds_per_call(layer.training, seconds),
    }


def parse_shape(text: str) -> Shape:
    """The shape that `TIMExBATCHxINPUTxHIDDEN` means.

    Raises:
        ValueError: it is not four positive numbers.

    >>> parse_shape("20x20x200x200")
    (20, 20, 200, 200)
    """
    sizes = text.split("x")
    if len(sizes) != 4 or not all(size.isdecimal() and int(size) for size in sizes):
        raise ValueError(
            f"expected a shape TIMExBATCHxINPUTxHIDDEN such as {SHAPES[0]}, got {text!r}"
        )
    time, batch, features, hidden = map(int, sizes)
    return time, batch, features, hidden


def main(argv: list[str]) -> int:
    """Measures, prints and plots."""
    cell, grows = _CELL.value, _SHAPES.value == ["growth"]
    try:
        if argv[1:]:
            raise ValueError(f"unexpected argument {argv[1]!r}; flags are written --name=value")
        shapes = growth.shapes() if grows else [parse_shape(text) for text in _SHAPES.value]
        names = measuring.select("implementation", _IMPLEMENTATIONS.value, tuple(PACKAGES))
        names = measuring.available(names, PACKAGES, layers.UNFIT[cell])
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    forward: dict[str, dict[str, float]] = {}
    training: dict[str, dict[str, float]] = {}
    for shape in shapes:
        text = "x".join(map(str, shape))
        print(f"timing {cell} {text}", file=sys.stderr)
        figures = measuring.in_turn(measure, names, _ROUNDS.value, cell, shape, _SECONDS.value)
        forward[text] = {name: figure["forward_ms"] for name, figure in figures.items()}
        training[text] = {name: figure["training_ms"] for name, figure in figures.items()}
        if _JSON.value:
            for name, figure in figures.items():
                record = {"cell": cell, "shape": shape, "implementation": name, **figure}
                print(json.dumps(record), flush=True)
    panels = {f"{cell} training, ms": training, f"{cell} forward, ms": forward}
    if not _JSON.value:
        for title, values in panels.items():
            print("\n" + measuring.table(title, values, names[0], higher_is_better=False))
    if _PLOT.value:
        (growth.plot if grows else measuring.plot)(_PLOT.value, panels)
    return 0


if __name__ == "__main__":
    app.run(main, flags_parser=measuring.parse_flags)
