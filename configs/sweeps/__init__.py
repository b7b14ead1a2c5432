"""Search spaces, one a file; see `experiments/sweep.py`."""
