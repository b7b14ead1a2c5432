import dataclasses

import numpy as np
import pytest

from lstm_jax.data import Panel, Scaling, SeriesWindows, TimeSplit
from lstm_jax.data.base import evaluated_digest
from lstm_jax.errors import ConfigError, DataError
from tests.data.series.windows import given_source

CONTEXT, HORIZON = 6, 3


def values(steps, channels=2, seed=0):
    return np.random.default_rng(seed).normal(size=(steps, channels)) + 10


def panel(**items):
    return Panel.from_arrays(items or {"a": values(40), "b": values(30, seed=1)})


def windows(source, **options):
    given = {"context": CONTEXT, "horizon": HORIZON, "split": TimeSplit(8, 7), "batch_size": 4}
    return SeriesWindows(given_source(source), **given | options)


def opened(source, **options):
    data = windows(source, **options)
    return data.open(data.fit())


def test_windows_are_the_table():
    source = panel()
    dataset = opened(source, scaling=Scaling("standard", per="item"))
    parts = {"train": (0, 25, 15), "validation": (25, 33, 23), "test": (33, 40, 30)}
    for split, (_, end, end_b) in parts.items():
        begin = {"train": CONTEXT, "validation": 25, "test": 33}[split]
        begin_b = {"train": CONTEXT, "validation": 15, "test": 23}[split]
        wanted = [("a", o) for o in range(begin, end - HORIZON + 1)]
        wanted += [("b", o) for o in range(begin_b, end_b - HORIZON + 1)]
        seen = []
        for batch in dataset.evaluation(split):
            count = int((batch.place >= 0).sum())
            items, origins = dataset.origins(split).at(batch.place[:count])
            for column, (item, origin) in enumerate(zip(items, origins, strict=True)):
                series = source.one(int(item)).values
                train = series[: 25 if item == 0 else 15]
                scaled = (series - train.mean(axis=0)) / train.std(axis=0)
                near = {"rtol": 1e-5, "atol": 1e-6}
                before = scaled[origin - CONTEXT : origin]
                np.testing.assert_allclose(batch.values[:, column], before, **near)
                after = scaled[origin : origin + HORIZON]
                np.testing.assert_allclose(batch.targets[:, column], after, **near)
                seen.append((source.items[item], int(origin)))
        assert seen == wanted
        assert [len(array) for array in batch[6:]] == [4] * 8


def test_one_scaling_of_items_that_float32_cannot_hold_is_refused():
    far = panel(a=values(40) * 1e9, b=values(40, seed=1))
    with pytest.raises(DataError, match=r"^item 'b': .* set data.scaling.per=item"):
        windows(far).fit()
    opened(far, scaling=Scaling("standard", per="item"))


def test_what_is_evaluated_has_a_digest_of_its_own():
    source = panel()
    dataset = opened(source)
    changed = np.array(source.values)
    changed[39] += 1  # the last of the test part of "a"
    other = opened(dataclasses.replace(source, values=changed))
    assert other.digest == dataset.digest
    assert evaluated_digest(other, "test") != evaluated_digest(dataset, "test")
    assert evaluated_digest(other, "validation") == evaluated_digest(dataset, "validation")


