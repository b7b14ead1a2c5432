"""Tables with commas or tabs between fields, read column by column."""

import csv
import pathlib
import re
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.csv

from lstm_jax.data.files import numbered_lines
from lstm_jax.errors import DataError

MISSING = ("", "nan", "NaN", "null", "NULL")
"""What stands where there is no number."""

_SAMPLE = 1 << 20
"""Bytes by which the types of columns are told."""
_NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|(?i:[+-]?(inf|infinity|nan))|null|NULL|")


class Delimited:
    """A file `.csv` or `.tsv`, also `.gz`, whose first line names the columns.

    Fields are as in `lstm_jax.data.LabelledTable`. Numbers are read as float64.

    Raises:
        DataError: the file is missing, unreadable, empty, or has no rows.
    """

    def __init__(self, path: pathlib.Path):
        self.path = path
        self._is_tsv = ".tsv" in path.name.lower()[-len(".tsv.gz") :]
        rows = self._rows()
        self.names = next(rows)[1]
        if next(rows, None) is None:
            raise DataError(f"{path} has a header and no rows: nothing can be learned from it")
        if len(self.names) == 1 and ";" in self.names[0]:
            raise DataError(f"{path} has one column, {self.names[0]!r}: separate fields by commas")

    def sample(self) -> pa.Table:
        """The first rows of all columns, their types as the fields look."""
        options = pyarrow.csv.ReadOptions(block_size=_SAMPLE)
        # Else 1 and True in one column would be of one kind.
        convert = pyarrow.csv.ConvertOptions(null_values=MISSING, true_values=[], false_values=[])
        try:
            with pyarrow.csv.open_csv(
                self.path, options, self._format, convert_options=convert
            ) as reader:
                return pa.Table.from_batches([reader.read_next_batch()])
        except (pa.ArrowInvalid, OSError) as error:
            raise self._diagnosed(error, (), None) from None

    def read(self, texts: Sequence[str], numbers: Sequence[str], item: str | None) -> pa.Table:
        """Columns as text and columns as float64, null where there is no number.

        Args:
            texts: names of columns.
            numbers: names of columns.
            item: the column that says which series a row is of, for error messages.

        Raises:
            DataError: a field is no number, or a row has too few or too many; names the row.
        """
        types = dict.fromkeys(texts, pa.large_string()) | dict.fromkeys(numbers, pa.float64())
        convert = pyarrow.csv.ConvertOptions(
            column_types=types, include_columns=list(types), null_values=MISSING
        )
        try:
            return pyarrow.csv.read_csv(
                self.path, parse_options=self._format, convert_options=convert
            )
        except (pa.ArrowInvalid, OSError) as error:
            raise self._diagnosed(error, numbers, item) from None

    def number(self, row: int) -> int:
        """The line of the file that row `row`, counted from 0 on, begins in."""
        return next(line for count, (line, _) in enumerate(self._rows(), -1) if count == row)

    @property
    def _format(self) -> pyarrow.csv.ParseOptions:
        if self._is_tsv:
            return pyarrow.csv.ParseOptions(delimiter="\t", quote_char=False)
        return pyarrow.csv.ParseOptions()

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """The fields of the header and of each row that is not empty, and the line of each."""
        lines = (text for _, text in numbered_lines(self.path))
        quoting = csv.QUOTE_NONE if self._is_tsv else csv.QUOTE_MINIMAL
        reader = csv.reader(lines, delimiter="\t" if self._is_tsv else ",", quoting=quoting)
        line = 1
        try:
            for row in reader:
                if row:
                    yield line, row
                line = reader.line_num + 1
        except csv.Error as error:
            raise DataError(f"{self.path}, row {line}: malformed: {error}") from None

    def _diagnosed(self, error: Exception, numbers: Sequence[str], item: str | None) -> DataError:
        """What Arrow could not read, found again with its place."""
        places = [self.names.index(name) for name in numbers]
        for line, row in self._rows():
            of = "" if item is None else f", item {row[self.names.index(item)]!r}"
            if len(row) != len(self.names):
                return DataError(
                    f"{self.path}, row {line}: {len(self.names)} fields as in the header are "
                    f"needed, got {len(row)}: mend the row"
                )
            for place in places if line > 1 else ():
                if not is_number(row[place]):
                    return DataError(
                        f"{self.path}{of}, row {line}: {row[place]!r} in column "
                        f"{self.names[place]!r} is no number: {advice(row[place])}"
                    )
        return DataError(f"{self.path} cannot be read: {str(error).splitlines()[0]}")


def is_number(text: str) -> bool:
    """Whether a field is a number, or says that there is none.

    >>> [is_number(text) for text in ("-1.5e3", "", "NaN", "n/a", "1,5")]
    [True, True, True, False, False]
    """
    return _NUMBER.fullmatch(text.strip()) is not None


def advice(text: str) -> str:
    """What to do about text where a number should be.

    >>> advice("1,5"), advice("True")
    ('write decimals with a point', 'write 1 and 0')
    """
    if text.strip().lower() in ("true", "false", "yes", "no"):
        return "write 1 and 0"
    if re.fullmatch(r"\s*[+-]?[\d.]*,\d+\s*", text):
        return "write decimals with a point"
    return "leave it empty where there is no value, or leave the column out by values="
