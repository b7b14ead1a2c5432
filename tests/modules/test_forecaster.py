import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lstm_jax.errors import ConfigError
from lstm_jax.modules import (
    Recursive,
    Segments,
    Sizes,
    Smoothing,
    WindowNormalization,
    merge,
    split,
)
from lstm_jax.modules.normalization import Inputs
from tests.modules.forecasters import (
    BATCH,
    CHANNELS,
    FORECASTERS,
    HORIZON,
    LEVELS,
    PADDED,
    forecaster,
    windows,
)
from tests.reference import array, call, drawn


@functools.partial(jax.jit, static_argnums=0)
def _forecast(graph, params, batch):
    keys = jax.vmap(lambda place: jax.random.fold_in(jax.random.key(3), place))(batch.place)
    return merge(graph, params).forecast(batch, LEVELS, keys)


def forecast(model, batch):
    return jax.tree.map(np.asarray, _forecast(*split(model), batch))


@functools.partial(jax.jit, static_argnums=0)
def _gradients(graph, params, batch, key):
    def loss(params, batch):
        costs = merge(graph, params).costs(batch, key)
        return jnp.where(costs.weight > 0, costs.values, 0).sum() / costs.weight.sum()

    return jax.value_and_grad(loss)(params, batch)


def gradients(model, batch, key=None):
    return jax.tree.map(np.asarray, _gradients(*split(model), batch, key))


