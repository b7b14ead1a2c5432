"""What every forecast head keeps to, and what it refuses."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.errors import ArgumentError, ConfigError
from lstm_jax.modules.distribution_heads import Gaussian, Mixture, NegativeBinomial
from lstm_jax.modules.heads import Huber, Quantiles, Squared
from tests.modules.heads import CASES, FAR, POINTS, ROWS, Answers, ask, asked, every_head, normal
from tests.reference import array, assert_close


@every_head
def test_what_a_head_is(row):
    assert (row.head.size, row.head.power) == (row.size, row.power)
    assert row.head.is_distribution == bool(row.levels)
    assert row.head.counts == isinstance(row.head, NegativeBinomial)
    assert hash(row.head) == hash(type(row.head)(**vars(row.head)))


@every_head
def test_axes_and_dtypes(row):
    """The other tests have one axis, and float32."""
    key, shape = jax.random.key(0), (2, 3)
    with jax.enable_x64(True):
        raw, other = (jax.ShapeDtypeStruct(s, np.float64) for s in ((*shape, row.size), shape))
        answers = jax.eval_shape(partial(ask, row.head, row.levels), raw, other, other, key)
    expected = Answers(shape, (*shape, row.size), shape, (*shape, len(row.levels)), shape)
    for found, axes in zip(answers, expected, strict=True):
        if found is not None:
            assert (found.shape, found.dtype) == (axes, np.float64)


def test_narrow_raw_outputs_give_float32():
    raw, other = jax.ShapeDtypeStruct((2,), jnp.bfloat16), jax.ShapeDtypeStruct((), np.float32)
    ask_of = partial(ask, Gaussian(), FAR)
    answers = jax.eval_shape(ask_of, raw, other, other, jax.random.key(0))
    assert answers.gradient.dtype == jnp.bfloat16
    assert {part.dtype for part in answers._replace(gradient=other)} == {np.dtype(np.float32)}


@every_head
def test_costs_and_slopes_are_finite_and_quantiles_rise_whatever_a_model_says(row):
    random = np.random.default_rng(0)
    signs = random.choice([-1, 1], (2, CASES, row.size))
    sizes = random.choice([0, 1e-6, 0.3, 1, 30, 1e3, 1e6], (2, CASES, row.size))
    raw, target = signs * sizes
    # A row that only fills up a batch may have no unit.
    scale = random.choice([0, 1e-3, 1, 1e4], CASES)
    answers = asked(row, raw, target[:, 0], scale)
    assert {part.dtype for part in answers if part is not None} == {np.dtype(np.float32)}
    assert np.isfinite(answers.cost).all()
    assert np.isfinite(answers.gradient).all()
    assert np.any(answers.gradient, axis=0).all()
    assert np.isfinite(answers.point).all()
    if row.levels:
        quantiles = answers.quantiles[scale > 0]
        assert np.isfinite(answers.sample[scale > 0]).all()
        assert np.isfinite(quantiles).all()
        assert np.all(quantiles[:, 1:] >= quantiles[:, :-1])
        # And at the ends of the dtype.
        answers = asked(row, np.clip(raw * 1e33, -3e38, 3e38), 0)
        assert np.all(answers.quantiles[:, 1:] >= answers.quantiles[:, :-1])


@every_head
def test_raw_zeros_suit_standardized_data(row):
    answers = asked(row, 0, 1, 100)
    if isinstance(row.head, Quantiles):
        expected = np.interp((0.5, *row.levels), row.head.levels, normal(row.head.levels))
    else:
        expected = normal((0.5, *row.levels))
    if row.head.counts:
        assert_close(answers.point[0], 1.0, 1e-5)
    else:
        assert_close(answers.point[0], expected[0], 1e-5)
    if isinstance(row.head, Quantiles | Gaussian):
        assert_close(answers.quantiles[0], expected[1:], 1e-5)
    elif row.levels:
        # The middle 80 percent.
        width = np.diff(answers.quantiles[0][[1, 4]]) / np.diff(expected[1:][[1, 4]])
        assert 0.7 < width < 2


def test_quantiles_between_levels_and_near_the_outer_ones():
    head = Quantiles((0.1, 0.5, 0.9))
    # 0.09999999999999998, and a little more than 0.9.
    levels = ((1 - 0.8) / 2, 0.3, 0.5, 0.6, 0.9 + 1e-9)

    @jax.jit
    def compute(raw: jax.Array) -> tuple[jax.Array, ...]:
        parts = (head.quantiles(raw, chosen, jnp.ones(())) for chosen in (head.levels, levels, ()))
        return *parts, Gaussian().quantiles(raw[:, None] + jnp.zeros(2), (), jnp.ones(3))

    (low, middle, high), found, *none = compute(array([0.3, 2, -1], np.float32))
    assert low < middle < high
    assert middle == 2
    expected = [low, (low + middle) / 2, middle, middle + (high - middle) / 4, high]
    assert_close(found, np.array(expected), 1e-6)
    assert [quantiles.shape for quantiles in none] == [(0,), (3, 0)]


# ---- what is refused ----------------------------------------------------------------------------

ONES = jnp.ones(3)
RISING = "levels must be a tuple of rising numbers between 0 and 1, not "
ALONE = (
    "the head {} gives points alone, without quantiles and samples;"
    " Quantiles and Gaussian are among those that give them"
)
REFUSED: list[tuple[Any, type[Exception], str]] = [
    *(
        (lambda levels=levels: Gaussian().check_levels(levels), ConfigError, f"{RISING}{levels!r}")
        for levels in (
            (0.0, 0.5),
            (0.5, 1.0),
            (0.5, 0.5),
            (0.9, 0.1),
            (np.nan,),
            [0.5],
            0.5,
            ("x",),
        )
    ),
    (lambda: Quantiles((0.5, 0.1)), ConfigError, f"{RISING}(0.5, 0.1)"),
    (lambda: Quantiles(()), ConfigError, "levels must be at least one, such as (0.5,)"),
    (
        lambda: Quantiles((0.1, 0.9)).quantiles(jnp.ones((3, 2)), (0.05, 0.5), ONES),
        ConfigError,
        "the head knows quantiles at levels from 0.1 to 0.9, not at all of (0.05, 0.5); "
        "it learns others if it is given them, Quantiles(levels=...)",
    ),
    (lambda: Huber(0.0), ConfigError, "delta must be a positive number, not 0.0"),
    (lambda: Huber(np.nan), ConfigError, "delta must be a positive number, not nan"),
    (lambda: Huber(np.inf), ConfigError, "delta must be a positive number, not inf"),
    (
        lambda: Mixture(0),
        ArgumentError,
        "components must be a whole number of at least 1, not 0",
    ),
    (
        lambda: Gaussian().cost(jnp.ones((3, 1)), ONES, ONES),
        ArgumentError,
        "raw must be [3, 2] of floating-point numbers, got float32 [3, 1]",
    ),
    (
        lambda: Gaussian().cost(jnp.ones((3, 2)), jnp.ones(4), ONES),
        ArgumentError,
        "target must be [3] of floating-point numbers, got float32 [4]",
    ),
    (
        lambda: Squared().point(jnp.ones((3, 1)), jnp.ones(3, jnp.int32)),
        ArgumentError,
        "scale must be [3] of floating-point numbers, got int32 [3]; convert them: "
        "scale.astype(jnp.float32)",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_what_cannot_be_is_said_in_one_line(call, error, message, unannotated):
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value) == message


@pytest.mark.parametrize("name", POINTS)
def test_a_point_has_no_quantiles_and_no_samples(name):
    head, raw = ROWS[name].head, jnp.ones((3, 1))
    message = ALONE.format(type(head).__name__)
    for call in (
        lambda: head.quantiles(raw, (0.5,), ONES),
        lambda: head.quantiles(raw, (), ONES),
        lambda: head.sample(jax.random.key(0), raw, ONES),
        lambda: head.check_levels((0.5,)),
    ):
        with pytest.raises(ConfigError) as raised:
            call()
        assert str(raised.value) == message
    head.check_levels(())
