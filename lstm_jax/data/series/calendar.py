"""Features of the time of a step: where it stands within the hour, the day, the week, the year."""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Shaped

from lstm_jax.errors import ConfigError

CalendarFeature = Literal["minute", "hour", "weekday", "day", "month", "yearday"]


def _since(stamps: np.ndarray, unit: str) -> np.ndarray:
    """Seconds since the unit that holds a stamp began."""
    return (stamps - stamps.astype(f"M8[{unit}]").astype("M8[s]")).astype(np.int64)


def _share(stamps: np.ndarray, unit: Literal["Y", "M"]) -> np.ndarray:
    """Of a year or a month, which are not all as long."""
    begin = stamps.astype(f"M8[{unit}]")
    end = begin + np.timedelta64(1, unit)
    length = (end.astype("M8[s]") - begin.astype("M8[s]")).astype(np.int64)
    return _since(stamps, unit) / length


def _of_week(stamps: np.ndarray) -> np.ndarray:
    # 1970-01-01 was a Thursday; a week begins on Monday.
    return (stamps.astype("M8[s]").astype(np.int64) + 3 * 86400) % (7 * 86400) / (7 * 86400)


_SHARES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "minute": lambda stamps: _since(stamps, "h") / 3600,
    "hour": lambda stamps: _since(stamps, "D") / 86400,
    "weekday": _of_week,
    "day": lambda stamps: _share(stamps, "M"),
    "month": lambda stamps: stamps.astype("M8[M]").astype(np.int64) % 12 / 12,
    "yearday": lambda stamps: _share(stamps, "Y"),
}


def calendar_features(
    stamps: Shaped[np.ndarray, "*steps"],
    names: Sequence[CalendarFeature],
    zone: str | None = None,
) -> Float[np.ndarray, "*steps features"]:
    """Sine and cosine of where each stamp stands in each period, float32 [*steps, 2 names].

    >>> noon = np.array(["2024-01-01T12:00"], "M8[s]")
    >>> calendar_features(noon, ("hour",)).round(3)
    array([[ 0., -1.]], dtype=float32)

    Args:
        stamps: datetime64; with a zone the instants (UTC) whose local time is meant.
        names: of the periods: `minute` of the hour, `hour` of the day, `weekday`, `day` of the
            month, `month` and `yearday`, which changes with every step, of the year.
        zone: IANA name of the time zone.
    """
    found = np.zeros((*stamps.shape, 2 * len(names)), np.float32)
    if not names:
        return found
    seconds = stamps.astype("M8[s]")
    if zone is not None:
        seconds = local_times_of(seconds, zone)
    for place, name in enumerate(names):
        angle = 2 * np.pi * _SHARES[name](seconds)
        found[..., 2 * place], found[..., 2 * place + 1] = np.sin(angle), np.cos(angle)
    return found


def local_times_of(
    instants: Shaped[np.ndarray, "*steps"], zone: str
) -> Shaped[np.ndarray, "*steps"]:
    """Instants of UTC as the clocks of a zone show them, datetime64[s]."""
    instants = instants.astype("M8[s]")
    flat = pa.array(instants.reshape(-1), pa.timestamp("s", "UTC"))
    zoned = flat.cast(pa.timestamp("s", zone))
    local = pc.call_function("local_timestamp", [zoned])
    return np.asarray(local.to_numpy(zero_copy_only=False)).astype("M8[s]").reshape(instants.shape)


def check_calendar(names: Sequence[str], frequency: str) -> None:
    """Makes sure that features of the calendar exist and that steps have dates.

    Raises:
        ConfigError: a name is none, or stands twice; steps are numbers.
    """
    known = get_args(CalendarFeature)
    for name in names:
        if name not in known:
            raise ConfigError(f"calendar: {name!r} is none of {', '.join(known)}")
    if len({*names}) < len(names):
        raise ConfigError(f"calendar: each feature once, not {', '.join(names)}")
    if names and frequency.split()[-1] == "step":
        raise ConfigError("calendar: these series have numbers instead of dates: leave it empty")
