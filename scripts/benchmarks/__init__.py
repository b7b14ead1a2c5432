"""Benchmarks, run from the root of the checkout: `python -m scripts.benchmarks.recurrence`.

Programs are `recurrence` (one layer), `training` (whole steps), `members` (settings side by side),
`prediction` (texts of a run) and `sweep` (trials an hour); the rest is what they share or time.
What is written in other libraries for comparison is in `peers`, the only place that imports them.
"""
