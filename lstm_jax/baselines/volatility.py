"""What forecasts of daily variances stand beside: HAR and GARCH(1,1).

Both are fitted on all that lies before the part of the data which they forecast, validation or
test, and then left as they are; a forecast reads what lies before its origin.
"""

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from lstm_jax.data.series.dataset import SeriesDataset
from lstm_jax.data.series.panel import Schema
from lstm_jax.data.series.prices import RETURN
from lstm_jax.data.series.windows import SeriesBatch
from lstm_jax.errors import ConfigError, DataError

NAMES = "har", "garch"
_MONTH, _WEEK = 22, 5
"""Trading days."""
Scaled = Float[np.ndarray, "horizon windows channels"]
Forecaster = Callable[[SeriesDataset, SeriesBatch, np.ndarray, np.ndarray], Scaled]
"""As in `lstm_jax.baselines.series`."""
Days = Float[np.ndarray, " days"]
HarForm = Literal["level", "log"]


@runtime_checkable
class _Fitted(Protocol):
    """A method with its parameters."""

    def ahead(
        self, variance: Days, change: Days, origins: Int[np.ndarray, " windows"], horizon: int
    ) -> Float[np.ndarray, "horizon windows"]:
        """Forecasts of variances, each of the days before its origin alone."""
        ...


M = TypeVar("M", bound=_Fitted)


def is_volatility(schema: Schema) -> bool:
    """Whether series are of daily variances, as `DailyPrices` makes them."""
    return schema.values == ("variance",) and RETURN in schema.past


def har(
    dataset: SeriesDataset, score: Callable[[Forecaster], float]
) -> tuple[Forecaster, dict[str, Any]]:
    """HAR in the form that validation likes best, and what was chosen; see `Har`.

    Args:
        dataset: of one series of variances.
        score: of a forecaster on the validation part, the lower the better.
    """
    forms: tuple[HarForm, ...] = "level", "log"
    scores = {form: score(_forecaster(_fitted(dataset, _har(form)))) for form in forms}
    best = min(forms, key=scores.__getitem__)
    return _forecaster(_fitted(dataset, _har(best))), {"form": best}


def garch(dataset: SeriesDataset) -> tuple[Forecaster, dict[str, Any]]:
    """GARCH(1,1), and its parameters in the test part; see `Garch`.

    Raises:
        ConfigError: the package arch is not installed.
        DataError: the likelihood has no maximum that could be found.
    """
    fitted = _fitted(dataset, fit_garch)
    return _forecaster(fitted), dataclasses.asdict(fitted[1])


@dataclasses.dataclass(frozen=True)
class Har:
    """The heterogeneous autoregression: least squares on variances of a day, a week and a month.

        v[t] = c + d v[t-1] + w mean(v[t-5 ... t-1]) + m mean(v[t-22 ... t-1])

    `level` is of the variances, and no forecast is below the least one that it was fitted on. `log`
    is of the logarithms of the four, and its forecast is `exp(forecast + s^2 / 2)`, with the
    variance s^2 of what is left: the mean, if that is normal. Later steps have equations of their
    own.

    Source: Corsi 2009, "A simple approximate long-memory model of realized volatility" (section 2).
    """

    form: HarForm
    weights: Float[np.ndarray, "4 horizon"]
    spread: Float[np.ndarray, " horizon"]
    """s^2; 0 of levels."""
    floor: float

    def ahead(
        self, variance: Days, change: Days, origins: Int[np.ndarray, " windows"], horizon: int
    ) -> Float[np.ndarray, "horizon windows"]:
        """Forecasts of variances, each of the days before its origin alone."""
        del change, horizon
        found = self.weights.T @ _terms(variance, origins, self.form)
        if self.form == "log":
            return np.exp(found + self.spread[:, None] / 2)
        return np.maximum(found, self.floor)


def fit_har(variance: Days, horizon: int, form: HarForm) -> Har:
    """HAR, fitted on days that end with these.

    Raises:
        DataError: they are too few.
    """
    origins = np.arange(_MONTH, len(variance) - horizon + 1)
    if len(origins) <= 4:
        raise DataError(f"HAR needs more than {_MONTH + horizon + 3} days to be fitted on")
    terms = _terms(variance, origins, form)
    ahead = variance[origins + np.arange(horizon)[:, None]]
    wanted = np.log(ahead) if form == "log" else ahead
    weights = np.linalg.lstsq(terms.T, wanted.T, rcond=None)[0]
    left = wanted - weights.T @ terms
    spread = np.square(left).sum(axis=1) / (len(origins) - 4)
    return Har(form, weights, spread * (form == "log"), float(variance.min()))


