"""Text from TensorFlow Datasets, read without TensorFlow."""

import dataclasses
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from lstm_jax.config.values import suggestion
from lstm_jax.data.files import expand
from lstm_jax.data.sources import SPLITS, ClassOrder, Example, LabelledSource, Split, in_order
from lstm_jax.errors import DataError

_PIECE = 1024


@dataclasses.dataclass(frozen=True)
class TensorFlowDataset(LabelledSource):
    """A text set of TensorFlow Datasets, prepared once as array_record files.

    `scripts/prepare_data.py` prepares any of the sets that come with TensorFlow Datasets; for many
    of them it needs TensorFlow. Reading never does. A document is an example.

    Sets of text alone, and sets of text and labels:

        TensorFlowDataset("lm1b", splits=("train[:99%]", "train[99%:]", "test"))
        TensorFlowDataset("imdb_reviews", splits=("train[:92%]", "train[92%:]", "test"))
        TensorFlowDataset("glue/sst2", field="sentence")
        TensorFlowDataset("ag_news_subset", field="description", splits=...)
        TensorFlowDataset("trec", label="label-coarse", splits=...)

    See https://www.tensorflow.org/datasets/catalog/overview for the sets and their fields.
    """

    BEFORE: ClassVar[Mapping[str, Any]] = {"class_order": "text"}

    name: str = "tiny_shakespeare"
    """A set, with its configuration and version where wanted: `lm1b`, `wikipedia/20230601.en`."""
    data_dir: str | None = None
    """Where sets are prepared; `~` and `$VARIABLE` are replaced when it is read. None: the default
    of TensorFlow Datasets, which is `$TFDS_DATA_DIR` or `~/tensorflow_datasets`."""
    field: str = "text"
    """The part of an example that is its text."""
    splits: tuple[str, str, str] = ("train", "validation", "test")
    """What of the set is train, validation and test text, for example
    `("train[:92%]+unsupervised[2%:]", "train[92%:]", "test")`: parts of splits, and sums of them.
    Percents are rounded alike on both sides, so that `[:92%]` and `[92%:]` share no example."""
    label: str | None = "label"
    """The part of an example that is its class: a class, an integer or a string. None, and `label`
    where a set has no such part: its examples have no labels."""
    class_order: ClassOrder = "value"
    """How classes are numbered that are strings without an order of their own."""

    def examples(self, split: Split) -> Iterator[Example]:
        """The examples in the order in which they were prepared; a label of -1 means none.

        A place is `imdb_reviews train[:92%], example 17`, where the first example is number 0.

        Raises:
            DataError: the set is not prepared or damaged, has no such split, text or label, or a
                label is outside its classes.
        """
        builder = self._builder()
        feature = self._label_feature(builder)
        names = _names(feature)
        where = f"{self.name} {self.splits[SPLITS.index(split)]}, example"
        for index, example in enumerate(self._records(builder, split)):
            place = f"{where} {index}"
            text = _decode(example[self.field], place)
            label = None if feature is None else _label(example[self.label], names, place)
            yield Example(text, label, place)

    def class_names(self) -> tuple[str, ...]:
        """The names that the set gives its classes, in the order of their ids.

        Where it gives none, the labels of the training examples: numbers by value, others by
        alphabet.

        Raises:
            DataError: the set is read without labels; else as `examples`.
        """
        feature = self._label_feature(builder := self._builder())
        if feature is None:
            raise DataError(
                f"{self.name} is read without labels: which part of an example is its class? "
                f"Set `label`{suggestion(self.label or '', self._label_names(builder))}"
            )
        if names := _names(feature):
            return names
        labels = {example.target for example in self.examples("train")}
        by = self.class_order if _kind(feature) == "O" else "value"
        return in_order((one for one in labels if one is not None), by)

    def _records(self, builder: Any, split: Split) -> Iterator[dict[str | None, Any]]:
        """The examples of a split as dicts, in which text is bytes."""
        try:
            records = builder.as_data_source(self.splits[SPLITS.index(split)])
        except NotImplementedError:
            raise DataError(
                f"{builder.data_dir} is not in the format array_record: delete it or set another "
                f"data_dir, and run `{self._command()}`"
            ) from None
        except ValueError as error:
            raise DataError(f"{self.name}: {_first_line(error)} (the field `splits`)") from None
        for begin in range(0, len(records), _PIECE):
            try:
                # One call for many records: ten times faster than one by one.
                piece = records.__getitems__(range(begin, min(begin + _PIECE, len(records))))
            except RuntimeError as error:
                raise self._damaged(builder.data_dir, error) from None
            for index, example in enumerate(piece, begin):
                if example[self.field] is None:  # a record that the file does not have
                    raise self._damaged(builder.data_dir, f"record {index} is missing")
                yield example

    def _builder(self) -> Any:
        """The set as it was prepared, from its files alone: the code of a set may need TensorFlow.

        TensorFlow Datasets is imported here and not above: it takes half a second.
        """
        from tensorflow_datasets import features
        from tensorflow_datasets.core import DatasetNotFoundError, constants, read_only_builder

        data_dir = constants.DATA_DIR if self.data_dir is None else str(expand(self.data_dir))
        try:
            builder = read_only_builder.builder_from_files(self.name, data_dir=data_dir)
        except DatasetNotFoundError:
            raise DataError(
                f"{self.name} is not prepared in {data_dir}: run `{self._command()}`"
            ) from None
        except Exception as error:  # Damaged files make it raise anything.
            raise DataError(f"{self.name}: {_first_line(error)} (in {data_dir})") from None
        fields: Any = builder.info.features
        texts = [name for name in fields if isinstance(fields[name], features.Text)]
        if self.field not in texts:
            raise DataError(
                f"{self.name} has no field {self.field!r} of text{suggestion(self.field, texts)}"
            )
        return builder

    def _label_feature(self, builder: Any) -> Any:
        """The feature that holds the label, or None."""
        fields = builder.info.features
        if self.label is None or (self.label == "label" and "label" not in fields):
            return None
        names = self._label_names(builder)
        if self.label not in names:
            message = f"{self.name} has no field {self.label!r} of classes"
            raise DataError(message + suggestion(self.label, names))
        return fields[self.label]

    def _label_names(self, builder: Any) -> list[str]:
        """The fields that can be labels."""
        fields = builder.info.features
        return [name for name in fields if name != self.field and _is_label(fields[name])]

    def _damaged(self, directory: str, problem: object) -> DataError:
        return DataError(
            f"{directory} is damaged ({_first_line(problem)}): delete it and run "
            f"`{self._command()}`"
        )

    def _command(self) -> str:
        options = [f"--name={self.name}"]
        if self.data_dir is not None:
            options.append(f"--data_dir={self.data_dir}")
        return shlex.join(["python", "scripts/prepare_data.py", *options])


def _is_label(feature: Any) -> bool:
    """Whether it is one class, integer, truth value or string."""
    from tensorflow_datasets import features

    scalar = isinstance(feature, features.Tensor) and feature.shape == ()
    return scalar and _kind(feature) in "biuO"


def _kind(feature: Any) -> str:
    """NumPy's letter for the type of a value: "i" an integer, "O" a string."""
    return np.dtype(feature.np_dtype).kind


def _names(feature: Any) -> tuple[str, ...] | None:
    """The classes that a feature has, None where it does not say."""
    return tuple(feature.names) if getattr(feature, "num_classes", None) else None


def _decode(value: bytes, place: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise DataError(f"{place}: not UTF-8 text") from None


def _label(value: Any, names: tuple[str, ...] | None, place: str) -> str | None:
    """The name of a class from the value that stands for it."""
    if isinstance(value, bytes):
        return _decode(value, place)
    label = int(value)
    if label == -1:
        return None
    if names is None:
        return str(label)
    if not 0 <= label < len(names):
        raise DataError(f"{place}: the label {label} is outside the {len(names)} classes")
    return names[label]


def _first_line(error: object) -> str:
    return str(error).strip().split("\n")[0]
