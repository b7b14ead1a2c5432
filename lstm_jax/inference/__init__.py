"""What a model does with new inputs: sampling, prediction, explanation."""

from lstm_jax.inference.prediction import Prediction, Predictions, predict

__all__ = ["Prediction", "Predictions", "predict"]
