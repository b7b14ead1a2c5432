import numpy as np
import pytest

from lstm_jax.data import Panel, TimeSplit
from lstm_jax.data.series.series_windows import steps_before
from lstm_jax.data.series.time_split import no_dates
from lstm_jax.errors import ConfigError, DataError


def bounds(split, lengths=(10, 20), dates=no_dates):
    return split.bounds(np.array(lengths), dates).tolist()


def test_steps_and_shares_are_counted_back_from_the_end():
    assert bounds(TimeSplit(2, 3)) == [[5, 7, 10], [15, 17, 20]]
    assert bounds(TimeSplit(0.2, 0.3)) == [[5, 7, 10], [10, 14, 20]]
    assert bounds(TimeSplit(2, 3, end=15)) == [[5, 7, 10], [10, 12, 15]]
    assert bounds(TimeSplit(0, 0)) == [[10, 10, 10], [20, 20, 20]]
    assert bounds(TimeSplit(8, 8)) == [[0, 2, 10], [4, 12, 20]]


def test_dates_are_where_parts_begin():
    panel = Panel.from_arrays(
        {"a": np.arange(10.0), "b": np.arange(4.0)}, frequency="D", start="2024-01-01"
    )
    split = TimeSplit("2024-01-04", "2024-01-08T00:00", "2024-01-10")
    found = bounds(split, (10, 4), lambda date: steps_before(panel, date))
    assert found == [[3, 7, 9], [3, 4, 4]]
    for wrong in ("NaT", "today", "20240301"):
        with pytest.raises(ConfigError, match=f"^'{wrong}' is no date"):
            steps_before(panel, wrong)
    with pytest.raises(ConfigError, match=r"^'tomorrow' is no date: write it as 2024-01-31"):
        steps_before(panel, "tomorrow")


def test_what_leaves_nothing_or_means_nothing_is_refused():
    with pytest.raises(DataError, match=r"^nothing is left to train on before validation=5 and "):
        bounds(TimeSplit(5, 6), (10,))
    with pytest.raises(
        ConfigError, match=r"^validation is a share, a number of steps, or a date: "
    ):
        TimeSplit(True, 2)
    with pytest.raises(ConfigError, match=r"^these series have no dates: split them by steps"):
        bounds(TimeSplit("2024-01-01", 2))
    for wrong in ({"validation": 1.0}, {"test": -1}, {"end": 0}):
        with pytest.raises(ConfigError):
            TimeSplit(**wrong)
