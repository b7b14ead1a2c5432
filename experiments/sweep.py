"""Sweeps hyperparameters: see `lstm_jax/programs/sweep.py`, or --help."""

from lstm_jax.programs.sweep import run

if __name__ == "__main__":
    run()
