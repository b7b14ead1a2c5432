"""Training on texts whose word vectors are shifted a little in the worst direction."""

import abc
import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Integer

from lstm_jax.errors import ConfigError
from lstm_jax.functional.arguments import check_floating, check_integers
from lstm_jax.functional.integers import valid_steps
from lstm_jax.types import Array, Key

Logits = Callable[[Array], Array]
"""Vectors [time, batch, features] to logits [batch, classes]."""


class Texts(NamedTuple):
    """A batch of texts, and the classifier that reads them."""

    vectors: Float[Array, "time batch features"]
    """Of the words."""
    lengths: Integer[Array, " batch"]
    """Of the texts; what stands beyond them is padding."""
    scale: Float[Array, ""]
    """The root mean square of an element of the embedding."""
    logits: Logits
    """The classifier."""
    frozen: Logits
    """The same, without gradients of its parameters."""
    nats: Callable[[Array], Array]
    """Logits to the cross entropy of each text."""


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
    def cost(self, texts: Texts, key: Key) -> Float[Array, " batch"]:
        """The cost of each text at its shifted vectors; `key` is that of random directions.

        Raises:
            ArgumentError: the vectors or the lengths have other axes or another dtype.
        """


@dataclasses.dataclass(frozen=True)
class Adversarial(Perturbation):
    """The shift r that raises the cost most, to first order (equations 5 and 6).

    r = epsilon g / |g|  with  g = gradient of the cost in the word vectors; the cost is at s + r.
    """

    def cost(self, texts: Texts, key: Key) -> Float[Array, " batch"]:
        """The cross entropy at the shifted vectors."""
        del key
        _check(texts)
        still = jax.lax.stop_gradient(texts.vectors)
        gradient = jax.grad(lambda shifted: texts.nats(texts.frozen(shifted)).sum())(still)
        shift = _of_length(gradient, self.epsilon * texts.scale)
        return texts.nats(texts.logits(texts.vectors + shift))


@dataclasses.dataclass(frozen=True)
class VirtualAdversarial(Perturbation):
    """The shift r that changes the prediction most, whatever the label (equations 7 and 8).

    r = epsilon g / |g|  with  g = gradient in s + d of KL[p(. | s) || p(. | s + d)], d a random
    direction of length `probe`; the cost is KL[p(. | s) || p(. | s + r)]. It is taken over the
    labelled texts of a batch; the paper's also over texts without labels.
    """

    probe: float = 0.1
    """The length of the random direction d, in root mean squares of an element."""

    def cost(self, texts: Texts, key: Key) -> Float[Array, " batch"]:
        """The divergence of the predictions at the shifted vectors from those at the vectors."""
        _check(texts)
        still = jax.lax.stop_gradient(texts.vectors)
        wanted = jax.nn.log_softmax(texts.frozen(still))

        def divergence(shifted_logits: Array) -> Array:
            difference = wanted - jax.nn.log_softmax(shifted_logits)
            return (jnp.exp(wanted) * difference).sum(axis=-1)

        direction = jax.random.normal(key, still.shape, still.dtype)
        valid = valid_steps(texts.lengths, still.shape[0])
        direction *= valid[..., None].astype(still.dtype)
        near = still + _of_length(direction, self.probe * texts.scale)
        gradient = jax.grad(lambda shifted: divergence(texts.frozen(shifted)).sum())(near)
        shift = _of_length(gradient, self.epsilon * texts.scale)
        return divergence(texts.logits(texts.vectors + shift))


def _check(texts: Texts) -> None:
    check_floating("vectors", texts.vectors, "time batch features")
    check_integers("lengths", texts.lengths, "batch", texts.vectors.shape[1:2])


def _of_length(
    direction: Float[Array, "time batch features"], length: Float[Array, ""]
) -> Float[Array, "time batch features"]:
    """The direction of each text, scaled to a length; zero where there is none."""
    # The squares of the gradient of a confident prediction would be too small for float32.
    largest = jnp.abs(direction).max(axis=(0, 2), keepdims=True)
    scaled = direction / jnp.maximum(largest, jnp.finfo(direction.dtype).tiny)
    norm = jnp.sqrt((scaled**2).sum(axis=(0, 2), keepdims=True))
    return jax.lax.stop_gradient(scaled / jnp.maximum(norm, 1) * length)
