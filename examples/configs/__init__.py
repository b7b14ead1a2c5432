"""Experiments with the extensions."""
