"""Times several settings of a small model trained in one program, in steps per second on the CPU.

    python -m scripts.benchmarks.members
    python -m scripts.benchmarks.members --members=16 --json

Members are LSTM language models of 64 hidden units (batch 16, window 32, 100 different tokens) that
differ in their learning rates. `vmap` is `jax.vmap` of the library's training step over all of
them, one compiled program; `in_turn` is the same training step for one member after the other,
compiled once. A step is one of one member. Each backend is measured in a process of its own, in
turn; the figures are medians over `--rounds`. Run it on a machine that does nothing else.
"""

import json
import sys

from absl import app, flags

from scripts.benchmarks import measuring

PACKAGES = {"lstm_jax_native": "lstm_jax", "lstm_jax_scan": "lstm_jax"}
WAYS = ("vmap", "in_turn")
STEPS = 10
"""Of each member, in one dispatch."""

_MEMBERS = flags.DEFINE_integer("members", 8, "Models that are trained.", lower_bound=1)
_IMPLEMENTATIONS = flags.DEFINE_list("implementations", list(PACKAGES), "What to compare.")
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Processes an implementation.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 5.0, "Least time of one measurement.", lower_bound=0.0)
_JSON = flags.DEFINE_bool("json", False, "Print one JSON object a line instead of a table.")
_PLOT = flags.DEFINE_string("plot", "build/benchmark_members.png", "Image to write; '' for none.")


def measure(implementation: str, members: int, seconds: float) -> dict[str, float]:
    """Steps per second in each way; runs in a process of its own."""
    from scripts.benchmarks import member_models

    sizes = member_models.Sizes(members)
    batches = member_models.make_batches(sizes, STEPS)
    chosen = implementation.removeprefix("lstm_jax_")
    figures = {}
    for way in WAYS:
        train = member_models.build(way, sizes, chosen)
        taken = measuring.seconds_per_call(lambda train=train: train(batches), seconds)
        figures[f"{way}_steps_per_second"] = members * STEPS / taken
    return figures


def main(argv: list[str]) -> int:
    """Measures, prints and plots."""
    members = _MEMBERS.value
    try:
        if argv[1:]:
            raise ValueError(f"unexpected argument {argv[1]!r}; flags are written --name=value")
        names = measuring.select("implementation", _IMPLEMENTATIONS.value, tuple(PACKAGES))
        names = measuring.available(names, PACKAGES)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    figures = measuring.in_turn(measure, names, _ROUNDS.value, members, _SECONDS.value)
    if _JSON.value:
        for name, figure in figures.items():
            print(json.dumps({"members": members, "implementation": name, **figure}), flush=True)
    speeds = {
        f"{name}, {members} members": {way: figure[f"{way}_steps_per_second"] for way in WAYS}
        for name, figure in figures.items()
    }
    if not _JSON.value:
        print(measuring.table("steps/s", speeds, WAYS[0], higher_is_better=True))
    if _PLOT.value:
        measuring.plot(_PLOT.value, {"training, steps per second": speeds})
    return 0


if __name__ == "__main__":
    app.run(main, flags_parser=measuring.parse_flags)
