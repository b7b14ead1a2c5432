"""Evaluates a run on a split of its data.

    python -m experiments.evaluate --workdir=runs/ptb --split=test

Fields of the data can be changed: `--config.data.evaluation_window=1000`,
`--config.data.source.directory=other_text`.
"""

import json

from absl import flags

import lstm_jax
from experiments import program
from lstm_jax.errors import ConfigError
from lstm_jax.memory import keep_freed_memory

_WORKDIR = flags.DEFINE_string("workdir", None, "Run directory.")
_SPLIT = flags.DEFINE_string("split", "test", "train, validation or test.")
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
    metrics = run.evaluate(
        _SPLIT.value, batch_size=_BATCH_SIZE.value, changes=program.config_changes()
    )
    if _JSON.value:
        print(json.dumps({"split": _SPLIT.value, "step": run.step, **metrics}))
    else:
        print(f"{_SPLIT.value} split, step {run.step}\n{program.show(metrics)}")


if __name__ == "__main__":
    program.run(main)
