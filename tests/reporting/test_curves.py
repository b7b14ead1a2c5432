"""The picture of a run."""

import numpy as np
import pytest

from lstm_jax.reporting.curves import draw_curves

EMPTY = [{}, {"train": {}}, {"train": {"step": np.array([1]), "loss": np.array([np.nan])}}]


def example():
    """What a run logged."""
    steps = np.arange(10, 1010, 10)
    validated = np.arange(100, 1100, 100)
    return {
        "train": {
            "step": steps,
            "epoch": steps / 100,
            "perplexity": 80 + 700 * np.exp(-steps / 200),
            "nats_per_token": np.log(80 + 700 * np.exp(-steps / 200)),
            "learning_rate": np.full(100, 0.5),
        },
        "validation": {
            "step": validated,
            "perplexity": np.where(validated == 100, np.inf, 100 + 600 * np.exp(-validated / 200)),
            "nats_per_token": np.full(10, np.nan),
        },
    }


def test_each_metric_has_a_panel_with_a_curve_for_each_split():
    metrics = example()
    figure = draw_curves(metrics)
    assert figure is not None
    panels = {axes.get_ylabel(): axes for axes in figure.axes}
    assert list(panels) == ["perplexity", "nats per token", "learning rate"]
    assert {axes.get_xlabel() for axes in figure.axes} == {"training step"}
    perplexity = panels["perplexity"]
    train, validation = perplexity.lines
    np.testing.assert_array_equal(train.get_ydata(), metrics["train"]["perplexity"])
    np.testing.assert_array_equal(validation.get_xdata(), metrics["validation"]["step"][1:])
    legend = [text.get_text() for text in perplexity.get_legend().get_texts()]
    assert legend == ["train (last: 84.72)", "validation (last: 104)"]
    assert perplexity.get_yscale() == "log"
    assert panels["nats per token"].get_yscale() == "linear"
    assert len(panels["nats per token"].lines) == 1
    assert len({line.get_color() for line in perplexity.lines}) == 2


@pytest.mark.parametrize("metrics", EMPTY)
def test_there_is_no_picture_of_nothing(metrics):
    assert draw_curves(metrics) is None
