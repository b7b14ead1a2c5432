"""Names that have left a module which is still there, and where they are or what they became.

The tables are frozen as those of `lstm_jax.config.moved`, which tells of them.
"""

from collections.abc import Mapping
from types import MappingProxyType

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "lstm_jax.data.base.ClassOrder": "lstm_jax.data.sources",
        "lstm_jax.data.base.LabelledSource": "lstm_jax.data",
        "lstm_jax.data.base.SPLITS": "lstm_jax.data",
        "lstm_jax.data.base.Source": "lstm_jax.data",
        "lstm_jax.data.base.describe_left_out": "lstm_jax.data.sources",
        "lstm_jax.data.base.in_order": "lstm_jax.data.sources",
        "lstm_jax.data.text.PythonDocumentation": "lstm_jax.data",
        "lstm_jax.data.text.TextFile": "lstm_jax.data",
        "lstm_jax.data.text.TextFiles": "lstm_jax.data",
        "lstm_jax.reporting.CURVES": "lstm_jax.reporting.reporter",
        "lstm_jax.reporting.Reporter": "lstm_jax.reporting.reporter",
        "lstm_jax.reporting.describe_evaluation": "lstm_jax.reporting.reporter",
        "lstm_jax.reporting.progress_bar": "lstm_jax.reporting.reporter",
        "lstm_jax.reporting.say": "lstm_jax.reporting.reporter",
        "lstm_jax.tasks.base.cells_of": "lstm_jax.tasks.fields",
        "lstm_jax.tasks.base.check_rates": "lstm_jax.tasks.fields",
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
"""Names that have left modules which are still there, and the modules that have them."""

RENAMED: Mapping[str, str] = MappingProxyType(
    {
        "lstm_jax.data.LabelledBatch": "lstm_jax.data.PaddedBatch",
        "lstm_jax.data.PaddedTexts": "lstm_jax.data.PaddedDataset",
        "lstm_jax.data.files.handed_over": "lstm_jax.data.numbered_lines",
        "lstm_jax.data.labelled.PaddedTexts": "lstm_jax.data.PaddedDataset",
        "lstm_jax.data.padded.LabelledBatch": "lstm_jax.data.PaddedBatch",
        "lstm_jax.data.text.tokenization.Tokens": "lstm_jax.data.Unit",
        "lstm_jax.inference.prediction.logits_of": "lstm_jax.inference.prediction.outputs_of",
        "lstm_jax.inference.prediction.predict_texts": (
            "lstm_jax.inference.prediction.predict_classes"
        ),
        "lstm_jax.storage.digests.VOCABULARY": "lstm_jax.storage.digests.PREPROCESSOR",
        "lstm_jax.storage.run_directory.VOCABULARY": "lstm_jax.storage.digests.PREPROCESSOR",
        "lstm_jax.storage.run_directory.read_vocabulary": (
            "lstm_jax.storage.run_directory.read_preprocessor"
        ),
    }
)
"""Names that are called otherwise today; classes among them are no configs."""

_NOISE = (
    "lstm_jax.modules.Stack takes dropout and variational, lstm_jax.modules.recurrent_layers "
    "takes weight_drop"
)
_PARTS = "a model takes the parts that both have, but for those of lstm_jax.tasks.Task.OWN"

GONE: Mapping[str, str] = MappingProxyType(
    {
        "lstm_jax.data.text.vocabulary.check_unit": (
            "compare the unit of a lstm_jax.data.Vocabulary, which is one of lstm_jax.data.Unit"
        ),
        "lstm_jax.data.text.vocabulary.rules_of": (
            "the rules are a field of lstm_jax.data.Vocabulary, and today's are "
            "lstm_jax.data.text.tokenization.RULES"
        ),
        "lstm_jax.modules.Noise": _NOISE,
        "lstm_jax.modules.recurrent.Noise": _NOISE,
        "lstm_jax.training.transfer.PARTS": _PARTS,
        "lstm_jax.training.transfer.REQUIRED": _PARTS,
    }
)
"""Names that nothing has today, and what is in their place."""
