"""Tables that programs write."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from lstm_jax.errors import ConfigError
from lstm_jax.files import replacing

_SUFFIXES = (".parquet", ".pq", ".csv")


def check_table(flag: str, path: str) -> None:
    """Makes sure that the name of a file says how it is written.

    Raises:
        ConfigError: it does not.
    """
    if not path.endswith(_SUFFIXES):
        raise ConfigError(f"{flag}: {path!r} must end with {', '.join(_SUFFIXES)}")


def write_table(table: pa.Table, path: Path) -> None:
    """Writes a table as the name of the file says; it appears when it is whole.

    Raises:
        StorageError: the disk is full or refuses to be written.
    """
    with replacing(path, is_shared=True) as file:
        if path.suffix == ".csv":
            pyarrow.csv.write_csv(table, file)
        else:
            pyarrow.parquet.write_table(table, file)
