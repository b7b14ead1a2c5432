"""Experiments, one a file: each has a function `get_config`."""
