import numpy as np
import pytest

from lstm_jax.functional.conformal import adaptive_quantiles, coverage, split_quantile

RANDOM = np.random.default_rng(0)


def test_the_quantile_is_that_of_one_more_score():
    scores = np.array([3.0, 1.0, 2.0, 4.0])
    assert [float(split_quantile(scores, share)) for share in (0.2, 0.5, 0.79, 0.95)] == [
        1,
        3,
        4,
        4,
    ]
    scores = np.array([[3.0, np.nan], [1.0, 5.0], [2.0, np.nan]])
    assert split_quantile(scores, 0.5).tolist() == [2.0, 5.0]


def test_of_exchangeable_scores_the_share_within_is_the_nominal_one():
    scores = RANDOM.gamma(1.0, size=(20, 4000))
    new = RANDOM.gamma(1.0, size=4000)
    share = (new <= split_quantile(scores, 0.9)).mean()
    assert share == pytest.approx(19 / 21, abs=0.015)  # of 20 scores the 19th


@pytest.mark.parametrize("drift", ["grows", "falls", "jumps"])
def test_adaptive_widths_keep_the_share_where_errors_drift(drift):
    steps = np.arange(3000)
    level = {
        "grows": 1 + steps / 500,
        "falls": 5 * np.exp(-steps / 800),
        "jumps": 1 + 4 * (steps > 900),
    }
    delay = np.array([1, 24])
    known = RANDOM.gamma(2.0, size=(300, 2))
    scores = RANDOM.gamma(2.0, size=(3000, 2)) * level[drift][:, None]
    widths = adaptive_quantiles(known, scores, delay, 0.9)
    share = (scores <= widths).mean(axis=0)
    assert share == pytest.approx([0.9, 0.9], abs=0.02)
    # The faster it forgets the nearer it comes.
    widths = adaptive_quantiles(known, scores, delay, 0.9, rate=0.03, memory=500)
    share = (scores <= widths).mean(axis=0)
    assert share == pytest.approx([0.9, 0.9], abs=0.012)
    fixed = (scores <= split_quantile(known, 0.9)).mean()
    assert abs(fixed - 0.9) > 0.05


def test_nothing_is_used_before_it_is_seen():
    known, scores = RANDOM.random((50, 3)), RANDOM.random((60, 3))
    delay = np.array([1, 4, 9])
    widths = adaptive_quantiles(known, scores, delay, 0.8, rate=0.2)
    for column, late in enumerate(delay):
        for place in (20, 33):
            later = scores.copy()
            later[place - late + 1 :, column] = 1e9  # what is not seen at `place` yet
            found = adaptive_quantiles(known, later, delay, 0.8, rate=0.2)
            assert (found[: place + 1, column] == widths[: place + 1, column]).all()
            assert (found[place + 1 :, column] != widths[place + 1 :, column]).any()


def test_a_value_that_did_not_come_teaches_nothing():
    known, scores = RANDOM.random((50, 1)), RANDOM.random((40, 1))
    scores[:] = np.nan
    widths = adaptive_quantiles(known, scores, np.array([1]), 0.8)
    assert np.isfinite(widths).all()
    assert np.ptp(widths[:8]) == 0


def test_coverage_by_part():
    within = np.array([[True, True, False, True], [True, False, True, True]])
    known = np.array([[True, True, True, False], [True, True, True, False]])
    assert coverage(within, known, parts=2) == [0.75, 0.5]
    assert np.isnan(coverage(within, known)[3])
