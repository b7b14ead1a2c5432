"""What a trained model does with new inputs: sampling, prediction, explanation."""
