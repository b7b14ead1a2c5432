import jax.numpy as jnp
import numpy as np
from flax import nnx

from lstm_jax.modules import Embedding
from tests.reference import assert_close


def test_an_embedding_is_a_row_for_each_token():
    model = Embedding(1000, 16, nnx.Rngs(0))
    tokens = jnp.array([[0, 5, 999], [5, 5, 1]])
    table = np.asarray(model.table[...])
    assert_close(model(tokens), jnp.asarray(table[np.asarray(tokens)]), 0.0)
    np.testing.assert_allclose(table.std(), 0.25, rtol=0.05)
