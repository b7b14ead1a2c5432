"""Members trained in one program learn what they learn one after the other."""

import json

import numpy as np
import pytest

from scripts.benchmarks import member_models
from tests.needs import needs_kernel
from tests.scripts.benchmarks.running import run


@pytest.mark.parametrize("chosen", ["scan", pytest.param("native", marks=needs_kernel)])
def test_members_learn_the_same_in_one_program_as_in_turn(chosen: str) -> None:
    sizes = member_models.Sizes(members=3, hidden=4, batch=2, window=5, vocabulary=7)
    batches = member_models.make_batches(sizes, 4)
    vmapped, in_turn = (
        np.concatenate([train(batches), train(batches)], axis=1)
        for train in (member_models.build(way, sizes, chosen) for way in ("vmap", "in_turn"))
    )
    assert vmapped.shape == (3, 8)
    np.testing.assert_allclose(vmapped, in_turn, rtol=1e-5)
    # They start from the same parameters and learn at rates of their own.
    assert len(set(in_turn[:, 0])) == 1
    assert len(set(in_turn[:, 1])) == 3


def test_members_prints_an_object() -> None:
    arguments = ["--implementations=lstm_jax_scan", "--rounds=1", "--seconds=0", "--plot="]
    done = run("members", *arguments, "--members=2", "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record.pop("vmap_steps_per_second") > 0
    assert record.pop("in_turn_steps_per_second") > 0
    assert record == {"members": 2, "implementation": "lstm_jax_scan"}
