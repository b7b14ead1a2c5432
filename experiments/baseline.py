"""Scores the simple rivals of a task: see `lstm_jax/programs/baseline.py`, or --help."""

from lstm_jax.programs.baseline import run

if __name__ == "__main__":
    run()
