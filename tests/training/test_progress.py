"""What the loop decides by."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.errors import ConfigError
from lstm_jax.optimization.optimizers import Optimizer
from lstm_jax.optimization.schedules import Plateau
from lstm_jax.tasks import Classification, Score
from lstm_jax.training.progress import check_same_score, first_progress, update_progress


def progress_after(scores, schedule, direction="min"):
    score = Score("x", direction)
    progress = first_progress(score)
    for step, value in enumerate(scores, start=1):
        optimizer = Optimizer(schedule=schedule)
        progress = update_progress(progress, score, optimizer, step, value)
    assert all(leaf.dtype in (jnp.int32, jnp.float32) for leaf in progress)
    return tuple(float(leaf) for leaf in progress)


def test_progress_counts_evaluations_without_a_better_score():
    scores = [3.0, 2.0, 2.5, 2.0, math.nan]
    assert progress_after(scores[:2], Plateau(0.5)) == (2, 2, 2.0, 0, 0, 1)
    assert progress_after(scores, Plateau(0.5)) == (5, 2, 2.0, 3, 0, 0.125)
    assert progress_after(scores, Plateau(0.5, patience=1)) == (5, 2, 2.0, 3, 1, 0.5)
    assert progress_after(scores, Optimizer().schedule) == (5, 2, 2.0, 3, 0, 1)
    assert progress_after([*scores, 1.0], Plateau(0.5)) == (6, 6, 1.0, 0, 0, 0.125)
    assert progress_after([0.1, 0.5, 0.25], Plateau(0.5), "max") == (
        3,
        2,
        0.5,
        1,
        0,
        0.5,
    )


def test_the_same_score_is_no_improvement():
    for value in (2.7000000001, 2.7, 1 / 3, 1e-9):
        assert progress_after([value] * 3, Plateau(0.5))[1] == 1, "the first is the best"


@pytest.mark.parametrize(
    ("score", "is_same"),
    [
        (Score("nats", "min"), True),
        (Score("nats", "max"), False),
        (Score("accuracy", "max"), False),
        (Score("macro", "min"), False),
    ],
    ids=["same", "direction", "another", "not logged"],
)
def test_a_run_goes_on_with_the_score_that_it_compared(score, is_same, monkeypatch):
    nats = [0.7, 0.1, 0.3, math.nan]
    progress = first_progress(Score("nats", "min"))
    for step, value in enumerate(nats, start=1):
        progress = update_progress(progress, Score("nats", "min"), Optimizer(), step, value)
    # What was logged after the checkpoint says nothing of it.
    columns = {
        "step": np.arange(1, 6),
        "nats": np.array([*nats, 0.01]),
        "accuracy": np.array([0.1, 0.2, 0.9, 0.1, 0.1]),
    }
    monkeypatch.setattr(Classification, "score", score)
    task = Classification()
    if is_same:
        check_same_score(task, progress, {"validation": columns})
    else:
        with pytest.raises(ConfigError) as caught:
            check_same_score(task, progress, {"validation": columns})
        assert str(caught.value) == (
            f"Classification.score is {score.metric!r} ({score.direction}) now, by which 0.1 at "
            "step 2 is not the best so far: the run has compared another score; undo the change "
            "or choose another directory"
        )
    # A log that lost its records, or has none yet, is as good as none.
    check_same_score(task, progress, {"validation": {"step": np.arange(4, 6)}})
    check_same_score(task, progress, {})
