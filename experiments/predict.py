"""Predicts for inputs of one's own: see `lstm_jax/programs/predict.py`, or --help."""

from lstm_jax.programs.predict import run

if __name__ == "__main__":
    run()
