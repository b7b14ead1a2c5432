"""What a trained model says of new examples: a text a line in, a JSON object a line out.

    python -m experiments.predict --workdir=runs/sentiment --input=reviews.txt --output=labels.jsonl
    echo "a great film" | python -m experiments.predict --workdir=runs/sentiment

Of a text an object has the `text`, its `label` and the `probabilities` of all classes. An input
whose name ends in `.jsonl`, `.json`, `.csv` or `.tsv` (or one of these and `.gz`) is a table, whose
column `--column` is read, by default `text`. Data of another kind are read from the files that
their source reads, and have their `place` instead.
"""

import codecs
import contextlib
import itertools
import json
from collections.abc import Iterator
from typing import Any

from absl import flags

import lstm_jax
from lstm_jax.data.files import STANDARD_INPUT, expand
from lstm_jax.data.sources import Example
from lstm_jax.files import replacing
from lstm_jax.inference.prediction import to_record
from lstm_jax.programs import program
from lstm_jax.programs.trained import RunFlags
from lstm_jax.runtime.memory import keep_freed_memory

_FLAGS = flags.FlagValues()
_RUN = RunFlags(_FLAGS)
_INPUT = flags.DEFINE_string(
    "input", "-", "File of examples, texts one a line; - is standard input.", flag_values=_FLAGS
)
_OUTPUT = flags.DEFINE_string(
    "output", "-", "File of JSON lines; - is standard output.", flag_values=_FLAGS
)
_COLUMN = flags.DEFINE_string(
    "column", None, "In an input that is a table, the column to read.", flag_values=_FLAGS
)
flags.DEFINE_alias("text", "column", flag_values=_FLAGS)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Examples side by side.", flag_values=_FLAGS)

_PIECE = 25_000
"""Examples that are in memory at once."""


def main() -> None:
    """Loads, reads, predicts, writes."""
    keep_freed_memory()
    run = _RUN.load_unchanged()
    path = STANDARD_INPUT if _INPUT.value == str(STANDARD_INPUT) else expand(_INPUT.value)
    examples = iter(run.experiment.data.read(path, _COLUMN.value))
    # Who reads a pipe may have enough before the end: that is no mistake.
    with contextlib.suppress(BrokenPipeError):
        if _OUTPUT.value == "-":
            with program.standard_output() as file:
                _predict(run, examples, file)
            return
        # A file appears when it is whole: after a mistake an old one is as it was.
        with replacing(expand(_OUTPUT.value), is_shared=True) as file:
            _predict(run, examples, codecs.getwriter("utf-8")(file))


def _predict(run: lstm_jax.Run, examples: Iterator[Example], file: Any) -> None:
    while piece := list(itertools.islice(examples, _PIECE)):
        predictions = run.predict(piece, batch_size=_BATCH_SIZE.value)
        for example, prediction in zip(piece, predictions, strict=True):
            record = {**run.experiment.data.show(example), **to_record(prediction)}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
        file.flush()


def run() -> None:
    """Runs the program on the flags of the command line."""
    program.run(main, _FLAGS)
