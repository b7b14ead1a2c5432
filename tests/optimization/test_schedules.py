"""Schedules by epochs and by steps, at the steps where they change."""

import math

import jax
import jax.numpy as jnp
import optax
import pytest

from lstm_jax.optimization.schedules import (
    Constant,
    Decay,
    Piecewise,
    Plateau,
    SlantedTriangular,
    WarmupCosine,
)

ZAREMBA = {  # factor, epochs at the full rate; the rates of the epochs around the first decay
    "small": (Decay(0.5, after=4), [1, 1, 1, 1, 0.5, 0.25, 0.125]),
    "medium": (Decay(0.8, after=6), [1, 1, 1, 1, 1, 1, 0.8, 0.64]),
    "large": (Decay(1 / 1.15, after=14), [1] * 14 + [1 / 1.15, 1 / 1.15**2]),
}


@pytest.mark.parametrize("size", ZAREMBA)
@pytest.mark.parametrize("steps_per_epoch", [1, 7, 2323])
def test_decay_by_epoch_changes_at_the_first_step_of_an_epoch(size, steps_per_epoch):
    schedule, factors = ZAREMBA[size]
    for epoch, factor in enumerate(factors):
        for step in (epoch * steps_per_epoch, (epoch + 1) * steps_per_epoch - 1):
            assert float(schedule.multiplier(step, steps_per_epoch)) == pytest.approx(factor)


def test_decay_by_steps():
    schedule = Decay(0.5, after=10, every=5, unit="steps")
    factors = [float(schedule.multiplier(step, 3)) for step in (0, 9, 10, 14, 15, 19, 20)]
    assert factors == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.125]
    steady = Decay(0.5, after=0, every=1, unit="steps")
    assert [float(steady.multiplier(step, 3)) for step in (0, 1, 2)] == [0.5, 0.25, 0.125]


@pytest.mark.parametrize("step", [0, 1, 19, 20, 21, 25, 40, 100])
def test_smooth_decay_agrees_with_optax(step):
    ours = Decay(0.5, after=2, every=3, staircase=False).multiplier(step, 10)
    theirs = optax.exponential_decay(1.0, transition_steps=30, decay_rate=0.5, transition_begin=20)
    assert float(ours) == pytest.approx(float(theirs(step)), rel=1e-6)


@pytest.mark.parametrize("step", [0, 1, 5, 9, 10, 11, 40, 99, 100, 101, 1000])
def test_warmup_and_cosine_agree_with_optax(step):
    theirs = optax.warmup_cosine_decay_schedule(0.0, 1.0, 10, 100, end_value=0.1)
    for ours in (
        WarmupCosine(10, 100, floor=0.1, unit="steps").multiplier(step, 7),
        WarmupCosine(0.5, 5, floor=0.1).multiplier(step, 20),
    ):
        assert float(ours) == pytest.approx(float(theirs(step)), abs=1e-6)


def test_no_warmup_starts_at_the_full_rate():
    assert float(WarmupCosine(0, 5).multiplier(0, 20)) == 1.0
    assert float(WarmupCosine(0, 5).multiplier(100, 20)) == pytest.approx(0.0, abs=1e-7)


@pytest.mark.parametrize("step", [0, 1, 19, 20, 21, 110, 199, 200])
def test_slanted_triangles_are_those_of_howard_and_ruder(step):
    cut_frac, ratio, length = 0.1, 32, 200
    cut = math.floor(length * cut_frac)
    p = step / cut if step < cut else 1 - (step - cut) / (cut * (1 / cut_frac - 1))
    expected = (1 + p * (ratio - 1)) / ratio
    for ours in (
        SlantedTriangular(200, unit="steps").multiplier(step, 7),
        SlantedTriangular(4, cut=0.1, ratio=32).multiplier(step, 50),
    ):
        assert float(ours) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("cut", [0, 0.01, 0.1, 0.37, 0.99])
