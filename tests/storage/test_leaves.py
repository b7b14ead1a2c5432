import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.storage.leaves import are_same, describe_leaf, misfit, named_leaves, pieces

NAN = np.array([np.nan, 1.0], np.float32)
OTHER_NAN = (NAN.view(np.uint32) ^ np.array([1, 0], np.uint32)).view(np.float32)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (NAN, NAN.copy(), True),
        (NAN, OTHER_NAN, False),
        (np.array(0.0), np.array(-0.0), False),
        (np.float32(1), np.float32(1), True),
        (np.zeros((2, 3)), np.zeros((3, 2)), False),
        (np.zeros(2, np.float32), np.zeros(2, np.int32), False),
        (np.arange(6).reshape(2, 3).T, np.arange(6).reshape(2, 3).T.copy(), True),
        (np.asarray(jnp.ones(3, jnp.bfloat16)), np.asarray(jnp.ones(3, jnp.bfloat16)), True),
        (np.array([True, False]), np.array([True, True]), False),
    ],
)
def test_arrays_are_the_same_bit_for_bit(one, other, same):
    assert are_same(np.asarray(one), np.asarray(other)) is same


def test_pieces_hold_every_leaf_once_and_no_more_than_they_may():
    sizes = {"a": 3, "b": 4, "c": 20, "d": 1, "e": 9}
    leaves = {name: np.zeros(size, np.uint8) for name, size in sizes.items()}
    assert [list(piece) for piece in pieces(leaves, 10)] == [["a", "b"], ["c"], ["d", "e"]]
    assert list(pieces({}, 10)) == []


def test_the_first_leaf_that_does_not_fit_is_told():
    tree = {"a": jnp.zeros((2, 3)), "b": 1.5}
    saved = {name: describe_leaf(leaf) for name, leaf in named_leaves(tree).items()}
    assert misfit(saved, dict(saved), "") is None
    other = saved | {"['a']": {"shape": [2], "dtype": "float32"}}
    told = "['a'] is float32[2,3] in the checkpoint and float32[2] here"
    assert misfit(saved, other, "") == told
    assert misfit(saved, {}, "['b']") == "['b'] is float64[] in the checkpoint and absent here"
