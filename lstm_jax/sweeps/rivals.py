"""The best trial of a sweep beside the simple rivals of its task."""

from lstm_jax.metrics.means import format_metric
from lstm_jax.storage import rivals
from lstm_jax.sweeps.results import SweepRun


def describe_rivals(sweep: SweepRun) -> list[str]:
    """What simple rivals score by the metric of the sweep, in a line; none where none were scored.

    They are those that `experiments.baseline` has put into the directory of the best trial, of the
    part of the data that the sweep looks at, and scored on these very data.

    Raises:
        DataError: the data cannot be read.
        RunDirectoryError: what is saved is malformed.
    """
    best = next(iter(sweep.ranked()), None)
    if best is None or best.metric is None or not (best.workdir / rivals.FILE).exists():
        return []
    split, _, name = sweep.metric.partition("/")
    assert split in ("train", "validation", "test")
    rows = best.load().rivals(split)
    scored = {model: row[name] for model, row in rows.items() if isinstance(row.get(name), float)}
    if not scored:
        return []
    sign = 1 if sweep.score.direction == "min" else -1
    order = sorted(scored, key=lambda model: sign * scored[model])
    told = ", ".join(f"{model} {format_metric(scored[model])}" for model in order)
    word = "better" if sign * best.metric < sign * scored[order[0]] else "not better"
    return [f"simple rivals, {sweep.metric}: {told}; trial {best.number} is {word}"]
