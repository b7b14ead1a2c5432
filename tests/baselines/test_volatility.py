"""HAR and GARCH beside their definitions, and what they may know."""

import dataclasses
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from lstm_jax.baselines.series import scored
from lstm_jax.baselines.volatility import fit_garch, fit_har, garch, har
from lstm_jax.data import DailyPrices, Panel, Scaling, SeriesWindows, TimeSplit
from lstm_jax.errors import ConfigError, DataError
from tests.data.series.windows import given_source

DAYS, PART = 500, 100


def simulated(days=DAYS, seed=0):
    """Variances that GARCH drives, and returns with them."""
    random = np.random.default_rng(seed)
    spread, change, variance = 1.0, np.zeros(days), np.zeros(days)
    for day in range(days):
        change[day] = np.sqrt(spread) * random.normal()
        variance[day] = 0.6 * spread * random.gamma(4, 1 / 4)
        spread = 0.05 + 0.15 * change[day] ** 2 + 0.8 * spread
    change[0] = np.nan
    return variance, change


def opened(variance, change, *, is_log=True, name="prices"):
    names = {"values": ("variance",), "past": ("return",)}
    panel = Panel.from_arrays(variance, past=change, names=names)
    split = TimeSplit(validation=PART, test=PART)
    source = given_source(panel, name)
    scaling = Scaling(log=is_log)
    data = SeriesWindows(source, context=5, horizon=1, split=split, scaling=scaling)
    return data.open(data.fit())


@pytest.fixture(scope="module")
def dataset():
    return opened(*simulated())


def forecasts_of(dataset, forecaster, split="test"):
    """In the units of the data."""
    places = np.arange(len(dataset.origins(split)))
    batch = dataset.windows_at(split, places, len(places))
    scaled = forecaster(dataset, batch, *dataset.origins(split).at(places))
    assert scaled.shape == batch.targets.shape
    linear = scaled * batch.scale + batch.center
    return (np.exp(linear) if dataset.preprocessor.scaling.log else linear)[..., 0]


def score_of(dataset):
    return lambda forecaster: scored(dataset, "validation", forecaster, "").figures["qlike"]


def only(form):
    """A score that likes the first form, or the second."""
    values = iter((0.0, 1.0) if form == "level" else (1.0, 0.0))
    return lambda forecaster: next(values)


@pytest.mark.parametrize("form", ["level", "log"])
def test_har_is_a_regression_on_a_day_a_week_and_a_month(dataset, form):
    forecaster, chosen = har(dataset, only(form))
    assert chosen == {"form": form}
    variance = dataset.panel.values[:, 0]
    read = np.log if form == "log" else np.array

    def terms(day):
        means = [variance[day - 1], variance[day - 5 : day].mean(), variance[day - 22 : day].mean()]
        return [1, *read(means)]

    for split, end in (("validation", DAYS - 2 * PART), ("test", DAYS - PART)):
        days = range(22, end)
        x, y = np.array([terms(day) for day in days]), read(variance[22:end])
        weights = np.linalg.solve(x.T @ x, x.T @ y)
        expected = np.array([terms(day) for day in range(end, end + PART)]) @ weights
        if form == "log":
            expected = np.exp(expected + np.sum((y - x @ weights) ** 2) / (len(days) - 4) / 2)
        else:
            expected = np.maximum(expected, variance[:end].min())
        np.testing.assert_allclose(forecasts_of(dataset, forecaster, split)[0], expected, rtol=1e-5)


def test_har_takes_the_form_that_validation_likes_best(dataset):
    scores = {}
    for form in ("level", "log"):
        scores[form] = score_of(dataset)(har(dataset, only(form))[0])
    assert har(dataset, score_of(dataset))[1] == {"form": min(scores, key=scores.get)}


def test_no_level_is_below_the_least_that_was_seen():
    fitted = fit_har(np.r_[np.linspace(5, 1, 60), 1.5, 2, 1.2, 4], 1, "level")
    fitted = dataclasses.replace(fitted, weights=-fitted.weights)
    assert fitted.ahead(np.ones(40), np.ones(40), np.array([30]), 1) == 1


def test_later_steps_have_equations_of_their_own():
    variance, change = simulated(300)
    found = fit_har(variance, 3, "level")
    assert found.weights.shape == (4, 3)
    for step in range(3):
        days = np.arange(22, 298)
        terms = [[variance[day - n : day].mean() for day in days] for n in (1, 5, 22)]
        x = np.stack([np.ones(len(days)), *terms])
        expected = np.linalg.solve(x @ x.T, x @ variance[days + step])
        np.testing.assert_allclose(found.weights[:, step], expected, rtol=1e-6, atol=1e-9)
    assert found.ahead(variance, change, np.array([30, 250]), 3).shape == (3, 2)


# ---- GARCH --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted(dataset):
    pytest.importorskip("arch")
    return garch(dataset)


