import numpy as np
import pyarrow.parquet
import pytest

from lstm_jax.baselines.forecast_files import ForecastFile, write_windows
from lstm_jax.baselines.rivals import figures_of
from lstm_jax.baselines.series import rows
from lstm_jax.cells import GRU
from lstm_jax.data import Panel, Scaling, SeriesWindows, TimeSplit
from lstm_jax.errors import ConfigError, DataError
from lstm_jax.inference.rolling_origins import rolling_origins
from lstm_jax.tasks import Forecasting
from tests.baselines.by_hand import answers, save
from tests.data.series.windows import given_source

HORIZON = 3


def series(steps=60):
    random = np.random.default_rng(0)
    values = {name: np.exp(random.normal(size=(steps, 2))) for name in "ab"}
    values["a"][:4, 0] = values["b"][[30, 47, 55], 1] = np.nan
    return values


def windows_of(values, **options):
    given = {"context": 8, "horizon": HORIZON, "season": 4, "split": TimeSplit(10, 10)}
    return SeriesWindows(given_source(Panel.from_arrays(values)), **given | options)


def written(tmp_path, data, **options):
    """The table of windows."""
    chosen = rolling_origins(data, data.fit(), "test", **options)
    write_windows(tmp_path / "windows.parquet", chosen.dataset, chosen.items, chosen.origins)
    return pyarrow.parquet.read_table(tmp_path / "windows.parquet")


def saved(tmp_path, lines):
    return ForecastFile.read(save(tmp_path / "forecasts.jsonl", lines))


def test_the_file_of_windows_ends_at_the_last_origin(tmp_path):
    values = series()
    table = written(tmp_path, windows_of(values), stride=3)
    assert table.schema.metadata == {b"horizon": b"3", b"season": b"4"}
    found = table.to_pylist()
    assert [(row["item"], row["value"]) for row in found] == [
        (item, channel) for item in "ab" for channel in ("values 0", "values 1")
    ]
    for row in found:
        assert row["origins"] == [50, 53, 56]
        expected = values[row["item"]][:56, int(row["value"][-1])]
        np.testing.assert_array_equal(row["history"], expected)
        assert len({*row["windows"]}) == 3


def test_what_tells_a_window_is_all_that_lies_before_it_and_nothing_else(tmp_path):
    def told(values, **options):
        table = written(tmp_path, windows_of(values), stride=3, **options).to_pylist()
        return {
            (row["item"], row["value"]): dict(zip(row["origins"], row["windows"], strict=True))
            for row in table
        }

    values = series()
    first = told(values)
    assert {key: {at: one[at] for at in (53, 56)} for key, one in first.items()} == told(
        values, windows=2
    )
    spoilt = series()
    spoilt["b"][53:, 1] = 9
    changed = told(spoilt)
    key = "b", "values 1"
    assert changed[key] | {56: first[key][56]} == first[key]
    assert changed[key][56] != first[key][56]
    assert changed | {key: first[key]} == first
    spoilt["b"][0, 1] = 9
    assert not {*told(spoilt)[key].values()} & {*first[key].values()}
    for other in ({"horizon": 2}, {"season": 5}):
        table = written(tmp_path, windows_of(values, **other)).to_pylist()
        assert not {*table[0]["windows"]} & {*first["a", "values 0"].values()}


@pytest.mark.parametrize(
    "options", [{}, {"stride": 2}, {"windows": 2}, {"stride": 3, "windows": 1}]
)
@pytest.mark.parametrize("scaling", [Scaling(), Scaling("none", log=True)])
def test_they_are_scored_as_our_own_on_the_same_windows(tmp_path, options, scaling):
    data = windows_of(series(), scaling=scaling)
    # Those of all windows: what is not asked for does no harm.
    forecasts = saved(tmp_path, answers(written(tmp_path, data)))
    found = rows(
        data, data.fit(), "test", "mse", ["repeat", "auto_ets"], **options, forecasts=forecasts
    )
    windows = {(): 8, ("stride",): 4, ("windows",): 2, ("stride", "windows"): 1}[tuple(options)]
    assert found["repeat"]["windows"] == 2 * windows
    facts = {"seconds": 0.5 * 2 * 2 * windows, "package": "by hand 1.0"}
    assert found["auto_ets"] == found["repeat"] | facts


def test_where_another_method_stood_in_is_counted(tmp_path):
    data = windows_of(series())
    lines = answers(written(tmp_path, data))
    for line in lines[3:6]:
        line["failure"] = "too short"
    found = rows(data, data.fit(), "test", "mse", ["auto_ets"], forecasts=saved(tmp_path, lines))
    assert found["auto_ets"]["failures"] == 3


