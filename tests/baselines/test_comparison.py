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


def test_the_best_rival_is_the_one_of_the_least_loss():
    ours = np.full((50, 4), 0.5)
    ours[:, 2:] = 2.0
    rivals = {"far": np.full((50, 4), 9.0), "near": np.ones((50, 4))}
    noise = 0.1 * RANDOM.normal(size=(50, 4))
    found = compared(ours + noise, rivals, stride=1)
    assert found["best"] == "near"
    assert found["better_by"] == pytest.approx(-0.25, abs=0.02)
    assert [part["better_by"] > 0 for part in found["by_part"]] == [True, True, False, False]
    assert all(p < 1e-6 for p in found["by_step"]["p"])
