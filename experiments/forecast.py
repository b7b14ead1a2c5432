"""Forecasts what follows the ends of series: see `lstm_jax/programs/forecast.py`, or --help."""

from lstm_jax.programs.forecast import run

if __name__ == "__main__":
    run()
