import numpy as np
import pytest

from lstm_jax.data import Scaling
from lstm_jax.data.series.scaling import check_resolution, naive_errors
from lstm_jax.errors import DataError

RANDOM = np.random.default_rng(0)
PARTS = [RANDOM.gamma(2.0, size=(steps, 2)) * (1, 10) + (0.5, 3) for steps in (40, 25)]
PARTS[0][3, 1] = np.nan
POOLED = np.concatenate(PARTS)
STATISTICS = {
    "none": lambda x: (0.0, 1.0),
    "standard": lambda x: (x.mean(), x.std()),
    "robust": lambda x: (np.median(x), np.subtract(*np.quantile(x, (0.75, 0.25)))),
    "min_max": lambda x: (x.min(), x.max() - x.min()),
    "mean_absolute": lambda x: (0.0, np.abs(x).mean()),
}


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("kind", STATISTICS)
def test_every_kind_of_channels_items_and_all(kind, log):
    def expected(values):
        values = values[np.isfinite(values)]
        return STATISTICS[kind](np.log(values) if log else values)

    groups = {
        "channel": [[expected(POOLED[:, c]) for c in (0, 1)]],
        "item": [[expected(part[:, c]) for c in (0, 1)] for part in PARTS],
        "all": [[expected(POOLED)] * 2],
    }
    for per, wanted in groups.items():
        center, scale = Scaling(kind, per, log).fit(PARTS)
        np.testing.assert_allclose(center, np.array(wanted)[..., 0], rtol=1e-12)
        np.testing.assert_allclose(scale, np.array(wanted)[..., 1], rtol=1e-12)


def test_constants_and_nothing_have_scale_one():
    constant = np.full((9, 1), 0.1) * 3  # whose mean is not quite what each value is
    for part in (constant, np.full((4, 1), np.nan)):
        assert Scaling().fit([part])[1].tolist() == [[1.0]]


def test_logarithms_are_of_positive_values():
    Scaling(log=True).check(np.array([[1.0, np.nan]]), "x.csv")
    with pytest.raises(DataError, match=r"^x.csv, item 'a': step 1 is 0, .* set log=False$"):
        Scaling(log=True).check(np.array([[1.0], [0.0]]), "x.csv, item 'a'")


def test_naive_errors_are_of_a_season():
    part = np.array([[1.0], [4.0], [2.0], [np.nan], [7.0]])
    assert naive_errors([part, part[:1]], 2).tolist() == [[3.0], [0.0]]


def test_what_float32_cannot_tell_apart_is_refused():
    wave, center = np.sin(np.arange(20.0))[:, None], np.zeros(1)
    check_resolution(1000 * wave, center, "a")
    check_resolution(1e8 + wave, center + 1e8, "a")
    check_resolution(np.full((20, 1), 1e8) + 0.1, center, "a")  # a constant varies by nothing
    check_resolution(np.full((20, 1), np.nan), center, "a")
    with pytest.raises(DataError, match=r"^x.csv, item 'b': .* set data.scaling.per=item and "):
        check_resolution(wave, center + 1e8, "x.csv, item 'b'")