def test_a_forecast_below_zero_is_scored_where_logarithms_are_learned(tmp_path):
    data = windows_of(series(), scaling=Scaling("none", log=True))
    lines = answers(written(tmp_path, data))
    lines[0]["forecast"][0] = -1.0
    found = rows(data, data.fit(), "test", "mse", ["auto_ets"], forecasts=saved(tmp_path, lines))
    assert np.isfinite(found["auto_ets"]["mae"])


def without_first(lines):
    del lines[0]


def change(**changes):
    def changed(lines):
        lines[2] |= changes

    return changed


LACKS = " lacks 1 of the forecasts by auto_ets, such as that of 'values 0' of item 'a' from step "
ANOTHER_STEP = ", line 3: 1 steps where the horizon is 3: run `make rivals` again"
NOT_FINITE = ", line 3: not all steps are finite: delete the line"
OTHER_VALUES = ", line 3: made from other values or for another season: run `make rivals` again"
NO_ITEM = ", line 3: no item 'c' is in these data: give their own file"
NO_FORECAST = ", line 3: no forecast as scripts/rivals.py writes them"
NOTHING = " holds no forecasts: run `make rivals` again"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_first, LACKS + "50 on: run `make rivals` again"),
        (change(forecast=[1.0]), ANOTHER_STEP),
        (change(forecast=[1.0, float("nan"), 1.0]), NOT_FINITE),
        (change(window="0"), OTHER_VALUES),
        (change(item="c"), NO_ITEM),
        (change(value="c"), LACKS + "52 on: run `make rivals` again"),
        (change(forecast=["x", 1.0, 1.0]), NO_FORECAST),
        (change(forecast=[10**400, 1, 1]), NO_FORECAST),
        (change(origin=True), NO_FORECAST),
        (change(seconds=None), NO_FORECAST),
        (change(model=None), NO_FORECAST),
        (list.clear, NOTHING),
    ],
)
def test_what_does_not_fit_is_named_in_a_line(tmp_path, spoil, message):
    data = windows_of(series())
    lines = answers(written(tmp_path, data))
    spoil(lines)
    with pytest.raises(DataError) as raised:
        rows(data, data.fit(), "test", "mse", ["auto_ets"], forecasts=saved(tmp_path, lines))
    text = str(raised.value)
    assert text.startswith(f"{tmp_path / 'forecasts.jsonl'}{message}"), text
    assert "\n" not in text


def test_forecasts_of_data_as_they_were_do_not_pass(tmp_path):
    lines = answers(written(tmp_path, windows_of(series())))
    values = series()
    values["b"][3, 0] = 7
    data = windows_of(values)
    with pytest.raises(DataError, match=r"line 17: made from other values"):
        rows(data, data.fit(), "test", "mse", ["auto_ets"], forecasts=saved(tmp_path, lines))
    # Once they are made anew, those of before do no harm.
    both = saved(tmp_path, answers(written(tmp_path, data)) + lines)
    found = rows(data, data.fit(), "test", "mse", ["repeat", "auto_ets"], forecasts=both)
    assert found["auto_ets"]["mse"] == found["repeat"]["mse"]


def test_a_line_that_a_kill_cut_off_is_named(tmp_path):
    path = tmp_path / "forecasts.jsonl"
    path.write_text('{"model": "auto_e')
    with pytest.raises(DataError, match=r"line 1: no forecast .* run `make rivals` again"):
        ForecastFile.read(path)
    with pytest.raises(DataError, match=r"cannot read .*none: No such file"):
        ForecastFile.read(tmp_path / "none")


def test_the_models_of_a_file_are_rivals(tmp_path):
    data = windows_of(series())
    task = Forecasting(GRU(hidden=2))
    lines = answers(written(tmp_path, data)) + answers(written(tmp_path, data), "mine")[1:]
    forecasts = saved(tmp_path, lines)
    found = figures_of(task, data, data.fit(), "test", ["repeat", "auto_ets"], forecasts=forecasts)
    assert [*found] == ["repeat", "auto_ets"]
    with pytest.raises(DataError, match=r"lacks 1 of the forecasts by mine"):
        figures_of(task, data, data.fit(), "test", forecasts=forecasts)
    with pytest.raises(ConfigError, match=r"--models: auto_arima comes by a file: `make rivals`"):
        figures_of(task, data, data.fit(), "test", ["auto_arima"], forecasts=forecasts)
    with pytest.raises(ConfigError, match=r"no rival 'auto_est'; did you mean 'auto_ets'"):
        figures_of(task, data, data.fit(), "test", ["auto_est"], forecasts=forecasts)
