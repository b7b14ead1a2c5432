"""Classification of a sequence, of tokens or of vectors, into one of several classes."""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lstm_jax.cells import LSTM
from lstm_jax.data.padded import PaddedBatch
from lstm_jax.data.preprocessing import Preprocessor
from lstm_jax.data.text.unknown import warn_of_unknown
from lstm_jax.errors import ConfigError
from lstm_jax.functional.adversarial import Perturbation
from lstm_jax.functional.losses import cross_entropy, smoothed
from lstm_jax.inference.explanation import explain_text
from lstm_jax.inference.prediction import predict_classes
from lstm_jax.metrics import classification as scores
from lstm_jax.metrics.means import Mean
from lstm_jax.modules import (
    Classifier,
    Keys,
    Pooling,
    PoolingKind,
    Stack,
    make_embedding,
    make_softmax,
    recurrent_layers,
)
from lstm_jax.tasks.base import Output, Score, Task, Term
from lstm_jax.tasks.capabilities import capability
from lstm_jax.tasks.class_weights import Weights, checked, describe_weights, in_order_of
from lstm_jax.tasks.fields import AnyLayer, cells_of, check_inputs, check_rates, classes_of
from lstm_jax.types import Array, Batch, Carry, Key


@dataclasses.dataclass(frozen=True)
class Classification(Task):
    """Embedding, a stack of recurrent layers in one or both directions, pooling, and a head.

    It reads tokens or vectors. What is about tokens alone (`embedding_dropout`, `word_dropout`,
    `language_modeling`, `explain`) is refused where the data have vectors.

    Sources: Dai and Le 2015 (started from a language model, `pretrained`), Howard and Ruder 2018
    (pooling, head), Miyato, Dai and Goodfellow 2017 (`perturbation`).

    >>> task = Classification(cell=LSTM(hidden=8), embedding=4)
    >>> from lstm_jax.data import LabelledTextPreprocessor, Vocabulary
    >>> vocabulary = Vocabulary(("good", "bad", "<unk>", "<eos>"), "words")
    >>> model = task.build(nnx.Rngs(0), LabelledTextPreprocessor(vocabulary, ("neg", "pos")))
    >>> model(jnp.zeros((5, 3), jnp.int32), jnp.array([5, 1, 2])).shape
    (3, 2)
    """

    BATCH: ClassVar[type] = PaddedBatch
    OWN: ClassVar[tuple[str, ...]] = ("pooling", "head")

    cell: AnyLayer | tuple[AnyLayer, ...] = dataclasses.field(
        default_factory=lambda: LSTM(hidden=128)
    )
    """The cell of every layer, or one for each layer."""
    layers: int = 1
    bidirectional: bool = True
    """Whether each layer reads from both ends, with a cell for each."""
    embedding: int | None = 128
    """Features of an embedding vector. Vectors are mapped to so many by one matrix; None, for them
    alone, reads them as they are."""
    pooling: PoolingKind = "concatenated"
    """How the outputs of all steps become one vector; see `lstm_jax.modules.Pooling`."""
    head: tuple[int, ...] = ()
    """Units of rectified layers between the pooled vector and the logits."""
    dropout: float = 0.0
    """Probability of dropping an element of what a layer reads, of the last one's output, and of
    what each layer of the head reads."""
    variational: bool = False
    """Whether all steps of a text drop the same elements (Gal and Ghahramani 2016)."""
    embedding_dropout: float = 0.0
    """Probability of dropping a word wherever it stands in a batch (Merity et al. 2018)."""
    word_dropout: float = 0.0
    """Probability of reading a word as unknown (Dai and Le 2015)."""
    weight_drop: float = 0.0
    """Probability of dropping an element of a recurrent kernel (Merity et al. 2018)."""
    label_smoothing: float = 0.0
    """The share of the target that is spread evenly over all classes (Szegedy et al. 2016)."""
    class_weights: Weights = None
    """What the cost of an example of each class is multiplied by; equal if not given. In the order
    of the classes, or by their names: `{"neg": 1.0, "pos": 2.0}`."""
    perturbation: Perturbation | None = None
    """Adversarial or virtual adversarial training: `Adversarial()`, `VirtualAdversarial()`."""
    language_modeling: float = 0.0
    """What the cost of predicting each next token is multiplied by, which is minimized beside."""
    cutoffs: tuple[int, ...] = ()
    """As in `LanguageModeling`, for that cost."""

    def __post_init__(self):
        cells_of(self.cell, self.layers)
        if min(1 if self.embedding is None else self.embedding, *self.head, 1) < 1:
            raise ConfigError("embedding and head must be at least 1")
        rates = "dropout", "embedding_dropout", "word_dropout", "weight_drop", "label_smoothing"
        check_rates(self, *rates)
        object.__setattr__(self, "class_weights", checked(self.class_weights))
        if not 0 <= self.language_modeling < float("inf"):
            raise ConfigError(f"language_modeling must not be negative: {self.language_modeling}")
        if self.cutoffs and not self.language_modeling:
            raise ConfigError("cutoffs are for language_modeling, which is 0")
        if self.language_modeling and self.bidirectional:
            raise ConfigError("language_modeling needs bidirectional=False: backward reads ahead")

    @property
    def score(self) -> Score:
        """The share of examples that are classified correctly."""
        return Score("accuracy", "max")

    def check(self, preprocessor: Preprocessor, dataset: Any) -> None:
        """Makes sure that there are classes, and no option for what the data have not."""
        del dataset
        classes_of(preprocessor)
        check_inputs(self, preprocessor.inputs)

    def describe(self, preprocessor: Preprocessor) -> list[str]:
        """Which class has which weight."""
        return describe_weights(classes_of(preprocessor), self.class_weights)

    def warn(self, dataset: Any) -> list[str]:
        """That the model learns nothing of unknown words, if so."""
        # What begins with the words of another run cannot read them otherwise.
        return [] if self.pretrained or self.word_dropout else warn_of_unknown(dataset)

    def build(self, rngs: nnx.Rngs, preprocessor: Preprocessor) -> Classifier:
        """A classifier of the data's inputs into their classes."""
        classes, kind = classes_of(preprocessor), preprocessor.inputs
        weights = in_order_of(classes, self.class_weights)
        embedding = make_embedding(kind, self.embedding, rngs, self.embedding_dropout)
        layers = recurrent_layers(
            cells_of(self.cell, self.layers),
            self.embedding or kind.size,
            rngs,
            bidirectional=self.bidirectional,
            weight_drop=self.weight_drop,
        )
        stack = Stack(layers, self.dropout, self.variational)
        pooling, softmax = Pooling(self.pooling, stack.features, self.bidirectional, rngs), None
        if self.language_modeling:
            softmax = make_softmax(stack.features, kind.size, self.cutoffs, rngs)
        return Classifier(
            embedding,
            stack,
            pooling,
            (*self.head, len(classes)),
            rngs,
            dropout=self.dropout,
            word_dropout=self.word_dropout,
            class_weights=weights,
            unknown=getattr(kind, "unknown", None) or 0,
            softmax=softmax,
        )

    def loss(self, model: Any, batch: Batch, carry: Carry, key: Key | None) -> Output:
        """Cross entropy of a `PaddedBatch`, the mean over its sequences."""
        inputs, lengths, labels, mask, _ = batch
        # As many keys as there are parts with noise, and one for the perturbation.
        *parts, shift_key = [None] * 5 if key is None else jax.random.split(key, 5)
        keys = Keys(*parts)
        vectors = model.embed(inputs, keys)
        outputs = model.read(vectors, lengths, keys)
        logits = model.classify(outputs, lengths, keys)
        nats = cross_entropy(logits, labels)
        weights = mask
        if model.class_weights is not None:
            weights = mask * jnp.asarray(model.class_weights, mask.dtype)[labels]
        total = weights.sum()

        def term(costs: Array, weight: float = 1.0) -> Term:
            return Term((weights * costs).sum(), total, weight)

        terms = {"labels": term(smoothed(nats, logits, self.label_smoothing))}
        metrics = {"nats": Mean((mask * nats).sum(), mask.sum())}
        metrics |= scores.count(logits, labels, mask)
        if self.perturbation is not None and shift_key is not None:
            texts = model.texts(vectors, lengths, labels, keys)
            costs = self.perturbation.cost(texts, shift_key)
            terms["perturbation"] = term(costs, self.perturbation.weight)
        if self.language_modeling:
            cost = model.next_token(inputs, outputs, lengths, mask)
            terms["next_tokens"] = Term(cost.total, cost.count, self.language_modeling)
            metrics["nats_per_token"] = cost
        return Output(terms, carry, metrics)

    def summarize(
        self, sums: dict[str, Any], rows: dict[str, np.ndarray], preprocessor: Any
    ) -> dict[str, float]:
        """Accuracy, macro F1, cross entropy in nats, expected calibration error, examples."""
        del rows, preprocessor
        summary = scores.summarize(sums)
        if "nats_per_token" in sums:
            summary["nats_per_token"] = sums["nats_per_token"].compute()
        return summary | {"examples": int(sums["nats"].count)}

    def details(
        self, sums: dict[str, Any], rows: dict[str, np.ndarray], preprocessor: Any
    ) -> dict[str, Any]:
        """The confusion matrix: a row for each true class, a column for each predicted one."""
        del rows
        matrix = sums["confusion"].total.astype(int).tolist()
        return {"classes": list(preprocessor.targets.names), "confusion_matrix": matrix}

    predict = capability(predict_classes)
    explain = capability(explain_text)
