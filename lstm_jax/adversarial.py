"""Training on texts whose word vectors are shifted a little in the worst direction."""

import abc
import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from lstm_jax.errors import ConfigError
from lstm_jax.types import Array, Key

Logits = Callable[[Array], Array]
"""Vectors [time, batch, features] to logits [batch, classes]."""


@dataclasses.dataclass(frozen=True)
class Perturbation(abc.ABC):
    """A shift of all word vectors of a text by a vector of given length.

    Source: Miyato, Dai and Goodfellow 2017, "Adversarial training methods for semi-supervised text
    classification". The paper normalizes the embedding to unit variance, each word counted as often
    as it occurs; here lengths are measured in the root mean square of an element of the embedding
    instead.

    Raises:
        ConfigError: a number is not positive.
    """

    epsilon: float = 5.0
    """The length of the shift of a whole text (the paper's is 5), in root mean squares of an
    element of the embedding."""
    weight: float = 1.0
    """What the cost at the shifted vectors is multiplied by."""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not 0 < value < float("inf"):
                raise ConfigError(f"{field.name} of a perturbation must be positive, not {value}")

    @abc.abstractmethod
    def cost(
        self,
        logits: Logits,
        frozen: Logits,
        vectors: Float[Array, "time batch features"],
        lengths: Int[Array, " batch"],
        scale: Float[Array, ""],
        nats: Callable[[Array], Array],
        key: Key,
    ) -> Float[Array, " batch"]:
        """The cost of each text at its shifted vectors.

        Args:
            logits: the classifier.
            frozen: the same, without gradients of its parameters.
            vectors: of the words.
            lengths: of the texts; what stands beyond them is padding.
            scale: the root mean square of an element of the embedding.
            nats: logits to the cross entropy of each text.
            key: of random directions.
        """


@dataclasses.dataclass(frozen=True)
class Adversarial(Perturbation):
    """The shift r that raises the cost most, to first order (equations 5 and 6).

    r = epsilon g / |g|  with  g = gradient of the cost in the word vectors; the cost is at s + r.
    """

    def cost(
        self,
        logits: Logits,
        frozen: Logits,
        vectors: Float[Array, "time batch features"],
        lengths: Int[Array, " batch"],
        scale: Float[Array, ""],
        nats: Callable[[Array], Array],
        key: Key,
    ) -> Float[Array, " batch"]:
        """The cross entropy at the shifted vectors."""
        del lengths, key
        still = jax.lax.stop_gradient(vectors)
        gradient = jax.grad(lambda shifted: nats(frozen(shifted)).sum())(still)
        return nats(logits(vectors + _of_length(gradient, self.epsilon * scale)))


@dataclasses.dataclass(frozen=True)
class VirtualAdversarial(Perturbation):
    """The shift r that changes the prediction most, whatever the label (equations 7 and 8).

    r = epsilon g / |g|  with  g = gradient in s + d of KL[p(. | s) || p(. | s + d)], d a random
    direction of length `probe`; the cost is KL[p(. | s) || p(. | s + r)]. It is taken over the
    labelled texts of a batch; the paper's also over texts without labels.
    """

    probe: float = 0.1
    """The length of the random direction d, in root mean squares of an element."""

    def cost(
        self,
        logits: Logits,
        frozen: Logits,
        vectors: Float[Array, "time batch features"],
        lengths: Int[Array, " batch"],
        scale: Float[Array, ""],
        nats: Callable[[Array], Array],
        key: Key,
    ) -> Float[Array, " batch"]:
        """The divergence of the predictions at the shifted vectors from those at the vectors."""
        del nats
        still = jax.lax.stop_gradient(vectors)
        wanted = jax.nn.log_softmax(frozen(still))

        def divergence(shifted_logits: Array) -> Array:
            difference = wanted - jax.nn.log_softmax(shifted_logits)
            return (jnp.exp(wanted) * difference).sum(axis=-1)

        steps = jnp.arange(vectors.shape[0], dtype=lengths.dtype)
        direction = jax.random.normal(key, vectors.shape, vectors.dtype)
        direction *= (steps[:, None] < lengths)[..., None].astype(vectors.dtype)
        near = still + _of_length(direction, self.probe * scale)
        gradient = jax.grad(lambda shifted: divergence(frozen(shifted)).sum())(near)
        return divergence(logits(vectors + _of_length(gradient, self.epsilon * scale)))


def _of_length(
    direction: Float[Array, "time batch features"], length: Float[Array, ""]
) -> Float[Array, "time batch features"]:
    """The direction of each text, scaled to a length; zero where there is none."""
    # The squares of the gradient of a confident prediction would be too small for float32.
    largest = jnp.abs(direction).max(axis=(0, 2), keepdims=True)
    scaled = direction / jnp.maximum(largest, jnp.finfo(direction.dtype).tiny)
    norm = jnp.sqrt((scaled**2).sum(axis=(0, 2), keepdims=True))
    return jax.lax.stop_gradient(scaled / jnp.maximum(norm, 1) * length)
