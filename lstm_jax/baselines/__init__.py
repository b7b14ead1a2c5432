"""The simple rival of each task: fitted on the same splits, scored by the same metrics."""
