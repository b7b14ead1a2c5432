"""Language modelling: predicting each token from those before it."""

import dataclasses
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lstm_jax.cells import LSTM
from lstm_jax.data.preprocessing import Preprocessor
from lstm_jax.data.text.preprocessors import TextPreprocessor
from lstm_jax.data.text.unknown import warn_of_unknown
from lstm_jax.data.windows import WindowBatch
from lstm_jax.errors import ConfigError
from lstm_jax.inference.sampling import sample
from lstm_jax.metrics.means import Mean, Metric, bits_per_character, perplexity
from lstm_jax.modules import (
    Embedding,
    LanguageModel,
    Stack,
    TiedSoftmax,
    draw_uniform,
    make_softmax,
    recurrent_layers,
)
from lstm_jax.tasks.base import Output, Score, Task, Term
from lstm_jax.tasks.capabilities import Use, capability
from lstm_jax.tasks.fields import AnyLayer, cells_of, check_rates
from lstm_jax.types import Batch, Carry, Key


@dataclasses.dataclass(frozen=True)
class LanguageModeling(Task):
    """Embedding, a stack of recurrent layers and a softmax over the vocabulary.

    Source: Zaremba, Sutskever and Vinyals 2014, "Recurrent neural network regularization".

    >>> task = LanguageModeling(cell=LSTM(hidden=8), layers=2)
    >>> from lstm_jax.data import Vocabulary
    >>> preprocessor = TextPreprocessor(Vocabulary.build(["a b a c"], "words"))
    >>> model = task.build(nnx.Rngs(0), preprocessor)
    >>> tokens = jnp.zeros((5, 3), jnp.int32)
    >>> model(tokens, task.initial_carry(model, 3))[0].shape
    (5, 3, 5)
    """

    BATCH: ClassVar[type] = WindowBatch
    PREPROCESSOR: ClassVar[type] = TextPreprocessor

    cell: AnyLayer | tuple[AnyLayer, ...] = dataclasses.field(
        default_factory=lambda: LSTM(hidden=200)
    )
    """The cell of every layer, or one for each layer."""
    layers: int = 2
    embedding: int | None = None
    """Features of an embedding vector; as many as the first layer's hidden, if not given."""
    dropout: float = 0.0
    """Probability of dropping an element of a layer's input or of the last layer's output."""
    variational: bool = False
    """Whether all steps of a window drop the same elements (Gal and Ghahramani 2016)."""
    embedding_dropout: float = 0.0
    """Probability of dropping a word wherever it stands in a batch (Merity et al. 2018)."""
    weight_drop: float = 0.0
    """Probability of dropping an element of a recurrent kernel (Merity et al. 2018)."""
    tied: bool = False
    """Whether the softmax uses the embedding table as its kernel."""
    cutoffs: tuple[int, ...] = ()
    """Where the tails of an adaptive softmax begin, for large vocabularies; none: one softmax over
    all tokens. `(2000, 10000)` suits 30,000 words (Grave et al. 2017). The vocabulary must be in
    the order of frequency, as all but those of subwords and bytes are."""
    init_scale: float | None = None
    """Every parameter starts from U(-init_scale, init_scale); if not given, as each layer does."""
    reduction: Literal["mean", "sum_over_time"] = "mean"
    """The scalar that is minimized: nats a token, or the sum over the window's steps of the mean
    over the batch, as papers before 2017 had it (their learning rates and clipping mean that)."""

    def __post_init__(self):
        cells_of(self.cell, self.layers)
        check_rates(self, "dropout", "embedding_dropout", "weight_drop")
        if self.embedding is not None and self.embedding < 1:
            raise ConfigError(f"embedding has at least one feature, not {self.embedding}")
        if self.init_scale is not None and not 0 < self.init_scale < float("inf"):
            raise ConfigError(f"init_scale must be positive, not {self.init_scale}")
        if self.tied and self.cutoffs:
            raise ConfigError("an adaptive softmax (cutoffs) cannot be tied")
        if self.tied and self._features != self._cells[-1].hidden:
            raise ConfigError(
                f"a tied softmax needs embedding ({self._features}) and the last layer's hidden "
                f"({self._cells[-1].hidden}) to be equal"
            )

    @property
    def score(self) -> Score:
        """Nats a token, the fewer the better."""
        return Score("nats_per_token", "min")

    def warn(self, dataset: Any) -> list[str]:
        """That the model learns nothing of unknown words, if so."""
        # What begins with the words of another run cannot read them otherwise.
        return [] if self.pretrained else warn_of_unknown(dataset)

    def build(self, rngs: nnx.Rngs, preprocessor: Preprocessor) -> LanguageModel:
        """A language model over the tokens of the data."""
        hidden, size = self._cells[-1].hidden, preprocessor.inputs.size
        embedding = Embedding(size, self._features, rngs, self.embedding_dropout)
        layers = recurrent_layers(self._cells, self._features, rngs, weight_drop=self.weight_drop)
        stack = Stack(layers, self.dropout, self.variational)
        softmax = TiedSoftmax(size) if self.tied else make_softmax(hidden, size, self.cutoffs, rngs)
        model = LanguageModel(embedding, stack, softmax)
        if self.init_scale is not None:
            draw_uniform(model, self.init_scale, rngs.params())
        return model

    def loss(self, model: Any, batch: Batch, carry: Carry, key: Key | None) -> Output:
        """Cross entropy of a `WindowBatch`; the carry goes on unless the batch starts afresh."""
        initial = self.initial_carry(model, len(batch.place))
        carry = jax.tree.map(lambda new, old: jnp.where(batch.start, new, old), initial, carry)
        total, carry = model.total_nats(batch.inputs, batch.targets, batch.mask, carry, key)
        count = batch.mask.sum()
        size = len(batch.place) if self.reduction == "sum_over_time" else count
        metrics: dict[str, Metric] = {"nats_per_token": Mean(total, count)}
        return Output({"nats": Term(total, size)}, carry, metrics)

    def summarize(
        self, sums: dict[str, Any], rows: dict[str, np.ndarray], preprocessor: Any
    ) -> dict[str, float]:
        """Cross entropy in nats, as perplexity, and in bits for characters and bytes."""
        del rows
        mean: Mean = sums["nats_per_token"]
        nats = mean.compute()
        summary = {"nats_per_token": nats, "perplexity": perplexity(nats)}
        name = {"characters": "bits_per_character", "bytes": "bits_per_byte"}
        if (unit := preprocessor.vocabulary.unit) in name:
            summary[name[unit]] = bits_per_character(nats)
        return summary | {"tokens": int(mean.count)}

    @capability
    def generate(
        self,
        use: Use,
        prompt: str = "",
        *,
        length: int = 100,
        temperature: int | float = 1.0,
        top_k: int | None = None,
        seed: int = 0,
    ) -> str:
        """Continues a text with tokens drawn from the model.

        Args:
            use: a trained model; a run gives it by itself.
            prompt: the text to be continued; its unknown words are read as `<unk>`.
            length: the number of tokens to draw.
            temperature: divides the logits; below 1 likely tokens become likelier, 0 always takes
                the likeliest.
            top_k: draws from the k likeliest tokens only.
            seed: of the random numbers; the same seed gives the same text.

        Returns:
            The prompt and its continuation.

        Raises:
            ConfigError: a number is outside its range.
        """
        # The text is read after the token that stands before every text, as in training.
        vocabulary = use.preprocessor.vocabulary
        ids = [vocabulary.start, *vocabulary.encode(prompt).tolist()]
        carry = self.initial_carry(use.model, 1)
        drawn = sample(use.model, carry, ids, length, temperature, top_k, seed)
        return vocabulary.decode([*ids[1:], *drawn])

    @property
    def _cells(self) -> tuple[AnyLayer, ...]:
        return cells_of(self.cell, self.layers)

    @property
    def _features(self) -> int:
        return self._cells[0].hidden if self.embedding is None else self.embedding
