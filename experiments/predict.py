"""Classifies texts with a trained classifier: a text a line in, a JSON object a line out.

    python -m experiments.predict --workdir=runs/sentiment --input=reviews.txt --output=labels.jsonl
    echo "a great film" | python -m experiments.predict --workdir=runs/sentiment

An object has the `text`, its `label` and the `probabilities` of all classes. An input whose name
ends in `.jsonl` holds an object a line, whose field `--text` is classified.
"""

import itertools
import json
import pathlib
import sys
from collections.abc import Iterable, Iterator
from typing import IO

from absl import flags

import lstm_jax
from experiments import program
from lstm_jax.data.files import decode, expand, numbered_lines
from lstm_jax.errors import ConfigError, DataError
from lstm_jax.files import storage_error
from lstm_jax.memory import keep_freed_memory

_WORKDIR = flags.DEFINE_string("workdir", None, "Run directory.")
_STEP = flags.DEFINE_string("step", None, "A step that is kept, best (the default) or latest.")
_INPUT = flags.DEFINE_string("input", "-", "File of texts, one a line; - is standard input.")
_OUTPUT = flags.DEFINE_string("output", "-", "File of JSON lines; - is standard output.")
_TEXT = flags.DEFINE_string("text", "text", "In an input of JSON lines, the field of the text.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Texts side by side.")
_TRUST = flags.DEFINE_list("trust", [], "Packages whose classes the config may use.")

_PIECE = 25_000
"""Texts that are in memory at once."""


def main() -> None:
    """Loads, reads, classifies, writes."""
    if _WORKDIR.value is None:
        raise ConfigError("--workdir is missing: give the directory of a run")
    if changes := program.config_changes():
        raise ConfigError(f"--config.{next(iter(changes))}: a trained model cannot be changed")
    keep_freed_memory()
    run = lstm_jax.load(_WORKDIR.value, program.parse_step(_STEP.value), _TRUST.value)
    texts = _texts(_INPUT.value, _TEXT.value)
    # The first text is read before the output is opened, so that a mistake leaves an old one alone.
    first = list(itertools.islice(texts, 1))
    run.predict(first, batch_size=_BATCH_SIZE.value)
    rest = itertools.chain(first, texts)
    if _OUTPUT.value == "-":
        _classify(run, rest, sys.stdout)
        return
    path = expand(_OUTPUT.value)
    try:
        with path.open("w", encoding="utf-8") as file:
            _classify(run, rest, file)
    except OSError as error:
        raise storage_error(path, error) from error


def _classify(run: lstm_jax.Run, texts: Iterable[str], file: IO[str]) -> None:
    texts = iter(texts)
    while piece := list(itertools.islice(texts, _PIECE)):
        predictions = run.predict(piece, batch_size=_BATCH_SIZE.value)
        for text, prediction in zip(piece, predictions, strict=True):
            record = {"text": text, **prediction._asdict()}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
        file.flush()


def _texts(name: str, field: str) -> Iterator[str]:
    """The texts of the input.

    Raises:
        DataError: it cannot be read, is empty, or a line of it is malformed.
    """
    lines = _standard_input() if name == "-" else numbered_lines(expand(name))
    for number, line in lines:
        if not name.endswith(".jsonl"):
            yield line.removesuffix("\n")
        elif line.strip():
            yield _field(line, field, f"{name}, line {number}")


def _standard_input() -> Iterator[tuple[int, str]]:
    path, number = pathlib.Path("standard input"), 0
    for number, line in enumerate(sys.stdin.buffer, start=1):
        yield number, decode(line, path, number - 1)
    if not number:
        raise DataError(f"{path} is empty")


def _field(line: str, field: str, place: str) -> str:
    try:
        text = json.loads(line)[field]
    except ValueError as error:
        raise DataError(f"{place}: malformed JSON: {error}") from None
    except (KeyError, TypeError):
        raise DataError(f"{place}: not an object with the field {field!r}; see --text") from None
    if not isinstance(text, str):
        raise DataError(f"{place}: {field!r} is not a string")
    return text


if __name__ == "__main__":
    program.run(main)
