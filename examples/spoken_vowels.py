r"""A source and a preprocessor of one's own: vectors of unequal length, for `Classification`.

JapaneseVowels (Kudo, Toyama and Shimbo 1999): which of nine men says two vowels, by 12 coefficients
for each of 7 to 29 frames, as the UEA archive has them.

    python -m experiments.train --config=examples/configs/spoken_vowels.py --workdir=runs/vowels \
        --config.data.source.folder=japanese_vowels
"""

import dataclasses

import numpy as np

from lstm_jax import data
from lstm_jax.errors import DataError


@dataclasses.dataclass(frozen=True)
class SpokenVowels(data.LabelledSource):
    """The utterances of a folder; every sixth one of training is for validation."""

    folder: str = "$LSTM_JAX_DATA/japanese_vowels"

    def examples(self, split):
        name = "TEST" if split == "test" else "TRAIN"
        found = self.read(data.expand(self.folder) / f"JapaneseVowels_{name}.ts")
        for number, example in enumerate(found):
            if split == "test" or (split == "validation") == (number % 6 == 5):
                yield example

    def read(self, path):
        """Those of a file: a line each, coefficient by coefficient, and at its end the class."""
        for number, line in data.numbered_lines(path):
            if not line.startswith(("@", "#")):
                *rows, label = line.strip().split(":")
                channels = [row.split(",") for row in rows]
                if len({len(values) for values in channels}) != 1:
                    raise DataError(f"{path}, line {number}: coefficients of unequal length")
                steps = list(zip(*channels, strict=True))
                yield data.Example(steps, label, f"{path}, line {number}")


@dataclasses.dataclass(frozen=True)
class Standardized(data.Preprocessor):
    """Features of mean 0 and variance 1 over all steps of training."""

    classes: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()

    inputs = property(lambda self: data.Features(len(self.mean)))
    targets = property(lambda self: data.Classes(self.classes))

    def fit(self, source, given=None):
        classes = source.class_names()
        if isinstance(given, Standardized):  # what the parameters of another run have read
            return Standardized(classes, given.mean, given.deviation)
        examples = list(source.examples("train"))
        kind = data.Features(len(examples[0].inputs[0]))
        steps = np.concatenate([data.as_steps(x.inputs, x.place, kind) for x in examples])
        deviation = np.where(steps.std(axis=0) > 0, steps.std(axis=0), 1)
        return Standardized(classes, steps.mean(axis=0), deviation)

    def encode(self, example):
        steps = data.as_steps(example.inputs, example.place, self.inputs)
        return data.Encoded((steps - np.float32(self.mean)) / np.float32(self.deviation))
