"""Backtests a forecaster: see `lstm_jax/programs/backtest.py`, or --help."""

from lstm_jax.programs.backtest import run

if __name__ == "__main__":
    run()
