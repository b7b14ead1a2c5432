"""What values of series may be, where a model means something narrower than numbers."""

from typing import Literal

import numpy as np

from lstm_jax.data.series.panel import Panel
from lstm_jax.errors import DataError

Domain = Literal["counts", "positive values"]


def check_domain(panel: Panel, domain: Domain, needed_by: str) -> None:
    """Makes sure that the values of series are what a model takes them for.

    Args:
        panel: the series; a value that was not observed is not looked at.
        domain: counts are whole numbers of at least 0.
        needed_by: what takes them for that, for the message.

    Raises:
        DataError: one is not; names the first.

    >>> check_domain(Panel.from_arrays([3.0, 0.5]), "counts", "NegativeBinomial")
    Traceback (most recent call last):
    lstm_jax.errors.DataError: item 'series', 1: value is 0.5, and NegativeBinomial is of counts
    """
    with np.errstate(invalid="ignore"):
        wrong = panel.values <= 0
        if domain == "counts":
            wrong = (panel.values < 0) | (panel.values % 1 != 0)
    rows, channels = np.nonzero(wrong & np.isfinite(panel.values))
    if not len(rows):
        return
    row, channel = int(rows[0]), int(channels[0])
    item = int(np.searchsorted(panel.first, row, side="right")) - 1
    time = panel.schema.texts(panel.times(item, row - int(panel.first[item]), 1))[0]
    raise DataError(
        f"{panel.places[item]}, {time}: {panel.schema.values[channel]} is "
        f"{panel.values[row, channel]:g}, and {needed_by} is of {domain}"
    )
