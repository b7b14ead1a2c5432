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
    if _JSON.value:
        print(render({"split": split, "step": run.step, **metrics}))
    else:
        print(f"{split} split, step {run.step}\n{program.show(metrics)}")


def run() -> None:
    """Runs the program on the flags of the command line."""
    program.run(main, _FLAGS)