def _terms(
    variance: Days, origins: Int[np.ndarray, " windows"], form: HarForm
) -> Float[np.ndarray, "4 windows"]:
    """What HAR is linear in; before a month has passed the first day stands for what is missing."""
    before = variance[np.maximum(origins + np.arange(-_MONTH, 0)[:, None], 0)]
    read = np.stack([before[-1], before[-_WEEK:].mean(axis=0), before.mean(axis=0)])
    return np.concatenate([np.ones((1, len(origins))), np.log(read) if form == "log" else read])


@dataclasses.dataclass(frozen=True)
class Garch:
    """GARCH(1,1) of returns from close to close in percent, with a constant mean.

        s[t] = omega + alpha (r[t-1] - mu)^2 + beta s[t-1]

    It is fitted by the likelihood of normal returns, and knows nothing of the prices within a day.
    Its variance contains how far the price moves overnight, which the variances that are forecast
    leave out: `ratio`, their mean over that of (r - mu)^2 on the days that it was fitted on, brings
    one to the other.

    Source: Bollerslev 1986, "Generalized autoregressive conditional heteroskedasticity" (section
    2).
    """

    mu: float
    omega: float
    alpha: float
    beta: float
    first: float
    """The variance that the first day begins with."""
    ratio: float

    def ahead(
        self, variance: Days, change: Days, origins: Int[np.ndarray, " windows"], horizon: int
    ) -> Float[np.ndarray, "horizon windows"]:
        """Forecasts of variances, each of the days before its origin alone."""
        del variance
        filtered = np.full(len(change) + 1, self.first)
        # The first day has no return.
        for day in range(1, int(origins.max())):
            shock = self.alpha * (change[day] - self.mu) ** 2
            filtered[day + 1] = self.omega + shock + self.beta * filtered[day]
        found = [filtered[origins]]
        for _ in range(horizon - 1):
            found.append(self.omega + (self.alpha + self.beta) * found[-1])
        return self.ratio * np.stack(found)


def fit_garch(variance: Days, change: Days, horizon: int = 1) -> Garch:
    """GARCH(1,1), fitted on days that end with these.

    Args:
        variance: of each day, percent squared.
        change: its return in percent; the first has none.
        horizon: makes no difference.

    Raises:
        ConfigError: the package arch is not installed.
        DataError: the likelihood has no maximum that could be found.
    """
    del horizon
    try:
        arch = importlib.import_module("arch")
    except ImportError:
        raise ConfigError(
            "garch needs the package arch: pip install 'lstm_jax[series]', or leave it out: "
            "--models=repeat,ridge,har"
        ) from None
    known = change[1:]
    model = arch.arch_model(known, mean="Constant", vol="GARCH", p=1, q=1, dist="normal")
    found = model.fit(disp="off", show_warning=False)
    if found.convergence_flag:
        raise DataError(f"GARCH(1,1) does not converge on these {len(known)} returns: leave it out")
    mu, omega, alpha, beta = (float(value) for value in found.params)
    squares = np.square(known - mu)
    return Garch(
        mu, omega, alpha, beta, float(squares.mean()), float(variance[1:].mean() / squares.mean())
    )


def _har(form: HarForm) -> Callable[[Days, Days, int], Har]:
    def fit(variance: Days, change: Days, horizon: int) -> Har:
        del change
        return fit_har(variance, horizon, form)

    return fit


def _fitted(dataset: SeriesDataset, fit: Callable[[Days, Days, int], M]) -> tuple[M, M]:
    """What is used in validation, fitted on training; and in the test, on validation as well."""
    panel = dataset.panel
    if not is_volatility(panel.schema) or len(panel.items) > 1:
        raise ConfigError(f"{' and '.join(NAMES)} are of one series of prices: DailyPrices")
    variance, change = _series(dataset)
    horizon = dataset.preprocessor.horizon
    ends = dataset.bounds[0, :2].tolist()
    first, second = (fit(variance[:end], change[:end], horizon) for end in ends)
    return first, second


def _forecaster(fitted: tuple[_Fitted, _Fitted]) -> Forecaster:
    """Forecasts of windows, scaled."""

    def forecaster(
        dataset: SeriesDataset, batch: SeriesBatch, items: np.ndarray, origins: np.ndarray
    ) -> Scaled:
        del batch
        pre = dataset.preprocessor
        variance, change = _series(dataset)
        in_test = origins >= dataset.bounds[0, 1]
        ahead = np.empty((pre.horizon, len(items)))
        for model, chosen in zip(fitted, (~in_test, in_test), strict=True):
            if chosen.any():
                ahead[:, chosen] = model.ahead(variance, change, origins[chosen], pre.horizon)
        return dataset.scaled(ahead[..., None], items, origins)

    return forecaster


def _series(dataset: SeriesDataset) -> tuple[Days, Days]:
    """The variance and the return of each day."""
    panel = dataset.panel
    column = panel.schema.past.index(RETURN)
    return panel.values[:, 0].astype(np.float64), panel.past[:, column].astype(np.float64)
