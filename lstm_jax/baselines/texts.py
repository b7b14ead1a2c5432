"""The rival of a classifier of texts: which words and pairs of words occur, weighted linearly."""

import importlib
from typing import Any

import numpy as np
from jaxtyping import Float, Integer

from lstm_jax.baselines.summaries import best, scored, summary_ridge
from lstm_jax.data.base import Data
from lstm_jax.data.kinds import Features
from lstm_jax.data.preprocessing import Preprocessor, encoded_target
from lstm_jax.data.sources import Source, Split, checked_examples
from lstm_jax.data.text.documents import text_of
from lstm_jax.errors import ConfigError, DataError
from lstm_jax.tasks.classification import Classification
from lstm_jax.tasks.fields import classes_of

STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0)
"""The values of C, the inverse of the penalty, that are tried on validation texts."""


def classification_figures(
    task: Classification,
    data: Data,
    preprocessor: Preprocessor,
    split: Split = "test",
) -> tuple[dict[str, Any], float]:
    """The figures of logistic regression on TF-IDF; of sequences of vectors, of `summary_ridge`.

    Texts are read as the source gives them, in full, and cut by scikit-learn's own rule: words of
    two letters or more, in lower case. Those and the pairs of neighbours are a text's features,

        (1 + log count) (1 + log((1 + texts) / (1 + texts that have it)))

    scaled to length 1. Of `STRENGTHS` the one is taken that is best on validation texts. Every text
    counts alike, whatever weights the task gives to classes.

    Args:
        task: that says what figures are called.
        data: labelled texts, or sequences of vectors.
        preprocessor: what was learned of them.
        split: the part that is measured.

    Returns:
        The figures by their names, and C (of vectors the penalty).

    Raises:
        ConfigError: scikit-learn is missing; or the data have no source of texts, or no classes.
        DataError: a split cannot be read.
    """
    if isinstance(preprocessor.inputs, Features):
        return summary_ridge(task, data, preprocessor, split)
    classes = len(classes_of(preprocessor))
    text, linear = _scikit_learn("feature_extraction.text"), _scikit_learn("linear_model")
    counted = text.TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    texts, labels = _texts(data, preprocessor, "train")
    try:
        vectors = counted.fit_transform(texts)
    except ValueError as error:
        raise DataError(f"scikit-learn finds no words in the training texts: {error}") from error
    texts, expected = _texts(data, preprocessor, "validation")
    validation = counted.transform(texts)
    models, found = {}, {}
    for strength in STRENGTHS:
        # The default solver stops so far from the minimum that figures depend on the threads.
        model = linear.LogisticRegression(C=strength, solver="newton-cg", tol=1e-6, max_iter=1000)
        models[strength] = model.fit(vectors, labels)
        logits = _logits(model, validation, classes)
        found[strength] = scored(task, logits, expected, preprocessor)
    strength = best(task, found)
    texts, expected = _texts(data, preprocessor, split)
    logits = _logits(models[strength], counted.transform(texts), classes)
    return scored(task, logits, expected, preprocessor), strength


def _texts(
    data: Data, preprocessor: Preprocessor, split: Split
) -> tuple[list[str], Integer[np.ndarray, " texts"]]:
    """The texts of a split and their classes."""
    source = getattr(data, "source", None)
    if not isinstance(source, Source):
        raise ConfigError(f"{type(data).__name__} has no source of texts")
    examples = list(checked_examples(source, split))
    if not examples:
        raise DataError(f"the {split} split of {source} has no examples")
    labels = [int(encoded_target(preprocessor, example)) for example in examples]
    return [*map(text_of, examples)], np.array(labels)


def _logits(model: Any, vectors: Any, classes: int) -> Float[np.ndarray, "texts classes"]:
    """The log-odds of all classes; a class without a text in training has probability 0."""
    decision = np.asarray(model.decision_function(vectors), np.float64)
    if decision.ndim == 1:  # two classes: the log-odds of the second
        decision = np.stack([np.zeros_like(decision), decision], axis=1)
    logits = np.full((len(decision), classes), -np.inf)
    logits[:, model.classes_] = decision
    return logits


def _scikit_learn(module: str) -> Any:
    """A module of the package, which this rival alone needs."""
    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError:
        raise ConfigError(
            "the rival of a classifier of texts needs scikit-learn: pip install "
            "'lstm_jax[baselines]'"
        ) from None
