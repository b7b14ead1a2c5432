"""Tasks: a model, its loss and its metrics. One task a file."""

from lstm_jax.tasks.base import Output, Score, Task, Term
from lstm_jax.tasks.capabilities import Use, capability
from lstm_jax.tasks.classification import Classification
from lstm_jax.tasks.forecasting import Forecasting
from lstm_jax.tasks.language_modeling import LanguageModeling

__all__ = [
    "Classification",
    "Forecasting",
    "LanguageModeling",
    "Output",
    "Score",
    "Task",
    "Term",
    "Use",
    "capability",
]
