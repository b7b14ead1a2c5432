"""A task of one's own: regression on sequences of real numbers, for the adding problem.

A sequence has two features, numbers in [0, 1) and markers, of which two are 1; what is wanted is
the sum of the two marked numbers (Hochreiter and Schmidhuber 1997, section 5.4). Always to say 1
has a mean squared error of 1 / 6.

    python -m experiments.train --config=examples/configs/adding.py --workdir=runs/adding
"""

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from flax import nnx

from lstm_jax import data
from lstm_jax.cells import LSTM, Cell
from lstm_jax.errors import ConfigError
from lstm_jax.inference import predict
from lstm_jax.metrics import Mean
from lstm_jax.modules import Dense, Pooling, Stack, recurrent_layers
from lstm_jax.tasks import Output, Score, Task, Term, Use, capability


@dataclasses.dataclass(frozen=True)
class Adding(data.Source):
    """Examples of the adding problem: so many of training, a tenth of that of the other splits."""

    count: int = 2000
    shortest: int = 20
    longest: int = 40

    def examples(self, split):
        seed = data.SPLITS.index(split)
        random = np.random.default_rng(seed)
        for index in range(self.count if seed == 0 else self.count // 10):
            steps = np.zeros((random.integers(self.shortest, self.longest + 1), 2))
            steps[:, 0] = random.random(len(steps))
            steps[random.choice(len(steps), 2, replace=False), 1] = 1
            total = steps[steps[:, 1] == 1, 0].sum()
            yield data.Example(steps, total, f"{split}, example {index}")


@dataclasses.dataclass(frozen=True)
class Numbers(data.Preprocessor):
    """Vectors of two features to one number, both as they are."""

    inputs = data.Features(2)
    targets = data.Values(1)

    def encode(self, example):
        return data.Encoded(data.as_steps(example.inputs, example.place, self.inputs))


class Regressor(nnx.Module):
    """A recurrent layer whose last output is mapped to values."""

    def __init__(self, cell: Cell, features: int, values: int, rngs: nnx.Rngs):
        self.stack = Stack(recurrent_layers([cell], features, rngs))
        self.last = Pooling("last", cell.hidden, False, rngs)
        self.values = Dense(cell.hidden, values, rngs)

    def initial_carry(self, batch_size):
        return ()  # nothing goes on from one batch to the next

    def __call__(self, inputs, lengths):
        """Inputs [time, batch, features] and lengths [batch] to values [batch, values]."""
        outputs, _ = self.stack(inputs, lengths=lengths)
        return self.values(self.last(outputs, lengths))


@dataclasses.dataclass(frozen=True)
class Regression(Task):
    """Values of a sequence, by the mean squared error, and what nine of ten errors are within."""

    BATCH: ClassVar[type] = data.PaddedBatch

    cell: Cell = dataclasses.field(default_factory=lambda: LSTM(hidden=32))

    score = Score("squared_error", "min")

    def check(self, preprocessor, dataset):
        if not isinstance(preprocessor.targets, data.Values):
            raise ConfigError(f"a regression learns values, not {preprocessor.targets.describe()}")

    def build(self, rngs, preprocessor):
        return Regressor(self.cell, preprocessor.inputs.size, preprocessor.targets.size, rngs)

    def loss(self, model, batch, carry, key):
        errors = model(batch.inputs, batch.lengths) - batch.targets
        total, count = (batch.mask * (errors**2).mean(axis=-1)).sum(), batch.mask.sum()
        rows = {"error": jnp.abs(errors).max(axis=-1)}
        terms, metrics = {"error": Term(total, count)}, {"squared_error": Mean(total, count)}
        return Output(terms, carry, metrics, rows)

    def summarize(self, sums, rows, preprocessor):
        figures = {"squared_error": sums["squared_error"].compute()}
        return figures | ({"median_error": float(np.median(rows["error"]))} if rows else {})

    def calibrate(self, use):
        held_out = list(use.data.source.examples("validation"))
        wanted = [use.preprocessor.encode_target(example) for example in held_out]
        errors = np.abs(predict(use, held_out) - np.array(wanted)).max(axis=1)
        return {"nine_of_ten": float(np.quantile(errors, 0.9))}

    @capability
    def predict(self, use: Use, given: Any, *, batch_size: int = 64) -> list[dict[str, Any]]:
        """The values of sequences [time, features], and within which error nine of ten are."""
        values = use.preprocessor.decode(predict(use, given, batch_size=batch_size))
        return [{"values": one.tolist(), "within": use.calibrated("nine_of_ten")} for one in values]
