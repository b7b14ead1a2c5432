"""Continues a text with a trained language model.

    python -m experiments.generate --workdir=runs/ptb --prompt="the company said" --length=40

The same seed gives the same text.
"""

from absl import flags

from lstm_jax.programs import program
from lstm_jax.programs.trained import RunFlags

_FLAGS = flags.FlagValues()
_RUN = RunFlags(_FLAGS)
_PROMPT = flags.DEFINE_string("prompt", "", "Text to continue.", flag_values=_FLAGS)
_LENGTH = flags.DEFINE_integer("length", 300, "Tokens to draw.", flag_values=_FLAGS)
_TEMPERATURE = flags.DEFINE_float(
    "temperature", 1.0, "Below 1 likely tokens become likelier.", flag_values=_FLAGS
)
_TOP_K = flags.DEFINE_integer(
    "top_k", None, "Draw from the k likeliest tokens only.", flag_values=_FLAGS
)
_SEED = flags.DEFINE_integer("seed", 0, "Of the random numbers.", flag_values=_FLAGS)


def main() -> None:
    """Loads, draws, prints."""
    run = _RUN.load_unchanged()
    text = run.generate(
        _PROMPT.value,
        length=_LENGTH.value,
        temperature=_TEMPERATURE.value,
        top_k=_TOP_K.value,
        seed=_SEED.value,
    )
    print(text)


def run() -> None:
    """Runs the program on the flags of the command line."""
    program.run(main, _FLAGS)
