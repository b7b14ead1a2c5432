import numpy as np
import pytest

from lstm_jax.baselines.comparison import compared, losses

RANDOM = np.random.default_rng(0)
POINT, TRUTH = np.exp(RANDOM.normal(size=(2, 30, 4, 2)))
NAN = np.where(RANDOM.random(TRUTH.shape) < 0.1, np.nan, TRUTH)


@pytest.mark.parametrize(
    ("loss", "formula"),
    [
        ("squared error", lambda y, f: ((y - f) / [1, 2]) ** 2),
        ("absolute error", lambda y, f: abs(y - f) / [1, 2]),
        ("QLIKE", lambda y, f: y / f - np.log(y / f) - 1),
    ],
)
def test_losses_are_means_over_what_came(loss, formula):
    found = losses(POINT, NAN, np.array([1.0, 2.0]), loss)
    wanted = np.array(
        [
            [np.nanmean(row) if np.isfinite(row).any() else np.nan for row in window]
            for window in formula(NAN, POINT)
        ]
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_a_forecast_that_is_infinitely_bad_counts():
    point = POINT.copy()
    point[3, 1, 0] = np.inf
    found = losses(point, TRUTH, np.ones(2), "absolute error")
    assert np.isinf(found[3, 1])
    ours = losses(POINT, TRUTH, np.ones(2), "absolute error")
    both = compared(ours, {"broken": found, "worse": 2 * ours}, stride=1)
    assert both["best"] == "worse"


def test_by_how_much_a_forecast_is_better():
    random = np.random.default_rng(0)
    truth = random.normal(size=(60, 8, 1))
    truth[5, 3] = np.nan
    near = truth + 0.5 * random.normal(size=truth.shape)
    far = truth + random.normal(size=truth.shape)
    deviation = np.ones(1)
    ours, theirs = (losses(point, truth, deviation, "squared error") for point in (near, far))
    assert np.isnan(ours[5, 3])
    found = compared(ours, {"far": theirs, "farther": 2 * theirs}, stride=2)
    assert found["best"] == "far"
    expected = 1 - np.nanmean(ours) / np.nanmean(theirs)
    assert found["better_by"] == pytest.approx(expected, rel=0.01)
    assert found["p"] < 1e-6
    assert [part["steps"] for part in found["by_part"]] == [[1, 2], [3, 4], [5, 6], [7, 8]]
    assert len(found["by_step"]["better_by"]) == 8
    worse = compared(theirs, {"near": ours}, stride=2)
    assert worse["better_by"] < 0
