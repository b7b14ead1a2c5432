"""Evaluates a run on a split of its data.

    python -m experiments.evaluate --workdir=runs/ptb --split=test

Fields of the data can be changed: `--config.data.evaluation_window=1000`,
`--config.data.source.directory=other_text`.
"""

from typing import cast

from absl import flags

from lstm_jax.data import SPLITS, Split
from lstm_jax.programs import program
from lstm_jax.programs.trained import RunFlags
from lstm_jax.runtime.memory import keep_freed_memory
from lstm_jax.storage.metrics_log import render

_FLAGS = flags.FlagValues()
_RUN = RunFlags(_FLAGS)
_SPLIT = flags.DEFINE_enum("split", "test", SPLITS, "The part of the data.", flag_values=_FLAGS)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", None, "Sequences side by side.", flag_values=_FLAGS
)
_JSON = flags.DEFINE_bool("json", False, "Print one JSON object.", flag_values=_FLAGS)


def main() -> None:
    """Loads, evaluates, prints."""
    keep_freed_memory()
    run = _RUN.load()
    split = cast(Split, _SPLIT.value)
    changes = program.config_changes()
    metrics = run.evaluate(split, batch_size=_BATCH_SIZE.value, changes=changes)
    # Of other data than its own a run has no rivals.
    beside = {} if changes else run.rivals(split)
    if _JSON.value:
        print(render({"split": split, "step": run.step, **metrics}))
        for name, row in beside.items():
            print(render({"model": name, "split": split, **row}))
        return
    print(f"{split} split, step {run.step}\n{program.show(metrics)}")
    if beside:
        shared = [name for name in metrics if any(name in row for row in beside.values())]
        rows = {"this run": metrics, **beside}
        plain = {
            name: {one: row[one] for one in shared if isinstance(row.get(one), int | float)}
            for name, row in rows.items()
        }
        print("\n" + program.table("beside its rivals", plain))


def run() -> None:
    """Runs the program on the flags of the command line."""
    program.run(main, _FLAGS)
