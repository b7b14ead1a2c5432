"""Evaluates a run on a split of its data.

    python -m experiments.evaluate --workdir=runs/ptb --split=test

Fields of the data can be changed: `--config.data.evaluation_window=1000`,
`--config.data.source.directory=other_text`.
"""

from typing import cast

from absl import flags

import lstm_jax
from experiments import program
from lstm_jax.data import SPLITS, Split
from lstm_jax.errors import ConfigError
from lstm_jax.memory import keep_freed_memory
from lstm_jax.metrics_log import render

flags.adopt_module_key_flags(program)
_WORKDIR = flags.DEFINE_string("workdir", None, "Run directory.")
_SPLIT = flags.DEFINE_enum("split", "test", SPLITS, "The part of the data.")
_STEP = flags.DEFINE_string("step", None, "A step that is kept, best (the default) or latest.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", None, "Sequences side by side.")
_JSON = flags.DEFINE_bool("json", False, "Print one JSON object.")
_TRUST = flags.DEFINE_list("trust", [], "Packages whose classes the config may use.")


def main() -> None:
    """Loads, evaluates, prints."""
    if _WORKDIR.value is None:
        raise ConfigError("--workdir is missing: give the directory of a run")
    keep_freed_memory()
    run = lstm_jax.load(_WORKDIR.value, program.parse_step(_STEP.value), _TRUST.value)
    split = cast(Split, _SPLIT.value)
    changes = program.config_changes()
    metrics = run.evaluate(split, batch_size=_BATCH_SIZE.value, changes=changes)
    if _JSON.value:
        print(render({"split": split, "step": run.step, **metrics}))
    else:
        print(f"{split} split, step {run.step}\n{program.show(metrics)}")


if __name__ == "__main__":
    program.run(main)
