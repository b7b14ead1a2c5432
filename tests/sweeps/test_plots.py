import dataclasses
import io
import math

import numpy as np
import pytest
from matplotlib.colors import LogNorm, to_rgba

from lstm_jax.sweeps import LogUniform, load_sweep, plots
from lstm_jax.sweeps.axes import ABSENT, name_axes
from lstm_jax.sweeps.trials import State
from tests.sweeps.studies import add, add_many, begin, invent, write_run

ALL = [
    plots.history,
    plots.slices,
    plots.parallel_coordinates,
    plots.learning_curves,
    plots.importances,
]
RATE, DROPOUT, CELL = "optimizer.learning_rate", "task.dropout", "task.cell"
LONG = ["LSTM(hidden=200, forget_bias=0.0)", "LSTM(hidden=200, forget_bias=1.0)", None]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Eight complete trials, 0 the worst and 7 the best; then one of every other kind."""
    study = begin(tmp_path_factory.mktemp("sweeps") / "many")
    add_many(study, 8)
    values = {RATE: 0.9, DROPOUT: 0.1, CELL: "GRU(hidden=4)", "task.layers": 2}
    add(study, values, 2.5, State.PRUNED, curve=[2.7, 2.5])
    add(study, values, None, State.DIVERGED, "loss is NaN", curve=[5.0, math.inf, math.nan])
    add(study, values, 1e9)
    add(study, values, None, State.FAILED, "no such thing")
    add(study, values, None, State.RUNNING)
    return study


@pytest.fixture(scope="module")
def sweep(study):
    return load_sweep(study.workdir)


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    return load_sweep(begin(tmp_path_factory.mktemp("sweeps") / "empty").workdir)


def marks_in(axes):
    """What is marked in a panel: the points of each kind."""
    return {
        points.get_label(): points.get_offsets().tolist()
        for points in axes.collections
        if not points.get_label().startswith("_")
    }


def ticks_of(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def panels_of(figure):
    return {axes.get_xlabel() or axes.get_ylabel(): axes for axes in figure.axes}


def save(figure):
    figure.savefig(io.BytesIO(), format="png", dpi=30)


# ---- history ------------------------------------------------------------------------------------


def test_the_history_marks_each_kind_of_trial_apart(sweep):
    (axes,) = plots.history(sweep).axes
    marks = marks_in(axes)
    assert list(marks) == ["complete", "pruned", "diverged", "worse than shown"]
    assert marks["complete"] == [[one.number, one.metric] for one in sweep.trials[:8]]
    assert marks["pruned"] == [[8, 2.5]]
    border = axes.get_ylim()[1]
    for kind, number in (("diverged", 9), ("worse than shown", 10)):
        ((found, height),) = marks[kind]
        assert found == number
        assert 3.0 < height < border < 4.0
    assert axes.get_ylabel() == "validation nats per token"


def test_the_best_so_far_is_a_line_of_steps(empty):
    trials = [({RATE: 0.1}, metric) for metric in (3.0, 5.0, 2.0, math.inf, None)]
    for direction, expected in (("min", [3, 3, 2, 2]), ("max", [3, 5, 5, 5])):
        swept = invent(empty, {RATE: "Uniform"}, trials, direction=direction)
        (line,) = plots.history(swept).axes[0].lines
        assert line.get_drawstyle() == "steps-post"
        assert line.get_xdata().tolist() == [0, 1, 2, 4]
        assert line.get_ydata().tolist() == expected


def test_what_a_trial_had_before_it_was_ended_does_not_count_as_its_result(empty):
    trials = [({RATE: 0.1}, metric) for metric in (3.0, 4.0, 2.0, 3.5)]
    swept = invent(empty, {RATE: "Uniform"}, trials)
    for number, state in ((2, State.PRUNED), (3, State.DIVERGED)):
        swept.trials[number] = dataclasses.replace(swept.trials[number], state=state)
    (axes,) = plots.history(swept).axes
    assert axes.lines[0].get_ydata().tolist() == [3.0, 3.0, 3.0]
    marks = marks_in(axes)
    assert marks["pruned"] == [[2, 2.0]]
    assert marks["diverged"][0][1] > 4.0


def test_a_trial_of_several_seeds_has_its_standard_deviation(empty):
    trials = [({RATE: 0.1}, [1.0, 2.0, 3.0]), ({RATE: 0.2}, [5.0, 5.0, 5.0])]
    swept = invent(empty, {RATE: "Uniform"}, trials, seeds=3)
    for draw in (plots.history, plots.slices):
        (axes,) = draw(swept).axes
        bars = [bar.get_segments()[0] for bar in axes.collections if hasattr(bar, "get_segments")]
        assert [bar[:, 1].tolist() for bar in bars] == [[1.0, 3.0], [5.0, 5.0]]


# ---- the axis of the metric ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metrics", "direction", "scale", "ends", "outliers"),
    [
        ([100, 120, 300, 499], "min", "linear", (60, 540), 0),
        ([100, 120, 300, 501], "min", "log", (80, 600), 0),
        ([-1, 120, 300, 501], "min", "linear", (-60, 560), 0),
        ([100, 101, 104, 106, 108, 110, 1e9], "min", "linear", (98, 112), 1),
        ([100, 200, 300, 400, 600, 800, 1e30, math.inf], "min", "log", (80, 1000), 2),
        ([0.80, 0.82, 0.84, 0.85, 0.86, 0.01], "max", "linear", (0.79, 0.87), 1),
        ([100, 100, 100, 100, 100, 110], "min", "linear", (98, 112), 0),
        ([0.0, 0.0], "min", "linear", (-1.3, 1.3), 0),
        ([100, 150, 200, 250, 300, 400, 1500], "min", "log", (60, 2100), 0),
        ([100, 101, 1e300], "min", "linear", (98, 103), 1),
    ],
)
def test_the_metric_has_an_axis_on_which_outliers_squash_nothing(
    empty, metrics, direction, scale, ends, outliers
):
    trials = [({RATE: 0.1}, float(metric)) for metric in metrics]
    swept = invent(empty, {RATE: "Uniform"}, trials, direction=direction)
    (axes,) = plots.history(swept).axes
    assert axes.get_yscale() == scale
    low, high = axes.get_ylim()
    assert ends[0] < low < high < ends[1]
    marks = marks_in(axes)
    worse = marks.get("worse than shown", [])
    assert len(worse) == outliers
    assert len(marks["complete"]) == len(metrics) - outliers
    shown = [height for _, height in marks["complete"]]
    for _, height in worse:
        assert max(shown) < height < high if direction == "min" else low < height < min(shown)
    assert ticks_of(axes.yaxis)


# ---- slices -------------------------------------------------------------------------------------


def test_slices_have_a_panel_for_each_name(sweep):
    panels = panels_of(plots.slices(sweep))
    assert list(panels) == ["learning_rate", "dropout", "cell", "forget_bias", "layers"]
    scales = {name: axes.get_xscale() for name, axes in panels.items()}
    assert [name for name, scale in scales.items() if scale == "log"] == ["learning_rate"]
    complete = marks_in(panels["learning_rate"])["complete"]
    assert complete == [[one.values[RATE], one.metric] for one in sweep.trials[:8]]
    assert ticks_of(panels["cell"].xaxis) == ["GRU(hidden=4)", "LSTM(hidden=4)"]
    assert ticks_of(panels["layers"].xaxis) == ["1", "2", "3"]
    cells = [one.values[CELL].startswith("LSTM") for one in sweep.trials[:8]]
    assert [place for place, _ in marks_in(panels["cell"])["complete"]] == cells
    # Inactive in the trials with another cell.
    assert len(marks_in(panels["forget_bias"])["complete"]) == sum(cells)
    assert set(marks_in(panels["layers"])) == {"complete", "pruned", "diverged", "worse than shown"}


# ---- parallel coordinates -----------------------------------------------------------------------


def test_a_line_leads_through_the_values_of_each_complete_trial(sweep):
    (axes,) = plots.parallel_coordinates(sweep).axes
    names = ["learning_rate", "dropout", "cell", "forget_bias", "layers"]
    assert ticks_of(axes.xaxis) == [*names, "validation nats per token"]
    (lines,) = axes.collections
    heights = np.array(lines.get_segments())[:, :, 1]
    # From the worst to the best, which is thick and above the others.
    assert lines.get_linewidth() == [1.0] * 8 + [3.0]
    ranked = sweep.ranked()[::-1]
    assert ranked[-1].number == 7
    for place, name in ((0, RATE), (1, DROPOUT), (4, "task.layers")):
        values = [one.values[name] for one in ranked]
        values = np.log(values) if name == RATE else np.array(values)
        expected = (values - values.min()) / (values.max() - values.min())
        np.testing.assert_allclose(heights[:, place], expected, atol=1e-9)
    is_lstm = np.array([one.values[CELL].startswith("LSTM") for one in ranked])
    np.testing.assert_allclose(heights[:, 2], np.where(is_lstm, 0.75, 0.25))
    assert (heights[~is_lstm, 3] < -0.1).all()
    assert (heights[is_lstm, 3] >= 0).all()
    texts = [text.get_text() for text in axes.texts]
    assert texts.count("inactive") == texts.count("worse") == 1
    assert heights[0, -1] > 1.0  # the trial with 1e9
    assert heights[1, -1] == 1.0
    assert heights[-1, -1] == 0.0


def test_the_best_line_is_dark_in_both_directions(empty):
    trials = [({RATE: 0.1}, 1.0), ({RATE: 0.2}, 2.0), ({RATE: 0.3}, 3.0)]
    for direction, best in (("min", 0), ("max", 2)):
        swept = invent(empty, {RATE: "Uniform"}, trials, direction=direction)
        (axes,) = plots.parallel_coordinates(swept).axes
        assert axes.get_title() == f"the best, trial {best}, is the thick line"
        colors = axes.collections[0].get_colors()
        assert np.argmin(colors[:, :3].sum(axis=1)) == 2


# ---- learning curves ----------------------------------------------------------------------------


def test_the_curves_of_a_panel_are_coloured_by_its_name(sweep):
    figure = plots.learning_curves(sweep)
    panels = {axes.get_title(): axes for axes in figure.axes if axes.get_title()}
    assert list(panels) == ["learning_rate", "dropout", "cell", "forget_bias", "layers"]
    drawn = sweep.trials[:10]
    for axes in panels.values():
        assert len(axes.lines) == 10
        assert axes.lines[3].get_xdata().tolist() == [10, 20, 30]
        assert axes.lines[3].get_ydata()[-1] == sweep.trials[3].metric
        assert axes.get_xlabel() == "training step"
    # What is not finite is left out.
    assert panels["cell"].lines[9].get_xdata().tolist() == [10]
    entries = panels["forget_bias"].get_legend()
    texts = [text.get_text() for text in entries.get_texts()]
    assert texts == ["0", "1", "inactive"]
    colors = {
        text: to_rgba(line.get_color())
        for text, line in zip(texts, entries.get_lines(), strict=True)
    }
    assert len(set(colors.values())) == 3
    for line, trial in zip(panels["forget_bias"].lines, drawn, strict=True):
        value = trial.values.get("task.cell.forget_bias")
        expected = "inactive" if value is None else f"{value:g}"
        assert to_rgba(line.get_color()) == colors[expected]
    assert panels["cell"].get_legend().get_lines()[0].get_color() != to_rgba(ABSENT)
    rates = [to_rgba(line.get_color()) for line in panels["learning_rate"].lines]
    order = np.argsort([one.values[RATE] for one in drawn])
    assert np.all(np.diff([rates[index][1] for index in order]) >= 0)  # ever more green


def test_numbers_have_a_colour_bar_which_is_logarithmic_like_them(sweep):
    figure = plots.learning_curves(sweep)
    bars = [axes for axes in figure.axes if axes.get_label() == "<colorbar>"]
    assert [axes.get_yscale() for axes in bars] == ["log", "linear", "linear"]
    assert ticks_of(bars[0].yaxis) == ["0.001", "0.01", "0.1"]
    assert ticks_of(bars[2].yaxis) == ["1", "2", "3"]


def test_a_damaged_log_is_left_out_with_a_warning(tmp_path, caplog):
    study = begin(tmp_path / "sweep", {RATE: LogUniform(1e-3, 1.0)})
    for rate in (0.1, 0.2):
        add(study, {RATE: rate}, 2.0, curve=[3.0, 2.0])
    broken = study.workdir / "trials" / "0001" / "metrics.jsonl"
    broken.write_text("{oops\n")
    figure = plots.learning_curves(load_sweep(study.workdir))
    assert len(figure.axes[0].lines) == 1
    assert f"{broken}, line 1" in caplog.text


def test_a_run_that_has_logged_another_metric_only_has_no_curve(tmp_path):
    study = begin(tmp_path / "sweep", {RATE: LogUniform(1e-3, 1.0)})
    number = add(study, {RATE: 0.1}, None, State.RUNNING)
    workdir = write_run(study, number, [2.0])
    (workdir / "metrics.jsonl").write_text('{"step": 1, "split": "validation", "other": 2}\n')
    assert plots.learning_curves(load_sweep(study.workdir)) is None


# ---- importances --------------------------------------------------------------------------------


def test_importances_are_bars_the_largest_above(sweep, monkeypatch):
    shares = {DROPOUT: 0.7, RATE: 0.25, CELL: 0.05}
    monkeypatch.setattr(type(sweep), "importances", lambda self: shares)
    (axes,) = plots.importances(sweep).axes
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([70, 25, 5])
    assert ticks_of(axes.yaxis) == ["dropout", "learning_rate", "cell"]
    assert axes.yaxis_inverted()


# ---- what is not there, and what is odd ---------------------------------------------------------


@pytest.mark.parametrize("draw", ALL, ids=lambda draw: draw.__name__)
def test_there_is_no_picture_of_nothing(empty, draw):
    assert draw(empty) is None
    assert draw(invent(empty, {RATE: "Uniform"}, [({RATE: 0.1}, None)])) is None
    assert draw(invent(empty, {RATE: "Uniform"}, [({RATE: 0.1}, math.inf)])) is None
    failed = invent(empty, {RATE: "Uniform"}, [({RATE: 0.1}, 1.0), ({RATE: 0.2}, 2.0)])
    failed.trials = [dataclasses.replace(one, state=State.FAILED) for one in failed.trials]
    assert draw(failed) is None


MANY = {f"task.name_{place}": "Uniform(low=0.0, high=1.0)" for place in range(12)}


@pytest.mark.parametrize(
    ("space", "trials"),
    [
        ({RATE: "LogUniform(...)"}, [({RATE: 0.1}, 2.0)]),
        ({CELL: "Choice(...)"}, [({CELL: None}, 2.0)]),
        ({RATE: "Uniform(...)"}, [({RATE: 0.1}, 2.0), ({RATE: 0.2}, 2.0)]),
        ({RATE: "Uniform(...)"}, [({RATE: 0.0}, 0.0), ({RATE: 0.0}, 0.0)]),
        (
            {RATE: "Uniform(...)", CELL: "Choice(...)"},
            [({RATE: 0.1, CELL: one}, 2.0) for one in (None, True, "$a", 0.5, math.inf)],
        ),
        (
            {RATE: "Uniform(...)"},
            [({RATE: 0.1 * place}, m) for place, m in enumerate([1.0, math.nan, math.inf, -1e300])],
        ),
        ({CELL: "Choice(...)"}, [({CELL: one}, 2.0) for one in LONG]),
        ({CELL: "Choice(...)"}, [({CELL: f"choice {n}"}, 1.0 + n) for n in range(25)]),
        (MANY, [(dict.fromkeys(MANY, 0.1 * n), 1.0 + n) for n in range(3)]),
        ({"a.x": "Uniform(...)", "b.x": "Uniform(...)"}, [({"a.x": 1}, 1.0), ({"b.x": 2.5}, 2.0)]),
        ({RATE: "Uniform(...)"}, [({RATE: 1e-30}, 1e-300), ({RATE: 1e30}, 1e300)]),
    ],
    ids=[
        *("one trial", "one choice", "all the same", "all zero", "mixed", "not finite", "long"),
        *("many choices", "many names", "half inactive", "far apart"),
    ],
)
def test_odd_trials_can_be_drawn(empty, space, trials, monkeypatch):
    swept = invent(empty, space, trials)
    # The log of each run, as these have none on the disk.
    curve = {"step": np.array([1, 2]), "nats_per_token": np.array([math.nan, 1.0])}
    metrics = property(lambda one: {"validation": curve})
    monkeypatch.setattr(type(swept.trials[0]), "metrics", metrics)
    for draw in (plots.history, plots.slices, plots.parallel_coordinates, plots.learning_curves):
        save(draw(swept))


def test_a_colour_bar_of_a_single_value_is_possible(empty, monkeypatch):
    swept = invent(empty, {RATE: "LogUniform(...)"}, [({RATE: 0.1}, 2.0)])
    curve = {"step": np.array([1, 2]), "nats_per_token": np.array([2.0, 2.0])}
    monkeypatch.setattr(
        type(swept.trials[0]), "metrics", property(lambda one: {"validation": curve})
    )
    figure = plots.learning_curves(swept)
    axes, bar = figure.axes
    assert ticks_of(bar.yaxis) == ["0.1"]
    assert isinstance(name_axes(swept, swept.trials)[0].norm, LogNorm)
    assert axes.lines[0].get_ydata().tolist() == [2.0, 2.0]
