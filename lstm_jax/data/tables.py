"""Labelled text from tables: tab-separated, comma-separated, or JSON objects, one a line."""

import csv
import dataclasses
import json
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from lstm_jax.config.values import suggestion
from lstm_jax.data.files import expand, numbered_lines
from lstm_jax.data.held_out import Comparison, check_share, nested_split_of, split_of
from lstm_jax.data.sources import ClassOrder, Example, LabelledSource, Split, in_order
from lstm_jax.errors import ConfigError, DataError

_LONGEST_FIELD = 1 << 30
_JSON_NAMES = {type(None): "null", bool: "a boolean", int: "a number", float: "a number"}
_JSON_NAMES |= {str: "a string", list: "a list", dict: "an object"}


@dataclasses.dataclass(frozen=True)
class LabelledTable(LabelledSource):
    r"""Files whose rows have a text and a label in named columns.

    The end of a file's name says how it is read, with `.gz` behind it also compressed:

    - `.tsv`: the first line names the columns; every tab separates and a quotation mark is text, as
      in the files of GLUE
    - `.csv`: the first line names the columns; a field in quotation marks may hold commas, line
      ends and, doubled, quotation marks (RFC 4180)
    - `.jsonl`, `.json`: an object on every line, whose text is a string and whose label a string,
      an integer or a boolean (`false` and `true`)

    Lines that are empty are skipped. A row whose label is empty or null is unlabelled.

    SST-2, as GLUE distributes it:

        LabelledTable("sst2/train.tsv", test="sst2/dev.tsv", text="sentence", nested=True)

    Raises:
        ConfigError: a suffix, the encoding, the classes or the share is not as described.
    """

    BEFORE: ClassVar[Mapping[str, Any]] = {"compared_by": "words", "class_order": "text"}

    train: str
    """The file to train on; here as below, `~` and `$VARIABLE` are replaced when it is read."""
    validation: str | None = None
    """The file to validate with. None: a share of the training file is held out."""
    test: str | None = None
    """The file to test with. None: a share of the training file is held out."""
    text: str = "text"
    """The column that holds the text."""
    label: str | None = "label"
    """The column that holds the label. None: the texts have none, for a language model."""
    classes: tuple[str, ...] | None = None
    """The labels in the order of their ids; any other one is refused. None: the labels of the
    training file in the order of `class_order`."""
    encoding: str = "utf-8"
    """How the files are encoded, for example `latin-1`."""
    held_out: float = 0.08
    """The share of the training file's texts that is held out for each split without a file. What
    a text says decides (`lstm_jax.data.held_out`), so equal texts are in the same split."""
    nested: bool = False
    """Whether some texts of the training file are parts of others, as the phrases of SST-2: where
    a split is held out, a part then goes with the texts that it stands in."""
    compared_by: Comparison = "text"
    """What makes two texts equal where texts are held out."""
    class_order: ClassOrder = "value"
    """How classes are numbered whose order is not given."""

    def __post_init__(self):
        for path in (self.train, self.validation, self.test):
            if path is not None:
                _reader(path)
        check_share("held_out", self.held_out)
        if self.classes is not None and (
            not self.classes or len(set(self.classes)) < len(self.classes) or "" in self.classes
        ):
            raise ConfigError(f"classes must be names, none twice, got {self.classes}")
        try:
            line_ends_with_a_byte = "\n".encode(self.encoding) == b"\n"
        except (LookupError, UnicodeError):
            raise ConfigError(f"there is no encoding {self.encoding!r}; try 'utf-8'") from None
        if not line_ends_with_a_byte:
            raise ConfigError(
                f"text in {self.encoding} cannot be read by lines: convert it to utf-8"
            )

    def class_names(self) -> tuple[str, ...]:
        """`classes`, or the labels of the training file in the order of `class_order`."""
        if self.classes is not None:
            return self.classes
        if self.label is None:
            raise DataError(f"{expand(self.train)} is read without labels: set `label`")
        labels = {example.target for example in self._rows(self.train)}
        if not (names := in_order((one for one in labels if one is not None), self.class_order)):
            raise DataError(f"{expand(self.train)} has no label in column {self.label!r}")
        return names

    def examples(self, split: Split) -> Iterator[Example]:
        """The rows of a split in the order of the file."""
        file = {"train": None, "validation": self.validation, "test": self.test}[split]
        if file is not None:
            yield from self._rows(file, None if self.label is None else self.class_names())
            return
        belongs_to, empty = self._held_out(), True
        for example in self._rows(self.train, self.classes):
            if belongs_to(example.inputs) == split:
                empty = False
                yield example
        if empty:
            raise DataError(
                f"{expand(self.train)} has too few texts to hold some out: none is in {split}; "
                "name a file for each split, or change held_out"
            )

    def _held_out(self) -> Callable[[str], Split]:
        validation = self.held_out if self.validation is None else 0.0
        test = self.held_out if self.test is None else 0.0
        if self.nested and validation + test > 0:
            texts = (example.inputs for example in self._rows(self.train))
            return nested_split_of(texts, validation, test, self.compared_by)
        return lambda text: split_of(text, validation, test, self.compared_by)

    def _rows(self, file: str, classes: tuple[str, ...] | None = None) -> Iterator[Example]:
        """All rows of a file; a label that is not in `classes`, if given, is refused."""
        path = expand(file)
        known = None if classes is None else set(classes)
        columns = (self.text,) if self.label is None else (self.text, self.label)
        for line, (text, *given) in _reader(file)(path, columns, self.encoding):
            place = f"{path}, line {line}"
            _check_text(text, self.text, place)
            label = self._label(given[0], place) if given else None
            if label is not None and known is not None and label not in known:
                raise DataError(
                    f"{place}: the label {label!r} is not one of the classes"
                    f"{suggestion(label, known)}"
                )
            yield Example(text, label, place)

    def _label(self, given: Any, place: str) -> str | None:
        if isinstance(given, bool):
            return "true" if given else "false"
        if given is not None and not isinstance(given, str | int):
            raise DataError(
                f"{place}: {self.label!r} must be a string, an integer or a boolean, got "
                f"{given if isinstance(given, float) else _kind(given)}"
            )
        return None if given is None else str(given).strip() or None


