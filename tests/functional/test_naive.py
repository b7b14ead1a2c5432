import numpy as np
import pytest

from lstm_jax.functional import naive


def series(steps=60, season=6, seed=0):
    """A positive series with a season and a trend."""
    random = np.random.default_rng(seed)
    season_of = np.exp(np.sin(2 * np.pi * np.arange(steps) / season))
    return (10 + 0.1 * np.arange(steps)) * season_of * np.exp(0.05 * random.normal(size=steps))


def test_repeat_season_and_drift():
    values = np.array([3.0, 1.0, 4.0, 1.0, 5.0])
    assert naive.repeat(values, 3).tolist() == [5, 5, 5]
    assert naive.seasonal_naive(values, 5, season=2).tolist() == [1, 5, 1, 5, 1]
    assert naive.seasonal_naive(values[:1], 2, season=2).tolist() == [3, 3]
    assert naive.drift(values, 2).tolist() == [5.5, 6.0]
    assert naive.drift(values[:1], 2).tolist() == [3, 3]


@pytest.mark.parametrize("season", [4, 6, 7])
def test_the_index_is_that_of_a_centred_moving_average(season):
    values = series(steps=5 * season + 3, season=season)
    half, ratios = season // 2, [[] for _ in range(season)]
    for step in range(half, len(values) - half):
        window = values[step - half : step + half + 1].copy()
        if season % 2 == 0:
            window[[0, -1]] /= 2
        ratios[step % season].append(values[step] / (window.sum() / season))
    index = np.array([np.mean(one) for one in ratios])
    found = naive.seasonal_index(values, season)
    np.testing.assert_allclose(found, index / index.mean(), rtol=1e-12)
    assert found.mean() == pytest.approx(1)


def test_the_season_of_naive2_goes_on_where_the_series_ends():
    season = 6
    for steps in (36, 37, 41):
        exact = np.exp(np.sin(2 * np.pi * np.arange(steps + 8) / season))
        found = naive.naive2(exact[:steps], 8, season)
        np.testing.assert_allclose(found, exact[steps:], rtol=1e-9)


def test_what_has_no_season_is_repeated():
    noise = np.random.default_rng(1).random(200) + 1
    assert not naive.is_seasonal(noise, 12)
    assert naive.naive2(noise, 2, 12).tolist() == [noise[-1]] * 2
    assert naive.is_seasonal(series(), 6)
    for what in (series() - 20, series(steps=17), np.ones(60)):  # signs, too short, constant
        assert not naive.is_seasonal(what, 6)
    assert not naive.is_seasonal(series(), 1)


def test_gaps_hold_the_last_value():
    nan = np.nan
    assert naive.last_observed(np.array([nan, 1, nan, nan, 2])).tolist() == [1, 1, 1, 1, 2]
    assert naive.last_observed(np.array([nan, nan])).tolist() == [0, 0]


def test_figures_leave_out_what_is_not_there():
    history, future = np.array([[1.0], [3.0]]), np.array([[6.0], [np.nan]])
    found = naive.naive2_figures(history, future, 1, np.array([2.0]))
    assert found == pytest.approx((200 * 3 / 9, 1.5))
    smape, mase = naive.naive2_figures(history, future, 1, np.array([0.0]))
    assert (smape, np.isnan(mase)) == (pytest.approx(200 * 3 / 9), True)