def test_garch_is_fitted_on_what_lies_before_and_filtered_through_the_rest(dataset, fitted):
    import arch

    forecaster, chosen = fitted
    change, variance = dataset.panel.past[:, 0], dataset.panel.values[:, 0]
    end = DAYS - PART
    found = arch.arch_model(change[1:end], mean="Constant").fit(disp="off")
    own = [chosen[name] for name in ("mu", "omega", "alpha", "beta")]
    np.testing.assert_allclose(own, found.params, rtol=1e-6)
    assert chosen["ratio"] == pytest.approx(
        variance[1:end].mean() / np.square(change[1:end] - chosen["mu"]).mean()
    )
    whole = arch.arch_model(change[1:], mean="Constant").fix(found.params)
    expected = chosen["ratio"] * whole.conditional_volatility[end - 1 :] ** 2
    np.testing.assert_allclose(forecasts_of(dataset, forecaster)[0], expected, rtol=1e-4)


def test_garch_finds_the_parameters_of_data_that_it_describes():
    pytest.importorskip("arch")
    found = fit_garch(*simulated(4000))
    assert found.alpha == pytest.approx(0.15, abs=0.04)
    assert found.beta == pytest.approx(0.8, abs=0.05)
    assert found.ratio == pytest.approx(0.6, abs=0.05)


def test_garch_further_ahead_is_the_expectation():
    pytest.importorskip("arch")
    variance, change = simulated(600)
    one = dataclasses.replace(fit_garch(variance, change), mu=0.0, omega=0.1, alpha=0.2, beta=0.7)
    first, second, third = one.ahead(variance, change, np.array([400]), 3)[:, 0] / one.ratio
    assert second == pytest.approx(0.1 + 0.9 * first)
    assert third == pytest.approx(0.1 + 0.9 * second)


def test_a_likelihood_without_a_maximum_is_no_fit(monkeypatch):
    found = SimpleNamespace(convergence_flag=4, params=[0.0, 0.1, 0.1, 0.8])
    model = SimpleNamespace(fit=lambda **options: found)
    arch = SimpleNamespace(arch_model=lambda *returns, **options: model)
    monkeypatch.setitem(sys.modules, "arch", arch)
    with pytest.raises(DataError, match=r"^GARCH\(1,1\) does not converge on these 499 returns: "):
        fit_garch(*simulated())
    found.convergence_flag = 0
    assert fit_garch(*simulated()).beta == 0.8


def test_without_the_package_it_says_what_to_install(dataset, monkeypatch):
    monkeypatch.setitem(sys.modules, "arch", None)
    with pytest.raises(ConfigError, match=r"^garch needs the package arch: pip install "):
        garch(dataset)


# ---- both ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["har", "garch"])
def test_nothing_is_read_that_follows_an_origin(dataset, name, request):
    forecaster = (
        har(dataset, only("log"))[0] if name == "har" else request.getfixturevalue("fitted")[0]
    )
    clean = forecasts_of(dataset, forecaster)[0]
    variance, change = simulated()
    window = 40
    origin = DAYS - PART + window
    for poison in (np.nan, 1e6):
        values, returns = variance.copy(), change.copy()
        values[origin:], returns[origin:] = poison, poison
        spoilt = opened(variance, change, name="spoilt")
        spoilt = type(spoilt)(
            dataclasses.replace(spoilt.panel, values=values[:, None], past=returns[:, None]),
            dataset.preprocessor,
            dataset.bounds,
            batch_size=8,
            stride=1,
            evaluation_stride=1,
            shortest_context=5,
            with_reference=False,
            seed=0,
        )
        found = forecasts_of(spoilt, forecaster)[0]
        np.testing.assert_array_equal(found[: window + 1], clean[: window + 1])
        assert not np.isclose(found[window + 1], clean[window + 1], rtol=1e-3)


@pytest.mark.parametrize("name", ["har", "garch"])
def test_nothing_of_the_test_part_is_fitted_on(dataset, name):
    if name == "garch":
        pytest.importorskip("arch")
    variance, change = simulated()
    variance[DAYS - PART :], change[DAYS - PART :] = 50, 50
    made = {"har": lambda one: har(one, score_of(one)), "garch": garch}[name]
    spoilt = opened(variance, change, name="spoilt")
    (first, chosen), (other, same) = made(dataset), made(spoilt)
    assert chosen == same
    first, other = (forecasts_of(one, made) for one, made in ((dataset, first), (dataset, other)))
    np.testing.assert_array_equal(first, other)


def test_scaled_values_need_no_logarithms(dataset):
    plain = opened(*simulated(), is_log=False, name="plain")
    one, other = (forecasts_of(given, har(given, only("log"))[0]) for given in (dataset, plain))
    np.testing.assert_allclose(one, other, rtol=1e-5)


def test_they_are_of_one_series_of_prices(dataset):
    names = {"values": ("load",), "past": ("return",)}
    panel = Panel.from_arrays(np.ones(60), past=np.ones(60), names=names)
    data = SeriesWindows(given_source(panel, "load"), context=5, horizon=1, split=TimeSplit(9, 9))
    with pytest.raises(ConfigError, match=r"^har and garch are of one series of prices: DailyPr"):
        har(data.open(data.fit()), only("log"))
    with pytest.raises(DataError, match=r"^HAR needs more than 26 days to be fitted on"):
        fit_har(np.ones(26), 1, "log")


def test_the_index_has_both():
    pytest.importorskip("arch")
    data = SeriesWindows(
        DailyPrices(), horizon=1, split=TimeSplit(1000, 1000), scaling=Scaling(log=True)
    )
    dataset = data.open(data.fit())
    forecaster, chosen = garch(dataset)
    assert chosen["alpha"] + chosen["beta"] < 1
    assert score_of(dataset)(forecaster) < 0.5
