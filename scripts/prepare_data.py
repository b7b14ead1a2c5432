"""Prepares a set of TensorFlow Datasets as array_record files, which lstm_jax reads.

    python scripts/prepare_data.py --name=tiny_shakespeare
    python scripts/prepare_data.py --name=imdb_reviews --archive_dir=~/Downloads
    python scripts/prepare_data.py --name=lm1b --data_dir=~/sets --archive_dir=~/Downloads

The set is downloaded. With `--archive_dir` it is not: what would be downloaded is taken from that
folder, each file under the name under which it is published. Checksums are verified either way.
Preparing needs TensorFlow (`PIP_CONSTRAINT=constraints.txt pip install -e '.[prepare]'`), except
for tiny_shakespeare and, with `--archive_dir`, for

    imdb_reviews      aclImdb_v1.tar.gz, or aclImdb_labelled.tar.xz and aclImdb_unsup.tar.xz
    glue/sst2         SST-2.zip, or train.tsv, dev.tsv and test.tsv
    trec              train_5500.label and TREC_10.label, or TREC.train and TREC.test
    ag_news_subset    ag_news_csv.tar.gz, or train.csv and test.csv

Reading a prepared set never needs it.

A set appears when it is whole: an interrupted preparation leaves none, and the same command starts
it anew. Where another process prepares the same set, this one waits for it. The same command on a
prepared set verifies it. What is printed for each split, SHA-256 of its examples in their order, is
the same wherever the set is prepared.
"""

import contextlib
import difflib
import functools
import importlib
import importlib.util
import os
import pathlib
import re
import sys
import types
from typing import Any

from absl import app, flags, logging

# The script belongs to a checkout, whose library it means, installed or not.
sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import _archives
import _prepared

from lstm_jax.config.values import suggestion
from lstm_jax.data.files import expand
from lstm_jax.errors import DataError, StorageError, UserError

_NAME = flags.DEFINE_string(
    "name", None, "A set with its configuration, such as lm1b or wikipedia/20230601.en."
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Where to put it. Default: $TFDS_DATA_DIR or ~/tensorflow_datasets."
)
_ARCHIVE_DIR = flags.DEFINE_string("archive_dir", None, "Download nothing: this folder has it all.")

_WITHOUT_TENSORFLOW = {"tiny_shakespeare"}
"""Sets of which the code uses TensorFlow only to open a file."""


def prepare(name: str, data_dir: str | None = None, archive_dir: str | None = None) -> str:
    """Prepares a set where it is not prepared yet, verifies it where it is, says what there is.

    Args:
        name: the set, with its configuration and version where wanted.
        data_dir: where to put it; None: the default of TensorFlow Datasets.
        archive_dir: a folder with all that would be downloaded; nothing is then.

    Raises:
        UserError: TensorFlow or another package is missing, or the name of a folder is no text.
        DataError: there is no such set, or its files are missing, damaged or of another format.
        StorageError: the disk is full or cannot be written.
    """
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import constants

    if not sys.stderr.isatty():
        tfds.disable_progress_bar()  # in a log file its bars are hundreds of lines
    root = expand(str(constants.DATA_DIR) if data_dir is None else data_dir)
    try:
        str(root).encode()
    except UnicodeEncodeError:
        # ArrayRecord's readers and writers take no other path.
        raise UserError(f"--data_dir={str(root)!r} is not UTF-8: choose another folder") from None
    if found := _find(name, root):
        return _verified(found)
    archive = None if archive_dir is None else _folder(archive_dir)
    readable = set() if archive is None else _archives.READERS.keys()
    short = name.split("/")[0].split(":")[0]
    if short not in {key.split("/")[0] for key in readable}:
        _require_tensorflow(name, short)
    workshop = _prepared.workshop(root, short)
    builder = _builder(name, workshop)
    if archive is not None and not _archives.use(builder, archive):
        _require_tensorflow(name, short)
        _refuse_downloads(builder, archive)
    target = root / pathlib.Path(builder.data_dir).relative_to(workshop)
    with _prepared.alone(root, short):
        if found := _find(name, root):
            return _verified(found)
        if target.exists():
            raise DataError(f"{target} is in the way and is not a prepared set: delete it")
        _write(builder, root, archive)
        digests = _prepared.record(builder)
        _prepared.publish(workshop, pathlib.Path(builder.data_dir), root)
    return _summary(builder, f"is prepared in {target}", digests)


