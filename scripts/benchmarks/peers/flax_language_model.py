"""The language model of Zaremba et al. 2014, written plainly in Flax."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen

from scripts.benchmarks.language_model import ModelWeights, Sizes
from scripts.benchmarks.layer_weights import linen_params
from scripts.benchmarks.measuring import Train


class LanguageModel(linen.Module):
    """Embedding, LSTM layers, softmax layer."""

    sizes: Sizes

    @linen.compact
    def __call__(self, tokens: Any, carry: Any) -> Any:
        """Logits, and the carry of each layer."""
        sizes = self.sizes
        features = linen.Embed(sizes.vocabulary, sizes.embedding, name="embedding")(tokens)
        final = []
        for layer, hidden in enumerate(sizes.hidden):
            features = linen.Dropout(sizes.dropout, deterministic=False)(features)
            cell = linen.OptimizedLSTMCell(hidden, name=f"lstm_{layer}")
            recurrent = linen.RNN(cell, time_major=True, return_carry=True)
            layer_carry, features = recurrent(features, initial_carry=carry[layer])
            final.append(layer_carry)
        features = linen.Dropout(sizes.dropout, deterministic=False)(features)
        return linen.Dense(sizes.vocabulary, name="softmax")(features), final


def build(sizes: Sizes, weights: ModelWeights) -> Train:
    """Training with optax, one `jax.jit` of a step that donates its state."""
    model = LanguageModel(sizes)
    optimizer = optax.chain(
        optax.clip_by_global_norm(sizes.clip_norm), optax.sgd(sizes.learning_rate)
    )

    def loss_of(params: Any, carry: Any, inputs: Any, targets: Any, key: Any) -> Any:
        logits, carry = model.apply({"params": params}, inputs, carry, rngs={"dropout": key})
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
        return losses.sum() / sizes.loss_divisor, carry

    def train_step(state: Any, inputs: Any, targets: Any) -> Any:
        step, params, optimizer_state, carry = state
        key = jax.random.fold_in(jax.random.key(0), step)
        (loss, carry), gradients = jax.value_and_grad(loss_of, has_aux=True)(
            params, carry, inputs, targets, key
        )
        updates, optimizer_state = optimizer.update(gradients, optimizer_state, params)
        params = optax.apply_updates(params, updates)
        return (step + 1, params, optimizer_state, carry), loss

    params: dict[str, Any] = {
        "embedding": {"embedding": weights.embedding},
        "softmax": {"kernel": weights.softmax_kernel, "bias": weights.softmax_bias},
    }
    for layer, lstm in enumerate(weights.layers):
        params[f"lstm_{layer}"] = linen_params(lstm)
    params = jax.tree.map(jnp.array, params)
    carry = [(jnp.zeros((sizes.batch, hidden)),) * 2 for hidden in sizes.hidden]
    # Donated buffers must be distinct.
    state = (jnp.array(0), params, optimizer.init(params), jax.tree.map(jnp.array, carry))
    jitted = jax.jit(train_step, donate_argnums=0)

    def train(batches: Sequence[tuple[np.ndarray, ...]]) -> np.ndarray:
        nonlocal state
        losses = []
        for inputs, targets in batches:
            state, loss = jitted(state, inputs, targets)
            losses.append(loss)
        jax.block_until_ready(state)
        return np.array(losses)

    return train
