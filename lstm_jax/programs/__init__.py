"""Programs: flags in, one call, results out. `lstm-jax train`, `python -m experiments.train`.

The only place that reads flags; each file is a program, and `program` what they have in common.
"""
