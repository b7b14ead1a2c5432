"""Classifies texts with a trained classifier: a text a line in, a JSON object a line out.

    python -m experiments.predict --workdir=runs/sentiment --input=reviews.txt --output=labels.jsonl
    echo "a great film" | python -m experiments.predict --workdir=runs/sentiment

An object has the `text`, its `label` and the `probabilities` of all classes. An input whose name
ends in `.jsonl`, `.json`, `.csv` or `.tsv` (or one of these and `.gz`) is a table, whose column
`--text` is classified.
"""

import codecs
import contextlib
import itertools
import json
import pathlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from absl import flags

import lstm_jax
from lstm_jax.data.files import decode, expand, numbered_lines
from lstm_jax.data.tables import is_table, read_texts
from lstm_jax.errors import DataError
from lstm_jax.files import replacing
from lstm_jax.programs import program
from lstm_jax.programs.trained import RunFlags
from lstm_jax.runtime.memory import keep_freed_memory

_FLAGS = flags.FlagValues()
_RUN = RunFlags(_FLAGS)
_INPUT = flags.DEFINE_string(
    "input", "-", "File of texts, one a line; - is standard input.", flag_values=_FLAGS
)
_OUTPUT = flags.DEFINE_string(
    "output", "-", "File of JSON lines; - is standard output.", flag_values=_FLAGS
)
_TEXT = flags.DEFINE_string(
    "text", "text", "In an input that is a table, the column of texts.", flag_values=_FLAGS
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Texts side by side.", flag_values=_FLAGS)

_PIECE = 25_000
"""Texts that are in memory at once."""


def main() -> None:
    """Loads, reads, classifies, writes."""
    keep_freed_memory()
    run = _RUN.load_unchanged()
    texts = _texts(_INPUT.value)
    # Who reads a pipe may have enough before the end: that is no mistake.
    with contextlib.suppress(BrokenPipeError):
        if _OUTPUT.value == "-":
            with program.standard_output() as file:
                _classify(run, texts, file)
            return
        # A file appears when it is whole: after a mistake an old one is as it was.
        with replacing(expand(_OUTPUT.value), is_shared=True) as file:
            _classify(run, texts, codecs.getwriter("utf-8")(file))


def _classify(run: lstm_jax.Run, texts: Iterator[str], file: Any) -> None:
    while piece := list(itertools.islice(texts, _PIECE)):
        predictions = run.predict(piece, batch_size=_BATCH_SIZE.value)
        for text, prediction in zip(piece, predictions, strict=True):
            record = {"text": text, **prediction._asdict()}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
        file.flush()


def _texts(name: str) -> Iterator[str]:
    """The texts of the input.

    Raises:
        DataError: it cannot be read, is empty, or a line of it is malformed.
    """
    if is_table(name):
        return read_texts(name, _TEXT.value)
    lines = _standard_input() if name == "-" else numbered_lines(expand(name))
    return (line.removesuffix("\n") for line in _not_empty(lines, name))


def _not_empty(lines: Iterable[tuple[int, str]], name: str) -> Iterator[str]:
    empty = True
    for _, line in lines:
        empty = False
        yield line
    if empty:
        raise DataError(f"{'standard input' if name == '-' else name} is empty")


def _standard_input() -> Iterator[tuple[int, str]]:
    for number, line in enumerate(sys.stdin.buffer, start=1):
        yield number, decode(line, pathlib.Path("standard input"), number - 1)


def run() -> None:
    """Runs the program on the flags of the command line."""
    program.run(main, _FLAGS)
