"""Continues a text: see `lstm_jax/programs/generate.py`, or --help."""

from lstm_jax.programs.generate import run

if __name__ == "__main__":
    run()