def _find(name: str, root: pathlib.Path) -> Any:
    """The set as it is prepared there, or None."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import read_only_builder

    try:
        return read_only_builder.builder_from_files(name, data_dir=str(root))
    except tfds.core.DatasetNotFoundError:
        return None
    except Exception as error:  # Damaged files make it raise anything.
        raise DataError(f"{name}: {_first_line(error)} (in {root})") from None


def _verified(builder: Any) -> str:
    """What is prepared, after making sure of it."""
    if builder.info.file_format.value != "array_record":
        raise DataError(
            f"{builder.data_dir} is in the format {builder.info.file_format.value}, which cannot "
            "be read without TensorFlow: delete it or set another --data_dir"
        )
    state, digests = _prepared.verify(builder)
    return _summary(builder, f"was already prepared in {builder.data_dir}, {state}", digests)


def _summary(builder: Any, state: str, digests: dict[str, Any]) -> str:
    lines = [f"{builder.info.full_name} {state}"]
    for split, digest in digests["splits"].items():
        lines.append(f"{split}: {digest['examples']} examples, sha256 {digest['sha256']}")
    return "\n".join(lines)


def _folder(archive_dir: str) -> pathlib.Path:
    folder = expand(archive_dir)
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}")
    return folder


def _has_tensorflow() -> bool:
    return importlib.util.find_spec("tensorflow") is not None


def _require_tensorflow(name: str, short: str) -> None:
    """Fails where TensorFlow is missing and the set cannot be prepared without it."""
    if _has_tensorflow() or short in _WITHOUT_TENSORFLOW:
        return
    readable = {key.split("/")[0] for key in _archives.READERS}
    hint = ""
    if short in readable:
        hint = ", or give the folder that holds its files as --archive_dir"
    elif close := difflib.get_close_matches(short, _WITHOUT_TENSORFLOW | readable, 1):
        hint = f"; did you mean {close[0]!r}?"
    raise UserError(
        f"preparing {name} needs TensorFlow: "
        f"PIP_CONSTRAINT=constraints.txt pip install -e '.[prepare]'{hint}"
    )


def _builder(name: str, data_dir: pathlib.Path) -> Any:
    """The set's own code, which does not look for what is prepared."""
    import tensorflow_datasets as tfds

    for package in ("text", "summarization", "translate"):  # whose sets it finds only then
        importlib.import_module(f"tensorflow_datasets.{package}")
    try:
        builder = tfds.builder(name, data_dir=str(data_dir))
    except tfds.core.DatasetNotFoundError:
        names = tfds.list_builders(with_community_datasets=False)
        raise DataError(
            f"TensorFlow Datasets has no set {name!r}{suggestion(name.split('/')[0], names)}"
        ) from None
    except (ValueError, AssertionError) as error:
        raise DataError(f"{name}: {_first_line(error)}") from None
    if not _has_tensorflow():
        open_text = functools.partial(open, encoding="utf-8", newline="")
        gfile = types.SimpleNamespace(GFile=open_text, isdir=os.path.isdir)
        module: Any = sys.modules[type(builder).__module__]
        module.tf = types.SimpleNamespace(io=types.SimpleNamespace(gfile=gfile))
    return builder


def _refuse_downloads(builder: Any, folder: pathlib.Path) -> None:
    """Sees to it that a file missing from the folder is an error and not a download."""

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


def _write(builder: Any, root: pathlib.Path, archive: pathlib.Path | None) -> None:
    """Prepares the set where its code puts it; what is downloaded stays in `root`."""
    import requests
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError
    from tensorflow_datasets.core.download.extractor import ExtractError
    from tensorflow_datasets.core.download.util import DownloadError

    name = builder.info.full_name
    config = tfds.download.DownloadConfig(manual_dir=archive, try_download_gcs=False)
    try:
        with contextlib.redirect_stdout(None):  # it names the folder from which the set will move
            builder.download_and_prepare(
                # From an archive nothing is worth keeping: beside the set, to go with the workshop.
                download_dir=root / "downloads" if archive is None else None,
                download_config=config,
                file_format="array_record",
            )
    except (NonMatchingChecksumError, ExtractError, AssertionError) as error:
        raise DataError(f"{name}: {_first_line(error)}") from None
    except ImportError as error:
        raise UserError(f"preparing {name} needs another package: {error}") from None
    except (requests.RequestException, DownloadError) as error:
        raise DataError(
            f"cannot download {name} ({_first_line(error)}): get its files in another way and give "
            "their folder as --archive_dir"
        ) from None
    except (OSError, RuntimeError) as error:
        if re.search("not enough disk space|no space left", str(error), re.IGNORECASE):
            raise StorageError(f"cannot write {name} to {root}: the disk is full") from None
        raise DataError(f"cannot prepare {name}: {_first_line(error)}") from error


def _first_line(error: object) -> str:
    return str(error).strip().split("\n")[0].rstrip(":")


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
