"""Continues a text with a trained language model.

    python -m experiments.generate --workdir=runs/ptb --prompt="the company said" --length=40

The same seed gives the same text.
"""

from absl import flags

import lstm_jax
from experiments import program
from lstm_jax.errors import ConfigError

flags.adopt_module_key_flags(program)
_WORKDIR = flags.DEFINE_string("workdir", None, "Run directory.")
_STEP = flags.DEFINE_string("step", None, "A step that is kept, best (the default) or latest.")
_PROMPT = flags.DEFINE_string("prompt", "", "Text to continue.")
_LENGTH = flags.DEFINE_integer("length", 300, "Tokens to draw.")
_TEMPERATURE = flags.DEFINE_float("temperature", 1.0, "Below 1 likely tokens become likelier.")
_TOP_K = flags.DEFINE_integer("top_k", None, "Draw from the k likeliest tokens only.")
_SEED = flags.DEFINE_integer("seed", 0, "Of the random numbers.")
_TRUST = flags.DEFINE_list("trust", [], "Packages whose classes the config may use.")


def main() -> None:
    """Loads, draws, prints."""
    if _WORKDIR.value is None:
        raise ConfigError("--workdir is missing: give the directory of a run")
    if changes := program.config_changes():
        raise ConfigError(f"--config.{next(iter(changes))}: a trained model cannot be changed")
    run = lstm_jax.load(_WORKDIR.value, program.parse_step(_STEP.value), _TRUST.value)
    text = run.generate(
        _PROMPT.value,
        length=_LENGTH.value,
        temperature=_TEMPERATURE.value,
        top_k=_TOP_K.value,
        seed=_SEED.value,
    )
    print(text)


if __name__ == "__main__":
    program.run(main)
