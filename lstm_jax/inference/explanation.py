"""Why a text was classified so: the contribution of every word to the logit of a class."""

import dataclasses
import functools
import html
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from lstm_jax.config.values import suggestion
from lstm_jax.data.groups import MOST_TOKENS
from lstm_jax.data.kinds import Tokens
from lstm_jax.data.sources import Example
from lstm_jax.data.text.preprocessors import LabelledTextPreprocessor
from lstm_jax.data.text.tokenization import Span
from lstm_jax.errors import ConfigError
from lstm_jax.inference.integrated_gradients import integrate
from lstm_jax.inference.prediction import outputs_of, to_predictions
from lstm_jax.modules import Graph, merge, split
from lstm_jax.types import Array, Params

if TYPE_CHECKING:
    import matplotlib.figure

_ROWS = 16
"""Points of the path that are computed side by side."""
MOST_WORDS = 2000
"""The longest text that is explained: leaving out each of n words is to read n texts of n words."""


@dataclasses.dataclass(frozen=True)
class Explanation:
    """The contribution of every word of a text to the logit of a class.

    In a notebook it is shown as coloured text: green for the class, red against it.
    """

    text: str
    label: str
    """The class whose logit is explained."""
    probability: float
    """Of that class."""
    logit: float
    """Of that class, for the text."""
    baseline_logit: float
    """The same where the vectors of all words are zero."""
    spans: tuple[Span, ...]
    """Where each word stands in the text."""
    integrated_gradients: Float[np.ndarray, " words"]
    """The contributions along the straight path from the baseline to the text. Their sum is
    `logit - baseline_logit`, up to `error`."""
    leave_one_out: Float[np.ndarray, " words"]
    """By how much the logit falls where a word is left out of the text."""

    @property
    def words(self) -> list[str]:
        """The words as they are written."""
        return [self.text[span.begin : span.end] for span in self.spans]

    @property
    def error(self) -> float:
        """The sum of the integrated gradients minus the change of the logit."""
        return float(self.integrated_gradients.sum() - (self.logit - self.baseline_logit))

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain Python, ready for JSON or a table."""
        values = dataclasses.asdict(self) | {"words": self.words, "error": self.error}
        values["spans"] = [list(span) for span in self.spans]
        for name in ("integrated_gradients", "leave_one_out"):
            values[name] = getattr(self, name).tolist()
        return values

    def plot(self, most: int = 20) -> "matplotlib.figure.Figure":
        """A bar for each of the words that contribute most, in the order of the text."""
        from matplotlib.figure import Figure  # which takes a second

        chosen = np.sort(np.argsort(-np.abs(self.integrated_gradients), kind="stable")[:most])
        places = np.arange(len(chosen))
        figure = Figure(figsize=(6, 1.2 + 0.25 * len(chosen)), layout="constrained")
        axes = figure.subplots()
        height = 0.4
        for offset, name in ((-height / 2, "integrated_gradients"), (height / 2, "leave_one_out")):
            values = getattr(self, name)[chosen]
            axes.barh(places + offset, values, height, label=name.replace("_", " "))
        axes.set_yticks(places, [self.words[i] for i in chosen])
        axes.invert_yaxis()
        for shown in axes.get_yticklabels():
            shown.set_parse_math(False)  # a dollar sign in a word is no formula
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_xlabel(f"contribution to the logit of {self.label}", parse_math=False)
        axes.set_title(f"{self.label}: probability {self.probability:.3f}", parse_math=False)
        axes.legend()
        return figure

    def _repr_html_(self) -> str:
        change = f"{self.baseline_logit:.3f} to {self.logit:.3f}"
        parts = [
            f"<p><b>{html.escape(self.label)}</b>, probability {self.probability:.3f}; the logit "
            f"goes from {change} (the contributions add up within {abs(self.error):.2g})</p>"
        ]
        for name in ("integrated_gradients", "leave_one_out"):
            colored = _color(self.text, self.spans, getattr(self, name))
            parts.append(
                f"<p><small>{name.replace('_', ' ')}</small><br>"
                f'<span style="white-space: pre-wrap">{colored}</span></p>'
            )
        return "".join(parts)


def explain_text(
    task: Any, use: Any, text: str, label: str | None = None, *, tolerance: float = 0.01
) -> Explanation:
    """What each word of a text contributes to its classification; shown in colours.

    By integrated gradients, which add up to what the text changes in the logit, and by leaving each
    word out. Words that `data.max_length` cuts off contribute nothing.

    Args:
        task: the classifier's.
        use: a trained model; a run gives it by itself.
        text: the text.
        label: the class to explain; by default the likeliest one.
        tolerance: how far the integrated gradients may be from adding up to the change of the
            logit, relative to it or, if that is larger, to 1.

    Raises:
        ConfigError: there is no text or no such class, or the tolerance is not positive.
    """
    del task
    if not isinstance(use.preprocessor, LabelledTextPreprocessor):
        kind = use.preprocessor.inputs.describe()
        raise ConfigError(f"explain is for texts, and the model reads {kind}")
    return explain(use.model, use.preprocessor, text, label, tolerance)


def explain(
    model: Any,
    preprocessor: LabelledTextPreprocessor,
    text: str,
    label: str | None,
    tolerance: float,
) -> Explanation:
    """What each word of a text contributes to its classification; see `explain_text`.

    Source: Sundararajan, Taly and Yan 2017, "Axiomatic attribution for deep networks" (equation 1).

    Raises:
        ConfigError: there is no text or no such class, or the tolerance is not positive.
    """
    if not isinstance(text, str):
        raise ConfigError(f"a text must be a string, not {type(text).__name__}")
    classes, kind = preprocessor.classes, preprocessor.inputs
    if label is not None and label not in classes:
        raise ConfigError(f"label: no class {label!r}{suggestion(label, classes)}")
    if not tolerance > 0:
        raise ConfigError(f"tolerance must be positive, not {tolerance}")
    sequence, dropped = preprocessor.encode(Example(text, None, "the text"))
    if len(sequence) > MOST_WORDS + 1:
        raise ConfigError(
            f"the text has {len(sequence) - 1:,} words and explain takes at most {MOST_WORDS:,}: "
            "give a part of it"
        )
    without = [np.delete(sequence, place) for place in range(1, len(sequence))]
    logits = outputs_of(model, kind, [sequence, *without], batch_size=64, shapes=1)
    prediction = to_predictions(classes, logits[:1])[0]
    label = prediction.label if label is None else label
    target = classes.index(label)
    gradients, logit, baseline = _integrate(model, kind, sequence, target, tolerance)
    words = len(sequence) - 1 + dropped
    contributions = np.zeros((2, words))
    contributions[:, preprocessor.kept(words)] = gradients, logits[0, target] - logits[1:, target]
    return Explanation(
        text=text,
        label=label,
        probability=prediction.probabilities[label],
        logit=logit,
        baseline_logit=baseline,
        spans=tuple(preprocessor.vocabulary.spans(text)),
        integrated_gradients=contributions[0],
        leave_one_out=contributions[1],
    )


def _integrate(
    model: Any,
    kind: Tokens,
    sequence: Int[np.ndarray, " length"],
    target: int,
    tolerance: float,
) -> tuple[Float[np.ndarray, " words"], float, float]:
    """Integrated gradients of all tokens but the first; the logit at both ends of the path."""
    graph, params = split(model)
    # Lengths are rounded up, so that few of them are compiled; padding changes nothing.
    padded = np.full(max(16, 1 << (len(sequence) - 1).bit_length()), kind.fill, np.int32)
    padded[: len(sequence)] = sequence
    rows = max(1, min(_ROWS, MOST_TOKENS // len(padded)))
    at_points = functools.partial(
        _gradients, graph, params, padded, np.int32(len(sequence)), np.int32(target)
    )
    found = integrate(at_points, rows, tolerance, "logit")
    return found.contributions[1 : len(sequence)], found.output, found.baseline


@functools.partial(jax.jit, static_argnums=0)
def _gradients(
    graph: Graph,
    params: Params,
    tokens: Int[Array, " time"],
    length: Int[Array, ""],
    target: Int[Array, ""],
    at: Float[Array, " points"],
    weights: Float[Array, " points"],
) -> tuple[Float[Array, " time"], Float[Array, " points"]]:
    """The weighted contributions of tokens at points of the path, and the logits there."""
    model = merge(graph, params)
    vectors = model.embed(tokens[:, None])
    # The start token is no word of the text: the path leaves it as it is.
    is_word = (jnp.arange(len(tokens)) > 0)[:, None, None]
    way = jnp.where(is_word, vectors, jnp.zeros_like(vectors))
    path = (vectors - way) + at[None, :, None] * way
    lengths = jnp.full(at.shape, length)

    def logits(path: Array) -> tuple[Array, Array]:
        values = model.classify(model.read(path, lengths), lengths)[:, target]
        return (weights * values).sum(), values

    slopes, values = jax.grad(logits, has_aux=True)(path)
    return (slopes.sum(axis=1) * way[:, 0]).sum(axis=-1), values


def _color(text: str, spans: tuple[Span, ...], values: Float[np.ndarray, " words"]) -> str:
    """The text as HTML, each word on a ground as strong as its contribution."""
    most = float(np.abs(values).max(initial=0)) or 1.0
    parts, end = [], 0
    for span, value in zip(spans, values, strict=True):
        color = "0, 160, 60" if value > 0 else "220, 40, 40"
        # Tokens smaller than a character stand where it stands: the first one shows it.
        word = html.escape(text[max(end, span.begin) : span.end])
        parts.append(html.escape(text[end : span.begin]))
        parts.append(
            f'<span title="{value:+.4f}" style="background: rgba({color}, '
            f'{0.8 * abs(value) / most:.3f})">{word}</span>'
        )
        end = max(end, span.end)
    return "".join([*parts, html.escape(text[end:])])