@pytest.mark.parametrize("name", FORECASTERS)
def test_every_forecaster(name):
    model, batch = forecaster(name), windows(name)
    found = forecast(model, batch)
    shape = HORIZON, BATCH, CHANNELS
    assert found.point.shape == shape
    assert np.isfinite(found.point).all()
    if model.head.is_distribution:
        assert found.quantiles.shape == (*shape, len(LEVELS))
        assert (np.diff(found.quantiles, axis=-1) >= 0).all()
    else:
        assert found.quantiles is None

    # What follows the origin is not read, nor what stands beside a window.
    rest = {"targets": batch.targets + 7, "weight": 1 - batch.weight}
    again = forecast(model, batch._replace(**rest))
    assert jax.tree.all(jax.tree.map(np.array_equal, again, found))
    alone = forecast(model, batch.take(np.full(BATCH, 1)))
    for one, whole in zip(jax.tree.leaves(alone), jax.tree.leaves(found), strict=True):
        for column in one.swapaxes(0, 1):
            np.testing.assert_allclose(column, whole[:, 1], rtol=2e-5, atol=2e-6)

    # A value that was not observed costs nothing and moves nothing.
    value, slopes = gradients(model, batch, jax.random.key(1))
    hidden = batch._replace(targets=np.where(batch.weight > 0, batch.targets, np.float32(5e3)))
    other, same = gradients(model, hidden, jax.random.key(1))
    assert (other, np.isfinite(value)) == (value, True)
    for one, two in zip(jax.tree.leaves(slopes), jax.tree.leaves(same), strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_array_equal(one, two)
    assert value != gradients(model, batch, jax.random.key(2))[0]
    used = sum(bool(np.abs(one).max() > 0) for one in jax.tree.leaves(slopes))
    assert used == len(jax.tree.leaves(slopes)), "a parameter that learns nothing"


@pytest.mark.parametrize("name", FORECASTERS)
def test_a_row_that_only_fills_up_leaves_gradients_finite(name):
    model, batch = forecaster(name), windows(name)
    nothing = batch._replace(
        **{
            field: np.zeros_like(getattr(batch, field))
            for field in ("values", "observed", "covariates", "future", "targets")
        }
    )
    _, slopes = gradients(model, nothing, jax.random.key(1))
    assert all(np.isfinite(one).all() for one in jax.tree.leaves(slopes))


@pytest.mark.parametrize("name", PADDED)
def test_what_stands_before_a_series_is_not_read(name):
    model, batch = forecaster(name), windows(name, padding=3)
    found = forecast(model, batch)
    for noise in (4.0, -2.0):
        values, covariates = batch.values.copy(), batch.covariates.copy()
        values[:3, 0] = covariates[:3, 0] = noise
        again = forecast(model, batch._replace(values=values, covariates=covariates))
        assert jax.tree.all(jax.tree.map(np.array_equal, again, found))


def test_recursion_reads_its_own_forecasts():
    """With the points of its paths as the truth, teaching says what forecasting said."""
    model, batch = forecaster("recursive point"), windows("recursive point")
    batch = batch._replace(observed=np.ones_like(batch.observed), weight=np.ones_like(batch.weight))
    found = forecast(model, batch).point
    center = batch.values[-1]
    inputs = Inputs(
        batch.values - center,
        batch.observed,
        batch.covariates,
        batch.future,
        batch.item,
        batch.phase,
        batch.padding,
        np.zeros(BATCH, np.int32),
    )
    raw = jax.jit(model.decoder.teach)(inputs, found - center, batch.weight)
    np.testing.assert_allclose(raw[-HORIZON:, ..., 0] + center, found, rtol=1e-4, atol=1e-5)


def test_paths_are_drawn_for_each_window_by_its_place():
    model, batch = forecaster("recursive"), windows("recursive")
    found = forecast(model, batch).quantiles
    moved = forecast(model, batch._replace(place=batch.place + 1)).quantiles
    assert (found != moved).any()
    turned = forecast(model, batch.take(np.array([2, 0, 1]))).quantiles
    np.testing.assert_allclose(turned, found[:, np.array([2, 0, 1])], rtol=2e-5)


def test_a_network_says_by_how_much_it_differs_from_the_seasonal_naive():
    name = "encoder_decoder season"
    model, batch = forecaster(name), windows(name)
    batch = batch._replace(observed=np.ones_like(batch.observed))
    for param in (model.decoder.values.kernel, model.decoder.values.bias):
        param[...] = array(np.zeros(param.shape), np.float32)
    season = batch.values[-4:]
    np.testing.assert_array_equal(forecast(model, batch).point[:4], season)
    np.testing.assert_array_equal(forecast(model, batch).point[4], season[0])


def test_equivariance():
    """Of a window moved or stretched the forecast moves and stretches as the normalization says."""
    for name, moved, factor in (
        ("direct quantiles", 2.0, 1.0),
        ("direct huber", -1.0, 1.0),
        ("encoder_decoder", 1.0, 3.0),
        ("encoder_decoder season", 2.0, 3.0),
        ("recursive", 0.0, 2.0),
        ("smoothing", 0.0, 5.0),
        ("smoothing joint", 0.0, 0.2),
    ):
        model, batch = forecaster(name), windows(name)
        found = forecast(model, batch).point
        other = forecast(model, batch._replace(values=batch.values * factor + moved)).point
        np.testing.assert_allclose(
            other, found * factor + moved, rtol=1e-3, atol=1e-4, err_msg=name
        )


def columns(values, season=4, phase=0, item=0):
    """Inputs of one series [context]."""
    one = array(values, np.float32)[:, None, None]
    numbers = (array([number], np.int32) for number in (item, phase, 0, 0))
    empty = (array(np.zeros((steps, 1, 0)), np.float32) for steps in (len(values), 8))
    item, phase, padding, channel = numbers
    return Inputs(one, array(np.ones(one.shape), one.dtype), *empty, item, phase, padding, channel)


def smoothed(context, season, items=2):
    sizes = Sizes(context, 8, 1, 0, 0, 1, items, season, 1, False, False)
    return drawn(lambda rngs: Smoothing(0.4, 0.3).build(sizes, rngs))


def test_smoothing_is_what_its_equations_say():
    season, context, phase = 4, 14, 3
    random = np.random.default_rng(0)
    values = np.exp(np.sin(np.arange(context) * np.pi / 2)) * np.exp(0.1 * random.normal(size=14))
    module = smoothed(context, season)
    units = call(module, columns(values, season, phase))
    alpha, gamma = (1 / (1 + np.exp(-p[0, 0])) for p in (module.alpha[...], module.gamma[...]))
    logs = np.log(values)
    ratio = [logs[t + 1] - logs[t : t + season].mean() for t in range(context - season + 1)]
    whole = np.array(ratio[: len(ratio) // season * season]).reshape(-1, season).mean(axis=0)
    first = np.roll(whole, 1)
    order = (phase - context + np.arange(season)) % season
    seasons = list(np.exp(first - first.mean()) * np.exp(module.factors[...][0, 0][order]))
    level, used = values[0] / seasons[0], []
    for t, value in enumerate(values):
        level = alpha * value / seasons[t] + (1 - alpha) * level
        seasons.append(gamma * value / level + (1 - gamma) * seasons[t])
        used.append(seasons[t])
    within, ahead = (np.exp(unit.center[:, 0, 0]) for unit in units)
    np.testing.assert_allclose(within, level * np.array(used), rtol=1e-4)
    expected = [level * seasons[context + h % season] for h in range(8)]
    np.testing.assert_allclose(ahead, expected, rtol=1e-4)


def test_a_season_that_repeats_goes_on():
    context, season = 24, 6
    steps = np.arange(context + 8)
    values = 3 * np.exp(np.sin(2 * np.pi * steps / season))
    sizes = Sizes(context, 8, 1, 0, 0, 1, 2, season, 1, False, False)
    build = jax.jit(lambda inputs: Smoothing().build(sizes, nnx.Rngs(0))(inputs))
    within, ahead = build(columns(values[:context], season))
    np.testing.assert_allclose(np.exp(ahead.center[:, 0, 0]), values[context:], rtol=2e-2)
    assert np.abs(within.scaled(columns(values[:context]).values)).max() < 0.02


def test_a_new_item_has_the_means_of_all():
    module = smoothed(12, 1)
    values = np.exp(0.2 * np.random.default_rng(0).normal(size=12))
    of_items = [call(module, columns(values, 1, item=item))[1].center for item in (0, 1, -1)]
    alpha = np.asarray(module.alpha[...])
    module.alpha[...] = array(np.full_like(alpha, alpha.mean()))
    np.testing.assert_allclose(of_items[2], call(module, columns(values, 1))[1].center, rtol=1e-5)
    assert len({float(one[0, 0, 0]) for one in of_items}) == 3


def test_mistakes_are_named_in_one_line():
    sizes = Sizes(10, 5, 1, 3, 2, 2, 1, 6, 1, False, False)
    with pytest.raises(ConfigError, match=r"^decoder.length: a context of 10 steps is no multiple"):
        Segments(length=4).check(sizes)
    with pytest.raises(ConfigError, match=r"^Segments needs whole windows: leave data.shortest_co"):
        Segments(length=5).check(sizes._replace(padded=True))
    with pytest.raises(ConfigError, match=r"^decoder.embedding must be even"):
        Segments(length=5, embedding=7).check(sizes)
    with pytest.raises(ConfigError, match=r"^Recursive reads at each step what is known of it: pa"):
        Recursive().check(sizes)
    with pytest.raises(ConfigError, match=r"^Smoothing needs two seasons of 6 steps .* least 12$"):
        Smoothing().build(sizes, nnx.Rngs(0))
    with pytest.raises(
        ConfigError, match=r"^normalization.kind='season' needs more than a season "
    ):
        WindowNormalization("season").build(sizes._replace(season=10), nnx.Rngs(0))
    with pytest.raises(ConfigError, match=r"^affine goes with kind='standard'$"):
        WindowNormalization("last", affine=True)