@pytest.mark.parametrize("length", [1, 7, 100])
def test_a_slanted_triangle_has_one_peak_and_ends_at_its_floor(length, cut):
    schedule = SlantedTriangular(length, cut, ratio=8, unit="steps")
    factors = [float(schedule.multiplier(step, 3)) for step in range(length + 3)]
    peak = math.floor(length * cut)
    assert factors[peak] == max(factors) == 1.0
    assert factors[:peak] == sorted(factors[:peak])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    assert factors[length:] == pytest.approx([1 / 8] * 3)
    assert factors[0] == pytest.approx(1.0 if peak == 0 else 1 / 8)


def test_piecewise_changes_at_its_boundaries():
    schedule = Piecewise(boundaries=(1.0, 2.5), factors=(1.0, 0.25, 4.0))
    factors = [float(schedule.multiplier(step, 10)) for step in (0, 9, 10, 24, 25, 1000)]
    assert factors == [1.0, 1.0, 0.25, 0.25, 4.0, 4.0]
    by_step = Piecewise((3.0,), (1.0, 0.5), unit="steps")
    assert [float(by_step.multiplier(step, 10)) for step in (2, 3)] == [1.0, 0.5]
    assert float(Piecewise((), (0.5,)).multiplier(3, 10)) == 0.5


SCHEDULES = [
    Constant(),
    Decay(),
    Decay(staircase=False),
    Decay(after=10**9),
    WarmupCosine(1, 3),
    SlantedTriangular(3, cut=0.5),
    SlantedTriangular(0.01),
    Piecewise((1.0,), (1.0, 0.5)),
    Plateau(),
]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_run_under_jit(schedule):
    compiled = jax.jit(schedule.multiplier, static_argnums=1)
    for step in (0, 10, 55):
        inside = compiled(jnp.int32(step), 10)
        assert inside.dtype == jnp.float32
        assert float(inside) == pytest.approx(float(schedule.multiplier(step, 10)), rel=1e-6)


def test_plateau_waits_for_more_than_its_patience():
    halve = Plateau(0.5)
    assert halve.next_scale(1.0, 0) == (0.5, 0)
    patient = Plateau(0.1, patience=2)
    assert patient.next_scale(1.0, 0) == (1.0, 1)
    assert patient.next_scale(1.0, 1) == (1.0, 2)
    assert patient.next_scale(1.0, 2) == (0.1, 0)
    assert float(halve.multiplier(1000, 10)) == 1.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Decay(factor=0.0), "factor must be positive, not 0.0"),
        (lambda: Decay(after=-1), "after must not be negative, not -1"),
        (lambda: Decay(every=0), "every must be positive, not 0"),
        (lambda: WarmupCosine(3, 3), "length must be longer than warmup, not 3"),
        (lambda: WarmupCosine(-1, 3), "warmup must not be negative, not -1"),
        (lambda: WarmupCosine(1, 3, floor=2.0), "floor must lie between 0 and 1, not 2.0"),
        (lambda: SlantedTriangular(0), "length must be positive, not 0"),
        (lambda: SlantedTriangular(1, cut=1.0), "cut must be at least 0 and below 1, not 1.0"),
        (lambda: SlantedTriangular(1, ratio=0.5), "ratio must be at least 1 and finite, not 0.5"),
        (lambda: Piecewise((1.0,), (1.0,)), "there must be one factor more than boundaries"),
        (lambda: Piecewise((2.0, 1.0), (1.0,) * 3), "boundaries must be positive and rise"),
        (lambda: Plateau(factor=1.0), "factor must lie between 0 and 1, not 1.0"),
        (lambda: Plateau(patience=-1), "patience must not be negative, not -1"),
    ],
)
def test_mistakes_are_told_in_one_line(make, message):
    with pytest.raises(ValueError, match=message) as told:
        make()
    assert str(told.value).startswith(message)
    assert "\n" not in str(told.value)
