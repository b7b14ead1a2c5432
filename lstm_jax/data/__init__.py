"""Where examples come from and how they become batches."""

from lstm_jax.data.base import SPLITS, Data, Dataset, Example, LabelledSource, Source, Split
from lstm_jax.data.distinct import Distinct
from lstm_jax.data.labelled import LabelledTexts, PaddedTexts
from lstm_jax.data.padded import LabelledBatch
from lstm_jax.data.tables import LabelledTable
from lstm_jax.data.text.corpora import PythonDocumentation, TextFile, TextFiles
from lstm_jax.data.text.reviews import LabelledFolder, MovieReviews
from lstm_jax.data.text.vocabulary import Tokens, Vocabulary
from lstm_jax.data.tfds import TensorFlowDataset
from lstm_jax.data.windows import TextWindows, TokenWindows, WindowBatch

__all__ = [
    "SPLITS",
    "Data",
    "Dataset",
    "Distinct",
    "Example",
    "LabelledBatch",
    "LabelledFolder",
    "LabelledSource",
    "LabelledTable",
    "LabelledTexts",
    "MovieReviews",
    "PaddedTexts",
    "PythonDocumentation",
    "Source",
    "Split",
    "TensorFlowDataset",
    "TextFile",
    "TextFiles",
    "TextWindows",
    "TokenWindows",
    "Tokens",
    "Vocabulary",
    "WindowBatch",
]
