"""The language model of Zaremba et al. 2014, written plainly in Flax and in PyTorch.

    embedding, dropout, LSTM layers each followed by dropout, softmax layer; cross entropy summed
    over time and averaged over the batch, gradients clipped by their global norm, plain SGD, and
    the carry handed from window to window.

Each library is imported where it is used: a process that measures one of them holds no other, and
PyTorch need not be installed.
"""

import importlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from _weights import Weights, linen_params, make_weights, torch_params

Windows = Sequence[tuple[np.ndarray, np.ndarray]]
"""Token ids and targets [time, batch] of each training step."""
Train = Callable[[Windows], np.ndarray]
"""Takes a training step for each window and returns the losses when the last step is done."""


class Sizes(NamedTuple):
    """All that a model and its training need to be told."""

    vocabulary: int
    hidden: int
    layers: int
    window: int
    batch: int
    dropout: float
    clip_norm: float
    learning_rate: float


class ModelWeights(NamedTuple):
    """Parameters in no library's layout."""

    embedding: np.ndarray
    """[vocabulary, hidden]"""
    layers: tuple[Weights, ...]
    softmax_kernel: np.ndarray
    """[hidden, vocabulary]"""
    softmax_bias: np.ndarray
    """[vocabulary]"""


def make_model_weights(sizes: Sizes) -> ModelWeights:
    """Uniform random weights."""
    random = np.random.default_rng(2)

    def draw(*shape: int) -> np.ndarray:
        return random.uniform(-0.1, 0.1, shape).astype(np.float32)

    return ModelWeights(
        embedding=draw(sizes.vocabulary, sizes.hidden),
        layers=tuple(
            make_weights("LSTM", sizes.hidden, sizes.hidden, seed) for seed in range(sizes.layers)
        ),
        softmax_kernel=draw(sizes.hidden, sizes.vocabulary),
        softmax_bias=draw(sizes.vocabulary),
    )


def make_windows(sizes: Sizes, steps: int) -> Windows:
    """Random token ids, one window for each step."""
    shape = (steps, 2, sizes.window, sizes.batch)
    tokens = np.random.default_rng(3).integers(0, sizes.vocabulary, shape, np.int32)
    return [(inputs, targets) for inputs, targets in tokens]


def flax_linen_model(sizes: Sizes, weights: ModelWeights) -> Train:
    """Flax's linen and optax, one `jax.jit` of a training step that donates its state."""
    import jax
    import jax.numpy as jnp
    import optax
    from flax import linen

    class LanguageModel(linen.Module):
        @linen.compact
        def __call__(self, tokens: Any, carry: Any) -> Any:
            features = linen.Embed(sizes.vocabulary, sizes.hidden, name="embedding")(tokens)
            features = linen.Dropout(sizes.dropout, deterministic=False)(features)
            final = []
            for layer in range(sizes.layers):
                cell = linen.OptimizedLSTMCell(sizes.hidden, name=f"lstm_{layer}")
                recurrent = linen.RNN(cell, time_major=True, return_carry=True)
                layer_carry, features = recurrent(features, initial_carry=carry[layer])
                features = linen.Dropout(sizes.dropout, deterministic=False)(features)
                final.append(layer_carry)
            return linen.Dense(sizes.vocabulary, name="softmax")(features), final

    model = LanguageModel()
    optimizer = optax.chain(
        optax.clip_by_global_norm(sizes.clip_norm), optax.sgd(sizes.learning_rate)
    )

    def loss_of(params: Any, carry: Any, inputs: Any, targets: Any, key: Any) -> Any:
        logits, carry = model.apply({"params": params}, inputs, carry, rngs={"dropout": key})
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
        return losses.sum(axis=0).mean(), carry

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
    shape = (sizes.batch, sizes.hidden)
    carry = [(jnp.zeros(shape), jnp.zeros(shape)) for _ in range(sizes.layers)]
    state = (jnp.array(0), params, optimizer.init(params), carry)
    jitted = jax.jit(train_step, donate_argnums=0)

    def train(windows: Windows) -> np.ndarray:
        nonlocal state
        losses = []
        for inputs, targets in windows:
            state, loss = jitted(state, inputs, targets)
            losses.append(loss)
        jax.block_until_ready(state)
        return np.array(losses)

    return train


def torch_model(sizes: Sizes, weights: ModelWeights) -> Train:
    """PyTorch, its `nn.LSTM` holding all layers."""
    torch: Any = importlib.import_module("torch")

    class LanguageModel(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(sizes.vocabulary, sizes.hidden)
            self.dropout = torch.nn.Dropout(sizes.dropout)
            self.lstm = torch.nn.LSTM(
                sizes.hidden, sizes.hidden, sizes.layers, dropout=sizes.dropout
            )
            self.softmax = torch.nn.Linear(sizes.hidden, sizes.vocabulary)

        def forward(self, tokens: Any, carry: Any) -> Any:
            features, carry = self.lstm(self.dropout(self.embedding(tokens)), carry)
            return self.softmax(self.dropout(features)), carry

    torch.manual_seed(0)
    model = LanguageModel()
    state = {
        "embedding.weight": weights.embedding,
        "softmax.weight": weights.softmax_kernel.T,
        "softmax.bias": weights.softmax_bias,
    }
    for layer, lstm in enumerate(weights.layers):
        state |= {f"lstm.{name}": value for name, value in torch_params(lstm, layer).items()}
    model.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    optimizer = torch.optim.SGD(model.parameters(), lr=sizes.learning_rate)
    carry = None

    def train(windows: Windows) -> np.ndarray:
        nonlocal carry
        losses = []
        for inputs, targets in windows:
            optimizer.zero_grad()
            logits, carry = model(torch.from_numpy(inputs), carry)
            loss = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), torch.from_numpy(targets).flatten().long(), reduction="sum"
            )
            loss = loss / sizes.batch
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), sizes.clip_norm)
            optimizer.step()
            carry = tuple(part.detach() for part in carry)
            losses.append(loss.detach())
        return np.array([loss.item() for loss in losses])

    return train
