import math

import numpy as np
import pytest

from lstm_jax.data.series.calendar import calendar_features, check_calendar
from lstm_jax.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "stamp", "share"),
    [
        ("minute", "2024-05-01T10:15", 0.25),
        ("hour", "2024-05-01T18:00", 0.75),
        ("weekday", "2024-01-01T00:00", 0.0),  # a Monday
        ("weekday", "2024-01-06T12:00", 5.5 / 7),
        ("day", "2024-02-15T12:00", 14.5 / 29),
        ("month", "2024-10-31T23:00", 9 / 12),
        ("yearday", "2024-12-31T00:00", 365 / 366),
        ("yearday", "2023-12-31T00:00", 364 / 365),
    ],
)
def test_where_a_stamp_stands(name, stamp, share):
    found = calendar_features(np.array([[stamp]], "M8[us]"), (name,))
    assert found.shape == (1, 1, 2)
    angle = 2 * math.pi * share
    assert found[0, 0].tolist() == pytest.approx([math.sin(angle), math.cos(angle)], abs=1e-6)


def test_with_a_zone_the_local_time_is_meant():
    instants = np.array(["2024-07-01T10:00", "2024-12-01T11:00"], "M8[s]")
    found = calendar_features(instants, ("hour",), "Europe/Berlin")  # noon, in summer and winter
    np.testing.assert_allclose(found, [[0, -1], [0, -1]], atol=1e-6)


def test_names_are_checked():
    check_calendar(("hour", "weekday"), "h")
    for names, frequency, message in (
        (("hours",), "h", "^calendar: 'hours' is none of minute, hour, "),
        (("hour", "hour"), "h", "^calendar: each feature once, not hour, hour$"),
        (("hour",), "2 step", "^calendar: these series have numbers instead of dates"),
    ):
        with pytest.raises(ConfigError, match=message):
            check_calendar(names, frequency)
