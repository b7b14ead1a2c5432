"""Sums that merge over batches and devices (`means`), and the figures that follow from them.

One file for each kind of figure: `classification` has accuracy, F1 and calibration.
"""

from lstm_jax.metrics.means import (
    Mean,
    Metric,
    Sum,
    bits_per_character,
    format_metric,
    merge_metrics,
    perplexity,
)

__all__ = [
    "Mean",
    "Metric",
    "Sum",
    "bits_per_character",
    "format_metric",
    "merge_metrics",
    "perplexity",
]
