"""Trains an experiment, or goes on with it: see `lstm_jax/programs/train.py`, or --help."""

from lstm_jax.programs.train import run

if __name__ == "__main__":
    run()
