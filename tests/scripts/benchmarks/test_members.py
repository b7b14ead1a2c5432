"""Members trained in one program learn what they learn one after the other."""

import json
from typing import Any

import numpy as np
import pytest

from scripts.benchmarks import member_models
from tests.needs import needs_kernel

SIZES = member_models.Sizes(members=3, hidden=4, batch=2, window=5, vocabulary=7)
STEPS = 10
"""As many as the benchmark makes in a dispatch, so that it finds its program compiled."""


@pytest.mark.parametrize("chosen", ["scan", pytest.param("native", marks=needs_kernel)])
def test_members_learn_the_same_in_one_program_as_in_turn(chosen: str) -> None:
    batches = member_models.make_batches(SIZES, STEPS)
    vmapped, in_turn = (
        np.concatenate([train(batches), train(batches)], axis=1)
        for train in (member_models.build(way, SIZES, chosen) for way in ("vmap", "in_turn"))
    )
    assert vmapped.shape == (3, 2 * STEPS)
    np.testing.assert_allclose(vmapped, in_turn, rtol=1e-5)
    # They start from the same parameters and learn at rates of their own.
    assert len(set(in_turn[:, 0])) == 1
    assert len(set(in_turn[:, 1])) == 3


def test_members_prints_an_object(
    run: Any, in_this_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member_models, "Sizes", lambda members: SIZES._replace(members=members))
    arguments = ["--implementations=lstm_jax_scan", "--rounds=1", "--seconds=0", "--plot="]
    done = run("members", *arguments, "--members=3", "--json")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert record.pop("vmap_steps_per_second") > 0
    assert record.pop("in_turn_steps_per_second") > 0
    assert record == {"members": 3, "implementation": "lstm_jax_scan"}
