"""Where classes and modules stood before, so that old files are read and old imports are told.

The tables are frozen: what stands here was written into runs, or imported by users, and stays.
"""

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

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
        "lstm_jax.backend": "lstm_jax.recurrence.backend",
        "lstm_jax.checkpoints": "lstm_jax.storage.checkpoints",
        "lstm_jax.cudnn": "lstm_jax.recurrence.cudnn",
        "lstm_jax.curves": "lstm_jax.reporting.curves",
        "lstm_jax.data.reviews": "lstm_jax.data.text.reviews",
        "lstm_jax.data.tokenization": "lstm_jax.data.text.tokenization",
        "lstm_jax.data.vocabulary": "lstm_jax.data.text.vocabulary",
        "lstm_jax.elementwise_scan": "lstm_jax.recurrence.elementwise",
        "lstm_jax.events": "lstm_jax.reporting.events",
        "lstm_jax.explanation": "lstm_jax.inference.explanation",
        "lstm_jax.finite": "lstm_jax.training.finite",
        "lstm_jax.interruption": "lstm_jax.runtime.interruption",
        "lstm_jax.literals": "lstm_jax.config.literals",
        "lstm_jax.losses": "lstm_jax.functional.losses",
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

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "lstm_jax.data.text.PythonDocumentation": "lstm_jax.data",
        "lstm_jax.data.text.TextFile": "lstm_jax.data",
        "lstm_jax.data.text.TextFiles": "lstm_jax.data",
        "lstm_jax.reporting.CURVES": "lstm_jax.reporting.reporter",
        "lstm_jax.reporting.Reporter": "lstm_jax.reporting.reporter",
        "lstm_jax.reporting.describe_evaluation": "lstm_jax.reporting.reporter",
        "lstm_jax.reporting.progress_bar": "lstm_jax.reporting.reporter",
        "lstm_jax.reporting.say": "lstm_jax.reporting.reporter",
        "lstm_jax.training.EvalStep": "lstm_jax.tasks.evaluation",
        "lstm_jax.training.GRADIENT_NORM": "lstm_jax.training.step",
        "lstm_jax.training.Prepared": "lstm_jax.training.step",
        "lstm_jax.training.Report": "lstm_jax.training.step",
        "lstm_jax.training.TrainSteps": "lstm_jax.training.step",
        "lstm_jax.training.TrainState": "lstm_jax.training.step",
        "lstm_jax.training.evaluate": "lstm_jax.tasks.evaluation",
        "lstm_jax.training.init_state": "lstm_jax.training.step",
        "lstm_jax.training.make_eval_step": "lstm_jax.tasks.evaluation",
        "lstm_jax.training.make_train_steps": "lstm_jax.training.step",
        "lstm_jax.training.own": "lstm_jax.training.step",
        "lstm_jax.training.prepare": "lstm_jax.training.step",
        "lstm_jax.training.stack": "lstm_jax.training.step",
        "lstm_jax.training.stacks": "lstm_jax.training.step",
        "lstm_jax.training.summarize": "lstm_jax.training.step",
        "lstm_jax.training.zeros_like": "lstm_jax.training.step",
    }
)
"""Names that stood in modules which are packages today, and the modules that have them."""

RENAMED: Mapping[str, str] = MappingProxyType(
    {
        "lstm_jax.data.LabelledBatch": "lstm_jax.data.PaddedBatch",
        "lstm_jax.data.PaddedTexts": "lstm_jax.data.PaddedDataset",
    }
)
"""Classes that are no configs and are called otherwise today."""


class _Moved:
    """Says of a module that is gone where it is now: a finder in `sys.meta_path`."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        """Raises ImportError for such a module; all others are for other finders."""
        del path, target
        if fullname in MODULES:
            # Not a ModuleNotFoundError, which `from lstm_jax import optimizers` would hide.
            raise ImportError(f"{fullname} has moved: import it from {MODULES[fullname]}")


def tell_of_old_imports() -> None:
    """From now on importing a module of before says in a line where it is now."""
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        finder: Any = _Moved()
        sys.meta_path.append(finder)


def refuse(module: str, name: str) -> Exception:
    """The error of a name that a package does not have: where it is now, if it was there before."""
    if new := RENAMED.get(f"{module}.{name}"):
        return ImportError(f"{module}.{name} is called {new} now")
    if place := NAMES.get(f"{module}.{name}"):
        return ImportError(f"{module}.{name} has moved: import it from {place}")
    return AttributeError(f"module {module!r} has no attribute {name!r}")
