"""Text from TensorFlow Datasets, read without TensorFlow."""

import dataclasses
import difflib
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from lstm_jax.data.base import SPLITS, Source, Split
from lstm_jax.data.text import expand
from lstm_jax.errors import DataError

_PIECE = 1024


@dataclasses.dataclass(frozen=True)
class TensorFlowDataset(Source):
    """A text set of TensorFlow Datasets, prepared once as array_record files.

    `scripts/prepare_data.py` prepares any of the sets that come with TensorFlow Datasets; for most
    of them it needs TensorFlow. Reading never does. A document is an example.

    See https://www.tensorflow.org/datasets/catalog/overview for the sets.
    """

    name: str = "tiny_shakespeare"
    """A set, with its configuration and version where wanted: `lm1b`, `wikipedia/20230601.en`."""
    data_dir: str | None = None
    """Where sets are prepared; `~` and `$VARIABLE` are replaced when it is read. None: the default
    of TensorFlow Datasets, which is `$TFDS_DATA_DIR` or `~/tensorflow_datasets`."""
    field: str = "text"
    """The part of an example that is its text."""
    splits: tuple[str, str, str] = ("train", "validation", "test")
    """What of the set is train, validation and test text, for example
    `("train[:99%]", "train[99%:]", "test")` where a set has no validation split."""

    def documents(self, split: Split) -> Iterator[str]:
        """The texts of the examples, in the order in which they were prepared."""
        builder = self._builder()
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
            texts = [example[self.field] for example in piece]
            if None in texts:  # How array_record gives a record that the file does not have.
                raise self._damaged(
                    builder.data_dir, f"record {begin + texts.index(None)} is missing"
                )
            yield from (text.decode(errors="replace") for text in texts)

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
        except ValueError as error:
            raise DataError(f"{self.name}: {_first_line(error)}") from None
        fields: Any = builder.info.features
        texts = [name for name in fields if isinstance(fields[name], features.Text)]
        if self.field not in texts:
            raise DataError(
                f"{self.name} has no field {self.field!r} of text{_nearest(self.field, texts)}"
            )
        return builder

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


def _first_line(error: object) -> str:
    return str(error).strip().split("\n")[0]


def _nearest(name: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, names, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; it has {', '.join(names) or 'none'}"
