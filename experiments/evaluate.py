"""Evaluates a run on a split of its data: see `lstm_jax/programs/evaluate.py`, or --help."""

from lstm_jax.programs.evaluate import run

if __name__ == "__main__":
    run()
