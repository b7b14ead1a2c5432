"""Where examples come from and how they become batches."""

from typing import Any

from lstm_jax.config.moved import refuse
from lstm_jax.data.base import Data, Dataset
from lstm_jax.data.distinct import Distinct
from lstm_jax.data.files import expand, numbered_lines
from lstm_jax.data.kinds import Classes, Features, Tokens, Values
from lstm_jax.data.labelled import LabelledTexts
from lstm_jax.data.padded import PaddedBatch, PaddedDataset
from lstm_jax.data.preprocessing import Encoded, Preprocessor, as_steps
from lstm_jax.data.sequences import PaddedSequences
from lstm_jax.data.series import (
    M4,
    DailyPrices,
    Panel,
    Scaling,
    SeriesBatch,
    SeriesDataset,
    SeriesPreprocessor,
    SeriesSource,
    SeriesTable,
    SeriesWindows,
    TimeSplit,
    keep,
)
from lstm_jax.data.sources import SPLITS, Example, LabelledSource, Source, Split
from lstm_jax.data.tables import LabelledTable
from lstm_jax.data.text.corpora import PythonDocumentation, TextFile, TextFiles, TextSource
from lstm_jax.data.text.preprocessors import LabelledTextPreprocessor, TextPreprocessor
from lstm_jax.data.text.reviews import LabelledFolder, MovieReviews
from lstm_jax.data.text.tokenization import Unit
from lstm_jax.data.text.vocabulary import Vocabulary
from lstm_jax.data.tfds import TensorFlowDataset
from lstm_jax.data.windows import TextWindows, TokenWindows, WindowBatch

__all__ = [
    "M4",
    "SPLITS",
    "Classes",
    "DailyPrices",
    "Data",
    "Dataset",
    "Distinct",
    "Encoded",
    "Example",
    "Features",
    "LabelledFolder",
    "LabelledSource",
    "LabelledTable",
    "LabelledTextPreprocessor",
    "LabelledTexts",
    "MovieReviews",
    "PaddedBatch",
    "PaddedDataset",
    "PaddedSequences",
    "Panel",
    "Preprocessor",
    "PythonDocumentation",
    "Scaling",
    "SeriesBatch",
    "SeriesDataset",
    "SeriesPreprocessor",
    "SeriesSource",
    "SeriesTable",
    "SeriesWindows",
    "Source",
    "Split",
    "TensorFlowDataset",
    "TextFile",
    "TextFiles",
    "TextPreprocessor",
    "TextSource",
    "TextWindows",
    "TimeSplit",
    "TokenWindows",
    "Tokens",
    "Unit",
    "Values",
    "Vocabulary",
    "WindowBatch",
    "as_steps",
    "expand",
    "keep",
    "numbered_lines",
]


def __getattr__(name: str) -> Any:
    raise refuse(__name__, name)
