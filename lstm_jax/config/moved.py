"""Where classes and modules stood before, so that old files are read and old imports are told.

The tables are frozen: what stands here was written into runs, or imported by users, and stays.
"""

import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from lstm_jax.config.left import GONE, NAMES, RENAMED

CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "lstm_jax.adversarial.Adversarial": "lstm_jax.functional.Adversarial",
        "lstm_jax.adversarial.VirtualAdversarial": "lstm_jax.functional.VirtualAdversarial",
        "lstm_jax.cells.gru.GRU": "lstm_jax.cells.GRU",
        "lstm_jax.cells.lstm.LSTM": "lstm_jax.cells.LSTM",
        "lstm_jax.cells.simple.SimpleRNN": "lstm_jax.cells.SimpleRNN",
        "lstm_jax.data.distinct.Distinct": "lstm_jax.data.Distinct",
        "lstm_jax.data.labelled.LabelledTexts": "lstm_jax.data.LabelledTexts",
        "lstm_jax.data.reviews.LabelledFolder": "lstm_jax.data.LabelledFolder",
        "lstm_jax.data.reviews.MovieReviews": "lstm_jax.data.MovieReviews",
        "lstm_jax.data.tables.LabelledTable": "lstm_jax.data.LabelledTable",
        "lstm_jax.data.text.PythonDocumentation": "lstm_jax.data.PythonDocumentation",
        "lstm_jax.data.text.TextFile": "lstm_jax.data.TextFile",
        "lstm_jax.data.text.TextFiles": "lstm_jax.data.TextFiles",
        "lstm_jax.data.tfds.TensorFlowDataset": "lstm_jax.data.TensorFlowDataset",
        "lstm_jax.data.windows.TextWindows": "lstm_jax.data.TextWindows",
        "lstm_jax.experiment.Experiment": "lstm_jax.Experiment",
        "lstm_jax.optimizers.Optimizer": "lstm_jax.optimization.Optimizer",
        "lstm_jax.schedules.Constant": "lstm_jax.optimization.Constant",
        "lstm_jax.schedules.Decay": "lstm_jax.optimization.Decay",
        "lstm_jax.schedules.Piecewise": "lstm_jax.optimization.Piecewise",
        "lstm_jax.schedules.Plateau": "lstm_jax.optimization.Plateau",
        "lstm_jax.schedules.SlantedTriangular": "lstm_jax.optimization.SlantedTriangular",
        "lstm_jax.schedules.WarmupCosine": "lstm_jax.optimization.WarmupCosine",
        "lstm_jax.tasks.classification.Classification": "lstm_jax.tasks.Classification",
        "lstm_jax.tasks.language_modeling.LanguageModeling": "lstm_jax.tasks.LanguageModeling",
    }
)
"""The names under which configs of format 1 have classes, and their public names of today."""

MODULES: Mapping[str, str] = MappingProxyType(
    {
        "experiments.program": "lstm_jax.programs.program",
        "lstm_jax.adversarial": "lstm_jax.functional.adversarial",
        "lstm_jax.affine": "lstm_jax.functional.affine",
        "lstm_jax.arguments": "lstm_jax.functional.arguments",
        "lstm_jax.backend": "lstm_jax.recurrence.backend",
        "lstm_jax.checkpoints": "lstm_jax.storage.checkpoints",
        "lstm_jax.cudnn": "lstm_jax.recurrence.cudnn",
        "lstm_jax.curves": "lstm_jax.reporting.curves",
        "lstm_jax.data.reviews": "lstm_jax.data.text.reviews",
        "lstm_jax.data.tokenization": "lstm_jax.data.text.tokenization",
        "lstm_jax.data.unknown": "lstm_jax.data.text.unknown",
        "lstm_jax.data.vocabulary": "lstm_jax.data.text.vocabulary",
        "lstm_jax.elementwise_scan": "lstm_jax.recurrence.elementwise",
        "lstm_jax.events": "lstm_jax.reporting.events",
        "lstm_jax.explanation": "lstm_jax.inference.explanation",
        "lstm_jax.finite": "lstm_jax.training.finite",
        "lstm_jax.harmless": "lstm_jax.storage.harmless",
        "lstm_jax.integers": "lstm_jax.functional.integers",
        "lstm_jax.interruption": "lstm_jax.runtime.interruption",
        "lstm_jax.leaves": "lstm_jax.storage.leaves",
        "lstm_jax.literals": "lstm_jax.config.literals",
        "lstm_jax.losses": "lstm_jax.functional.losses",
        "lstm_jax.manifest": "lstm_jax.storage.manifest",
        "lstm_jax.memory": "lstm_jax.runtime.memory",
        "lstm_jax.metrics_log": "lstm_jax.storage.metrics_log",
        "lstm_jax.native": "lstm_jax.recurrence.native",
        "lstm_jax.native_library": "lstm_jax.recurrence.native_library",
        "lstm_jax.optimizers": "lstm_jax.optimization.optimizers",
        "lstm_jax.origin": "lstm_jax.training.origin",
        "lstm_jax.parameter_groups": "lstm_jax.optimization.parameter_groups",
        "lstm_jax.prediction": "lstm_jax.inference.prediction",
        "lstm_jax.progress": "lstm_jax.training.progress",
        "lstm_jax.regularization": "lstm_jax.functional.dropouts",
        "lstm_jax.run_directory": "lstm_jax.storage.run_directory",
        "lstm_jax.runner": "lstm_jax.training.loop",
        "lstm_jax.sampling": "lstm_jax.inference.sampling",
        "lstm_jax.schedules": "lstm_jax.optimization.schedules",
        "lstm_jax.scores": "lstm_jax.metrics.classification",
        "lstm_jax.step_directories": "lstm_jax.storage.step_directories",
        "lstm_jax.transfer": "lstm_jax.training.transfer",
        "lstm_jax.values": "lstm_jax.config.values",
    }
)
"""Modules that are gone, and where to look for what was in them."""


class _Moved:
    """Says of a module that is gone where it is now: a finder in `sys.meta_path`."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        """Raises ImportError for such a module; all others are for other finders."""
        del path, target
        if (place := MODULES.get(fullname)) is None:
            return
        hints = (
            f"; {_hint(name)}"
            for table in (RENAMED, GONE)
            for name in table
            if name.rpartition(".")[0] == place
        )
        # Not a ModuleNotFoundError, which `from lstm_jax import optimizers` would hide.
        raise ImportError(f"{fullname} has moved: import it from {place}{''.join(hints)}")


def tell_of_old_imports() -> None:
    """From now on importing a module of before, or a name that left one, says where it is now."""
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        finder: Any = _Moved()
        sys.meta_path.append(finder)
    for holder in {name.rpartition(".")[0] for name in (*NAMES, *RENAMED, *GONE)}:
        if holder in sys.modules:
            vars(sys.modules[holder]).setdefault("__getattr__", _refusing(holder))


def refuse(module: str, name: str) -> Exception:
    """The error of a name that a module does not have: where it is now, if it was there before."""
    if hint := _hint(f"{module}.{name}"):
        return ImportError(hint)
    return AttributeError(f"module {module!r} has no attribute {name!r}")


def _hint(name: str) -> str | None:
    if name in RENAMED:
        return f"{name} is called {RENAMED[name]} now"
    if name in NAMES:
        return f"{name} has moved: import it from {NAMES[name]}"
    return f"{name} is gone: {GONE[name]}" if name in GONE else None


def _refusing(module: str) -> Callable[[str], Any]:
    """The `__getattr__` of a module, with which it need not know what has left it."""

    def refused(name: str) -> Any:
        raise refuse(module, name)

    return refused
