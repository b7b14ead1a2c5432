import numpy as np
import pytest

from lstm_jax.data import Panel
from lstm_jax.data.series.domain import check_domain
from lstm_jax.errors import DataError

NAN = float("nan")


def panel(**items):
    arrays = {name: np.array(values) for name, values in items.items()}
    return Panel.from_arrays(arrays, frequency="D", start="2024-01-01")


@pytest.mark.parametrize(
    ("domain", "values"),
    [("counts", [0.0, 3.0, NAN, 1e9]), ("positive values", [0.1, NAN, 1e-9])],
)
def test_what_values_may_be(domain, values):
    check_domain(panel(a=values), domain, "the model")


@pytest.mark.parametrize(
    ("domain", "wrong"), [("counts", 0.5), ("counts", -1.0), ("positive values", 0.0)]
)
def test_the_first_other_value_is_named(domain, wrong):
    with pytest.raises(DataError) as told:
        check_domain(panel(a=[1.0, 2.0], b=[1.0, NAN, wrong, wrong]), domain, "the model")
    assert str(told.value) == (
        f"item 'b', 2024-01-03: value is {wrong:g}, and the model is of {domain}"
    )
