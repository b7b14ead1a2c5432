"""Prepares a set of TensorFlow Datasets as array_record files, which lstm_jax reads.

    python scripts/prepare_data.py --name=tiny_shakespeare
    python scripts/prepare_data.py --name=lm1b --data_dir=~/sets --archive_dir=~/Downloads

The set is downloaded. With `--archive_dir` it is not: what would be downloaded is taken from that
folder, each file under the name under which it is published. Checksums are verified either way.
Preparing needs TensorFlow (`pip install -c constraints.txt -e '.[prepare]'`), except for
tiny_shakespeare. Reading never does.

An interrupted preparation leaves no set behind, only files that the next one does not look at: run
the same command again.
"""

import difflib
import errno
import functools
import importlib.util
import os
import pathlib
import sys
import types
from collections.abc import Iterable
from typing import Any

from absl import app, flags, logging

# The script belongs to a checkout, whose library it means, installed or not.
sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from lstm_jax.data.text import expand
from lstm_jax.errors import DataError, StorageError, UserError

_NAME = flags.DEFINE_string(
    "name", None, "A set with its configuration, such as lm1b or wikipedia/20230601.en."
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Where to put it. Default: $TFDS_DATA_DIR or ~/tensorflow_datasets."
)
_ARCHIVE_DIR = flags.DEFINE_string("archive_dir", None, "Download nothing: this folder has it all.")

_WITHOUT_TENSORFLOW = ("tiny_shakespeare",)
"""Sets of which the code uses TensorFlow only to open a file."""


def prepare(name: str, data_dir: str | None = None, archive_dir: str | None = None) -> str:
    """Prepares a set where it is not prepared yet and says in one line what there is.

    Args:
        name: the set, with its configuration and version where wanted.
        data_dir: where to put it; None: the default of TensorFlow Datasets.
        archive_dir: a folder with all that would be downloaded; nothing is then.

    Raises:
        UserError: TensorFlow is missing.
        DataError: there is no such set, or its files are missing, damaged or of another format.
        StorageError: the disk is full.
    """
    import requests
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import constants, read_only_builder
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError
    from tensorflow_datasets.core.download.extractor import ExtractError
    from tensorflow_datasets.core.download.util import DownloadError

    root = constants.DATA_DIR if data_dir is None else str(expand(data_dir))
    try:
        found = read_only_builder.builder_from_files(name, data_dir=root)
        return _summary(found, "was already prepared")
    except tfds.core.DatasetNotFoundError:
        pass
    except ValueError as error:
        raise DataError(f"{name}: {_first_line(error)}") from None

    if not sys.stderr.isatty():
        tfds.disable_progress_bar()  # in a log file its bars are hundreds of lines
    _require_tensorflow(name)
    builder = _builder(name, root)
    archive = None if archive_dir is None else _use_archive(builder, archive_dir)
    for leftover in builder.data_path.parent.glob(f"{constants.INCOMPLETE_PREFIX}*"):
        print(f"{leftover} is left over from an interrupted preparation and can be deleted")
    config = tfds.download.DownloadConfig(manual_dir=archive, try_download_gcs=False)
    try:
        builder.download_and_prepare(file_format="array_record", download_config=config)
    except (NonMatchingChecksumError, ExtractError, AssertionError) as error:
        raise DataError(f"{name}: {_first_line(error)}") from None
    except ImportError as error:
        raise UserError(f"preparing {name} needs another package: {error}") from None
    except (requests.RequestException, DownloadError) as error:
        raise DataError(
            f"cannot download {name} ({_first_line(error)}): get its files in another way and give "
            "their folder as --archive_dir"
        ) from None
    except OSError as error:
        if error.errno == errno.ENOSPC or "Not enough disk space" in str(error):
            raise StorageError(f"cannot write {name} to {root}: the disk is full") from None
        raise DataError(f"cannot prepare {name}: {error}") from None
    return _summary(builder, "is prepared")


def _has_tensorflow() -> bool:
    return importlib.util.find_spec("tensorflow") is not None


def _require_tensorflow(name: str) -> None:
    """Fails where TensorFlow is missing and the set cannot be prepared without it."""
    if _has_tensorflow():
        return
    if name.split("/")[0].split(":")[0] not in _WITHOUT_TENSORFLOW:
        raise UserError(
            f"preparing {name} needs TensorFlow: pip install -c constraints.txt -e '.[prepare]'"
            f"{_nearest(name, _WITHOUT_TENSORFLOW)}"
        )


def _builder(name: str, data_dir: str) -> Any:
    """The set's own code."""
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError:
        names = tfds.list_builders(with_community_datasets=False)
        raise DataError(
            f"TensorFlow Datasets has no set {name!r}{_nearest(name.split('/')[0], names)}"
        ) from None
    except (ValueError, AssertionError) as error:
        raise DataError(f"{name}: {_first_line(error)}") from None
    if not _has_tensorflow():
        open_text = functools.partial(open, encoding="utf-8", newline="")
        gfile = types.SimpleNamespace(GFile=open_text, isdir=os.path.isdir)
        module: Any = sys.modules[type(builder).__module__]
        module.tf = types.SimpleNamespace(io=types.SimpleNamespace(gfile=gfile))
    return builder


def _use_archive(builder: Any, archive_dir: str) -> pathlib.Path:
    """The folder, after seeing to it that a file missing there is an error and not a download."""
    folder = expand(archive_dir)
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}")

    def refuse(resource: Any) -> None:
        known = (builder.url_infos or {}).get(resource.url)
        if known is None or not known.filename:
            raise DataError(f"{builder.name} needs {resource.url}: run without --archive_dir")
        name = known.filename
        raise DataError(f"{folder} has no file {name}, which {builder.name} needs: {resource.url}")

    def make_manager(**options: Any) -> Any:
        manager = make(**options)
        manager._download = refuse  # called for what is neither in the folder nor downloaded yet
        return manager

    make, builder._make_download_manager = builder._make_download_manager, make_manager
    return folder


def _summary(builder: Any, state: str) -> str:
    if builder.info.file_format.value != "array_record":
        raise DataError(
            f"{builder.data_dir} is in the format {builder.info.file_format.value}, which cannot "
            "be read without TensorFlow: delete it or set another --data_dir"
        )
    counts = ", ".join(f"{k} {s.num_examples}" for k, s in builder.info.splits.items())
    return f"{builder.info.full_name} {state} in {builder.data_dir}; examples: {counts}"


def _first_line(error: object) -> str:
    return str(error).strip().split("\n")[0].rstrip(":")


def _nearest(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, names, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def main(argv: list[str]) -> None:
    """Prepares what the flags name."""
    logging.set_verbosity(logging.WARNING)
    try:
        if len(argv) > 1:
            raise UserError(f"unexpected argument {argv[1]!r}: the set is given as --name")
        if not _NAME.value:
            raise UserError("which set? Give its --name, for example --name=tiny_shakespeare")
        print(prepare(_NAME.value, _DATA_DIR.value, _ARCHIVE_DIR.value))
    except (UserError, StorageError) as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted: run the same command again", file=sys.stderr)
        sys.exit(130)


def _parse(argv: list[str]) -> list[str]:
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        print(str(error).replace("\n", " "), file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    app.run(main, flags_parser=_parse)