def test_every_training_window_once_an_epoch_in_an_order_of_its_own():
    dataset = opened(panel())
    count = len(dataset.origins("train"))
    steps = dataset.steps_per_epoch
    assert steps == -(-count // 4)
    epochs = [
        np.concatenate([dataset.batch(epoch * steps + i).place for i in range(steps)])
        for epoch in (0, 1)
    ]
    for places in epochs:
        assert sorted(places[places >= 0]) == list(range(count))
    assert (epochs[0] != epochs[1]).any()
    again = opened(panel()).batch(steps)
    for one, other in zip(again, dataset.batch(steps), strict=True):
        np.testing.assert_array_equal(one, other)


def test_scaling_knows_nothing_of_what_comes_after_training():
    for per in ("channel", "item", "all"):
        scaling = Scaling("min_max", per=per)
        clean = windows(panel(), scaling=scaling).fit()
        poisoned = {"a": values(40), "b": values(30, seed=1)}
        poisoned["a"][25:] = 1e9
        poisoned["b"][15:] = -1e9
        assert windows(panel(**poisoned), scaling=scaling).fit() == clean


def test_an_item_without_a_training_part_is_scaled_by_what_lies_before_the_origin():
    def opened_with(later):
        new = values(12, seed=2)
        new[9:] *= later
        source = Panel.from_arrays({"a": values(40), "new": new})
        return windows(source, scaling=Scaling("mean_absolute", per="item"), split=TimeSplit(6, 4))

    clean = opened_with(1)
    pre = dataclasses.replace(
        clean.fit(), items=("a",), center=((0.0, 0.0),), scale=((10.0, 10.0),)
    )
    one = clean.open(pre)
    other = opened_with(100).open(pre)
    items, origins = np.array([1, 1]), np.array([9, 8])
    for name in ("values", "scale", "center"):
        found = [getattr(dataset.before(items, origins), name) for dataset in (one, other)]
        np.testing.assert_array_equal(*found)
    expected = np.abs(values(12, seed=2)[:9]).mean(axis=0)
    np.testing.assert_allclose(one.before(items, origins).scale[0], expected, rtol=1e-6)


def test_what_follows_an_origin_does_not_reach_its_window():
    clean = opened(panel())
    batch = clean.windows_at("test", np.array([2]), 1)
    _, (origin,) = clean.origins("test").at(np.array([2]))
    for poison in (np.nan, 1e9):
        spoilt = {"a": values(40), "b": values(30, seed=1)}
        spoilt["a"][origin:] = poison
        found = opened(panel(**spoilt)).windows_at("test", np.array([2]), 1)
        for name in ("values", "observed", "covariates", "future", "center", "scale"):
            assert (getattr(found, name) == getattr(batch, name)).all(), name


def test_gaps_feed_the_last_value_and_a_flag():
    series = values(40)
    series[9, 0] = series[10, 0] = series[11, 1] = np.nan
    series[0, 1] = np.nan
    dataset = opened(panel(a=series), scaling=Scaling("none"))
    place = np.array([6])  # the window of the steps 6 to 11, before the origin 12
    batch = dataset.windows_at("train", place, 1)
    assert batch.observed[:, 0, 0].tolist() == [1, 1, 1, 0, 0, 1]
    expected = series[[6, 7, 8, 8, 8, 11], 0].astype(np.float32)
    assert batch.values[:, 0, 0].tolist() == expected.tolist()
    # The value that stands for one at the head of a window comes from before it.
    batch = dataset.windows_at("train", np.array([4]), 1)
    assert batch.values[0, 0, 0] == np.float32(series[4, 0])
    late = dataset.windows_at("train", np.array([0]), 1)
    assert (late.values[0, 0, 1], late.observed[0, 0, 1]) == (0, 0)
    assert late.weight[:, 0, 0].tolist() == [1, 1, 1]
    assert dataset.windows_at("train", np.array([3]), 1).weight[:, 0].tolist() == [
        [0, 1],
        [0, 1],
        [1, 0],
    ]


def test_windows_may_begin_before_their_series():
    dataset = opened(panel(), shortest_context=2)
    batch = dataset.windows_at("train", np.array([0, 3]), 2)
    assert batch.padding.tolist() == [4, 1]
    assert (batch.values[:4, 0] == 0).all()
    assert (batch.observed[:, 0].sum(axis=0) == 2).all()
    series = panel().one(0).values
    scaled = (series - np.array(dataset.preprocessor.center)) / np.array(dataset.preprocessor.scale)
    np.testing.assert_allclose(batch.values[4:, 0], scaled[:2], rtol=1e-5)
    assert opened(panel()).windows_at("train", np.array([0]), 1).padding.tolist() == [0]


def test_covariates_of_the_past_the_future_and_the_calendar():
    steps = 60
    known = np.arange(steps + 5.0)
    source = Panel.from_arrays(
        values(steps),
        past=values(steps, 1, seed=3),
        known=known,
        frequency="h",
        start="2024-03-30T00:00",
        zone="Europe/Berlin",
    )
    dataset = opened(source, calendar=("hour",))
    batch = dataset.windows_at("train", np.array([18]), 1)
    origin = 18 + CONTEXT
    assert batch.covariates.shape == (CONTEXT, 1, 4)
    assert batch.future.shape == (HORIZON, 1, 3)
    train = known[:45]
    expected = (known[origin : origin + HORIZON] - train.mean()) / train.std()
    np.testing.assert_allclose(batch.future[:, 0, 0], expected, rtol=1e-5)
    # The clocks go forward at 2 in the night of the 31st: at 24 hours from 1 o'clock it is 1, and
    # an hour later 3.
    hours = np.arctan2(batch.future[:, 0, 1], batch.future[:, 0, 2]) * 12 / np.pi % 24
    assert hours.round(3).tolist() == [1.0, 3.0, 4.0]


def test_a_series_too_short_is_left_out_and_said_to_be():
    dataset = opened(panel(a=values(40), short=values(8)))
    assert dataset.describe("test") == (
        "test: 5 windows of 1 series of 2 channels, 6 steps to 3; left out: 1 series too short for"
        " a window"
    )
    assert dataset.facts("test") == {"series_left_out": 1}
    assert opened(panel()).facts("test") == {}


def test_mistakes_are_named_in_one_line():
    with pytest.raises(DataError, match=r"^the train part has no window of 3 steps behind at leas"):
        opened(panel(a=values(20), b=values(17))).origins("train")
    with pytest.raises(ConfigError, match=r"^shortest_context lies between 1 and the context \(6"):
        windows(panel(), shortest_context=7)
    with pytest.raises(ConfigError, match=r"^calendar: these series have numbers instead of date"):
        windows(panel(), calendar=("hour",)).fit()
    with pytest.raises(ConfigError, match=r"^horizon must be at least 1, got 0$"):
        windows(panel(), horizon=0)
    spoilt = values(40)
    spoilt[3, 1] = 0
    with pytest.raises(DataError, match=r"^item 'a': step 3 is 0, and scaling.log needs positive "):
        windows(panel(a=spoilt), scaling=Scaling(log=True)).fit()


def test_equal_data_have_equal_digests():
    digest = opened(panel()).digest
    assert opened(panel()).digest == digest
    changed = values(40)
    changed[-1] += 1  # of the test part
    assert opened(panel(a=changed, b=values(30, seed=1))).digest == digest
    changed[30] += 1
    assert opened(panel(a=changed, b=values(30, seed=1))).digest != digest
    assert opened(panel(), stride=2).digest != digest


def test_the_series_of_a_million_steps_are_not_copied():
    import tracemalloc

    table = np.random.default_rng(0).random((200_000, 20), np.float32)
    source = Panel.from_arrays(table)
    data = windows(source, split=TimeSplit(0.1, 0.1), context=96, batch_size=32)
    tracemalloc.start()
    dataset = data.open(data.fit())
    for index in range(3):
        dataset.batch(index)
    dataset.evaluation("test")[0]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert source.values.base is not None or source.values is table
    # The order of an epoch, 8 bytes a window, and a channel in float64 while it is scaled.
    assert peak < table.nbytes / 2
