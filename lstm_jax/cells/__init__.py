"""Recurrent cells: one time step each, as pure functions. One cell a file."""

from lstm_jax.cells.base import Cell, ElementwiseCell
from lstm_jax.cells.gru import GRU, GRUCarry
from lstm_jax.cells.lstm import LSTM, LSTMCarry
from lstm_jax.cells.simple import SimpleCarry, SimpleRNN

__all__ = [
    "GRU",
    "LSTM",
    "Cell",
    "ElementwiseCell",
    "GRUCarry",
    "LSTMCarry",
    "SimpleCarry",
    "SimpleRNN",
]
