"""Makes `tests/earlier/<format>`: the runs that later versions must go on reading.

    python -m tests.earlier.make 1

Run it in the root of the project with the version whose format is to be kept, and commit what it
writes.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np

import lstm_jax
from lstm_jax import Experiment
from lstm_jax.cells import GRU, LSTM
from lstm_jax.data import Distinct, LabelledTable, LabelledTexts, TextFiles, TextWindows
from lstm_jax.optimization import Optimizer
from lstm_jax.optimization.schedules import Plateau
from lstm_jax.sweeps import Sweep, run_sweep
from lstm_jax.tasks import Classification, LanguageModeling

HERE = Path("tests/earlier")
DATA = HERE / "data"

_TOPICS = ["boat", "past", "current", "हिन्दी", "cafe\u0301", "caf\u00e9", "🎉"]
TEXTS = ["so we beat on", "कि पानी में", "the cafe\u0301 is open", "🎉", "C++ rocks", ""]


def write_data() -> None:
    """Text with combining marks, and tables of twelve classes that are numbers."""
    DATA.mkdir(exist_ok=True)
    for part, (name, lines) in enumerate({"train": 60, "valid": 12, "test": 10}.items()):
        text = [
            " ".join(_TOPICS[(i * 3 + j * j + part) % 7] for j in range(2 + i % 5)) + " ."
            for i in range(lines)
        ]
        (DATA / f"{name}.txt").write_text("\n".join(text) + "\n", encoding="utf-8")
    for part, (name, rows) in enumerate({"train": 96, "test": 24}.items()):
        lines = ["text\tlabel"]
        for i in range(rows):
            words = [_TOPICS[(i * 5 + j + part) % 7] for j in range(i % 6)]
            lines.append(
                f"{' '.join([*words, f'number {i % 12} {i // 12 + 100 * part}'])}\t{i % 12}"
            )
        lines.append("🎉\t3")
        (DATA / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def language_model(**changes: Any) -> Experiment:
    """A language model of prose, whose state has all that a checkpoint keeps."""
    experiment = Experiment(
        task=LanguageModeling(cell=LSTM(hidden=4), layers=2, embedding=3, dropout=0.2),
        data=TextWindows(source=TextFiles(str(DATA)), tokens="prose", batch_size=4, window=5),
        optimizer=Optimizer("adam", learning_rate=0.02, schedule=Plateau(), clip_norm=1.0),
        steps=9,
        evaluate_every=4,
        log_every=3,
        steps_per_dispatch=2,
    )
    return lstm_jax.override(experiment, changes)


def classifier(**changes: Any) -> Experiment:
    """A classifier of twelve classes, whose validation texts are held out of the training ones."""
    source = LabelledTable(f"{DATA}/train.tsv", test=f"{DATA}/test.tsv", held_out=0.2)
    experiment = Experiment(
        task=Classification(
            cell=GRU(hidden=4), embedding=3, dropout=0.1, class_weights=(1.0, 2.0) * 6
        ),
        data=LabelledTexts(source=Distinct(source), tokens="prose", batch_size=8, groups=2),
        optimizer=Optimizer("adam", learning_rate=0.05),
        steps=8,
        evaluate_every=4,
    )
    return lstm_jax.override(experiment, changes)


def sweep(workdir: Path) -> Any:
    """The sweep of two learning rates."""
    space = Sweep({"optimizer.learning_rate": (0.01, 0.1)}, sampler="grid")
    return run_sweep(space, classifier(), workdir)


EXPERIMENTS = {"language_model": language_model, "classifier": classifier}


def digests(run: Any) -> dict[str, str]:
    """SHA-256 of each parameter."""
    leaves = jax.tree.leaves_with_path(run.params)
    return {
        jax.tree_util.keystr(path): hashlib.sha256(np.asarray(leaf).tobytes()).hexdigest()
        for path, leaf in leaves
    }


def said(run: Any) -> dict[str, Any]:
    """What a version says of a run."""
    figures = {split: run.evaluate(split) for split in ("train", "validation", "test")}
    if isinstance(run.experiment.task, Classification):
        uses = {"predict": [p._asdict() for p in run.predict(TEXTS)]}
    else:
        uses = {"generate": run.generate("the cafe\u0301", length=12, temperature=0)}
    return {"step": run.step, "steps": run.steps, "params": digests(run), **figures, **uses}


def main() -> None:
    """Writes the data, trains, and writes down what is said of the runs."""
    folder = HERE / sys.argv[1]
    shutil.rmtree(folder, ignore_errors=True)
    write_data()
    expected = {}
    for name, experiment in EXPERIMENTS.items():
        expected[name] = said(lstm_jax.train(experiment(), folder / name))
    trials = sweep(folder / "sweep")
    expected["sweep"] = {"trials": trials.table(), "best": trials.best().number}
    # Nothing is read of these. The rest names the directory that it was written in.
    for pattern in ("*.png", "lock", "events*"):
        for file in folder.rglob(pattern):
            file.unlink()
    (folder / "expected.json").write_text(json.dumps(expected, indent=1, default=str) + "\n")


if __name__ == "__main__":
    main()
