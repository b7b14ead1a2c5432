r"""Trains an experiment, or goes on with it.

    python -m experiments.train --config=configs/lm_ptb_small.py --workdir=runs/ptb \
        --config.optimizer.learning_rate=0.5

Stopped or killed, the same command goes on from the last checkpoint and ends with the same result.
"""

import json
import shlex

from absl import flags

import lstm_jax
from lstm_jax.config.saved import packages, to_json
from lstm_jax.config.tree import describe
from lstm_jax.errors import ConfigError
from lstm_jax.programs import program
from lstm_jax.runtime.command import command

_FLAGS = flags.FlagValues()
_CONFIG = flags.DEFINE_string(
    "config", None, "Python file with a function get_config().", flag_values=_FLAGS
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Run directory; made if absent.", flag_values=_FLAGS
)
_PRINT_CONFIG = flags.DEFINE_bool(
    "print_config", False, "Show the config with types, and end.", flag_values=_FLAGS
)


def main() -> None:
    """Parses, trains, and says what can be done with the run."""
    if _CONFIG.value is None:
        raise ConfigError("--config is missing: give a file, such as configs/quickstart.py")
    experiment = program.load_experiment(_CONFIG.value)
    if _PRINT_CONFIG.value:
        print(describe(experiment))
        return
    workdir = _WORKDIR.value
    if workdir is None:
        raise ConfigError("--workdir is missing: give a directory, such as runs/quickstart")
    run = lstm_jax.train(experiment, workdir)
    print(f"trained; best checkpoint: step {run.step}; curves: {workdir}/learning_curves.png")
    # Classes of the caller's own are trusted where the caller says so.
    own = sorted(packages(json.loads(to_json(experiment))) - {"lstm_jax"})
    trust = f" --trust={shlex.quote(','.join(own))}" if own else ""
    arguments = ", ".join([repr(workdir), *([f"trust={own}"] if own else [])])
    evaluate = shlex.join([*command("evaluate"), f"--workdir={workdir}"])
    print(f"test score:  {evaluate}{trust}")
    print(f"notebook:    import lstm_jax; run = lstm_jax.load({arguments})")


def run() -> None:
    """Runs the program on the flags of the command line."""
    program.run(main, _FLAGS)