def is_table(path: str) -> bool:
    """Whether the name of a file says that it is a table."""
    return pathlib.PurePath(path.removesuffix(".gz")).suffix in _READERS


def read_texts(path: str, column: str) -> Iterator[str]:
    """The texts of one column of a table; see `LabelledTable` for its formats.

    Raises:
        DataError: the file cannot be read, or a row of it is malformed.
    """
    file = expand(path)
    for line, (text,) in _reader(path)(file, (column,), "utf-8"):
        _check_text(text, column, f"{file}, line {line}")
        yield text


def _check_text(text: Any, column: str, place: str) -> None:
    if not isinstance(text, str):
        raise DataError(f"{place}: {column!r} must be a string, got {_kind(text)}")


_Reader = Callable[[pathlib.Path, Sequence[str], str], Iterator[tuple[int, list[Any]]]]


def _reader(path: str) -> _Reader:
    """What reads a file of this name: rows of (number of the first line, values of the columns)."""
    if not is_table(path):
        raise ConfigError(f"{path!r} must end with {', '.join(_READERS)}, or one of these and .gz")
    return _READERS[pathlib.PurePath(path.removesuffix(".gz")).suffix]


def _read_tsv(path: pathlib.Path, columns: Sequence[str], encoding: str):
    lines = numbered_lines(path, encoding)
    rows = ((number, line.removesuffix("\n")) for number, line in lines)
    return _pick(path, columns, ((number, line.split("\t")) for number, line in rows if line))


def _read_csv(path: pathlib.Path, columns: Sequence[str], encoding: str):
    return _pick(path, columns, _csv_rows(path, encoding))


def _csv_rows(path: pathlib.Path, encoding: str) -> Iterator[tuple[int, list[str]]]:
    # Python refuses fields above 131,072 characters unless told otherwise, for all readers at once.
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_FIELD))
    reader = csv.reader((line for _, line in numbered_lines(path, encoding)), strict=True)
    while True:
        first_line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            reason = str(error).split(" - ")[0]  # Behind it comes advice to Python programmers.
            raise DataError(f"{path}, line {first_line}: malformed CSV: {reason}") from None
        if row is None:
            return
        if row:
            yield first_line, row


def _pick(
    path: pathlib.Path, columns: Sequence[str], rows: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    """The values of `columns` in the rows that follow the header."""
    line, header = next(rows)  # There is one: an empty file has been refused.
    for name in columns:
        if name not in header:
            raise DataError(f"{path}, line {line}: no column {name!r}{suggestion(name, header)}")
        if header.count(name) > 1:
            raise DataError(f"{path}, line {line}: {header.count(name)} columns are named {name!r}")
    places = [header.index(name) for name in columns]
    empty = True
    for line, row in rows:
        if len(row) != len(header):
            raise DataError(
                f"{path}, line {line}: expected {len(header)} fields as in the header, "
                f"got {len(row)}"
            )
        empty = False
        yield line, [row[place] for place in places]
    if empty:
        raise DataError(f"{path} has a header and no rows")


def _read_json_lines(
    path: pathlib.Path, columns: Sequence[str], encoding: str
) -> Iterator[tuple[int, list[Any]]]:
    for line, content in numbered_lines(path, encoding):
        if not content.strip():
            continue
        place = f"{path}, line {line}"
        try:
            row = json.loads(content)
        except json.JSONDecodeError as error:
            raise DataError(f"{place}, column {error.colno}: malformed JSON: {error.msg}") from None
        except (ValueError, RecursionError) as error:  # A number, or a nesting, without end.
            raise DataError(f"{place}: malformed JSON: {error}") from None
        if not isinstance(row, dict):
            raise DataError(f"{place}: expected a JSON object on every line, got {_kind(row)}")
        for name in columns:
            if name not in row:
                raise DataError(f"{place}: no field {name!r}{suggestion(name, row)}")
            if isinstance(row[name], str) and not _is_unicode(row[name]):
                raise DataError(f"{place}: {name!r} has half a surrogate pair (\\ud800 to \\udfff)")
        yield line, [row[name] for name in columns]


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: Any) -> str:
    return _JSON_NAMES[type(value)]


_READERS: dict[str, _Reader] = {
    ".tsv": _read_tsv,
    ".csv": _read_csv,
    ".jsonl": _read_json_lines,
    ".json": _read_json_lines,
}
